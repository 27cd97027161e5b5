"""One process of Apache Kafka, as its settings say, that never outlives its owner.

Rules of this file:
- The process ends with its owner, even one that is killed with SIGKILL.
- `start` returns when Kafka answers for itself, not when its port does.
"""

import base64
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from streamer.errors import KafkaUnavailableError
from streamer.local.child import ChildProcess, describe_end, last_words

START_DEADLINE_S: Final = 90.0  # 1 s where nothing else runs; a laptop that builds wheels takes its time


class PortTakenError(Exception):
    """Raised when somebody came to listen on a port between its choice and its use."""


class KafkaNode:
    """A node of a Kafka cluster, in a directory of its own: `topics`, `server.properties` and `kafka.log`.

    All methods block. Not thread-safe.

    Args:
        directory: of the caller's, who makes it; what it holds is taken up again.
        java: the command in front of a Kafka main class.
        cluster_id: what a new directory is formatted with; absent: an id of its own.
    """

    def __init__(self, directory: Path, java: Sequence[str], *, cluster_id: str | None = None) -> None:
        self._directory = directory
        self._java = java
        self._cluster_id = cluster_id
        self._child: ChildProcess | None = None

    @property
    def log(self) -> Path:
        """Name the file it logs to, one start after the other."""
        return self._directory / "kafka.log"

    @property
    def was_killed(self) -> bool:
        """Whether the last process here ended without a word."""
        topics = self._directory / "topics"
        return (topics / "meta.properties").exists() and not (topics / ".kafka_cleanshutdown").exists()

    def start(self, config: Mapping[str, str | int], port: int) -> None:
        """Run the node until it answers on its port.

        Raises:
            PortTakenError: somebody else has come to listen on a port of its settings.
            KafkaUnavailableError: it ended, or did not answer in time.
        """
        properties = self._directory / "server.properties"
        config = {**config, "log.dirs": str(self._directory / "topics")}
        properties.write_text("".join(f"{name}={value}\n" for name, value in config.items()))
        cluster_id = self._format(properties)
        child = self._child = ChildProcess([*self._java, "kafka.Kafka", str(properties)], self.log)
        try:
            self._await_answer(child, port, cluster_id)
        except BaseException as exc:  # Ctrl-C while it starts included
            self.kill()
            if b"Address already in use" in child.read_output():
                raise PortTakenError(self.last_words()) from exc
            raise

    def stop(self) -> None:
        """Stop it in order, as SIGTERM does; nothing happens when it does not run."""
        self._end(ChildProcess.stop)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self._end(ChildProcess.kill)

    def wait(self) -> int:
        """Wait until it ends by itself; return its status."""
        assert self._child is not None, "wait() follows start()"
        return self._child.wait()

    def last_words(self) -> str:
        """Quote the end of its log."""
        return last_words(self.log)

    def _await_answer(self, child: ChildProcess, port: int, cluster_id: str) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while not _answers(port, cluster_id):
            if (status := child.status) is not None:
                raise KafkaUnavailableError(f"Kafka {describe_end(status)}. {self.last_words()}")
            if time.monotonic() > deadline:
                raise KafkaUnavailableError(f"Kafka gave no answer for {START_DEADLINE_S:.0f} s. {self.last_words()}")
            time.sleep(0.03)

    def _format(self, properties: Path) -> str:
        """Give a new directory its cluster id, which Kafka demands before its first start; return the id it has."""
        identity = self._directory / "topics" / "meta.properties"
        if not identity.exists():
            cluster_id = self._cluster_id or new_cluster_id()
            arguments = ["format", f"--cluster-id={cluster_id}", "--config", str(properties)]  # it may begin with "-"
            with self.log.open("ab") as log:
                format_run = subprocess.run(  # noqa: S603 - our own command
                    [*self._java, "kafka.tools.StorageTool", *arguments],
                    stdout=log, stderr=log, check=False, start_new_session=True,  # a Ctrl-C is ours to answer
                )  # fmt: skip
            if format_run.returncode:
                raise KafkaUnavailableError(f"Kafka could not format {identity.parent}. {self.last_words()}")
        lines = dict(line.partition("=")[::2] for line in identity.read_text().splitlines())
        return lines["cluster.id"]

    def _end(self, how: Callable[[ChildProcess], None]) -> None:
        if self._child is not None:
            how(self._child)
            self._child = None


def new_cluster_id() -> str:
    """Make up an id, as Kafka writes them: a UUID in 22 characters."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _answers(port: int, cluster_id: str) -> bool:
    """Ask for the cluster's metadata; true when it is this cluster and lists the broker of this port: it is ready.

    The request is Metadata version 2 without topics: size, api key 3, version, correlation id, no client id, no topics.
    The response: size, correlation id, the unfenced brokers (node, host, port, rack), cluster id, ...
    """
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=2.0) as connection,
            connection.makefile("rb") as answer,
        ):
            connection.sendall(struct.pack(">ihhihi", 14, 3, 2, 1, -1, 0))
            (size,) = struct.unpack(">i", answer.read(4))
            metadata = answer.read(size)
            return b"127.0.0.1" + struct.pack(">i", port) in metadata and cluster_id.encode() in metadata
    except (OSError, struct.error):  # nobody listens, or the connection ended early
        return False
