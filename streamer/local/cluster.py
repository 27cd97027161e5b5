"""A cluster on this machine: Kafka, workers and a trainer as processes of their own, for replay, demo and tests.

    with Cluster(os.environ, num_workers=2) as cluster:
        cluster.start_workers()
        cluster.wait_ready()

Rules of this file:
- No process it starts outlives it, even if it is killed with SIGKILL.
- Nothing it writes is left behind, but for the logs of a cluster that failed: they are kept, and named.
- Each process is what an operator would start: the same command, set by the same variables.
"""

import contextlib
import http.client
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from streamer.errors import RefrainError
from streamer.local.child import ChildProcess, describe_end
from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from streamer.settings import Settings

logger = logging.getLogger(__name__)

READY_DEADLINE_S: Final = 120.0  # a worker imports torch, takes a release up and joins the group: 5 s, or a busy laptop
_POLL_S: Final = 0.1
_HTTP_TIMEOUT_S: Final = 5.0
#: Where it names a broker, none is started.
BOOTSTRAP: Final = "REFRAIN_KAFKA_BOOTSTRAP_SERVERS"


class ClusterError(RefrainError):
    """Raised when a process of a cluster ended by itself, or is not ready in time."""


@dataclass(frozen=True, slots=True)
class _Process:
    """A worker or a trainer.

    Attributes:
        child: what runs.
        command: of Refrain, that it runs.
        own: settings that tell it from the others.
        web_port: where it serves its metrics.
    """

    child: ChildProcess
    command: str
    own: Mapping[str, str]
    web_port: int


class Cluster:
    """Workers, perhaps a trainer, and a Kafka of their own unless the environment names one.

    All methods block; async callers go through `asyncio.to_thread`. Not thread-safe.

    Args:
        environment: of the processes. Its `REFRAIN_` variables hold for all of them, but for those that tell one
            process from another: instance, state directory, web server. Where it names no
            `REFRAIN_KAFKA_BOOTSTRAP_SERVERS`, a broker is started. Releases and archive are temporary unless named.
        num_workers: how many workers there are to start.
    """

    def __init__(self, environment: Mapping[str, str], *, num_workers: int = 1) -> None:
        self.num_workers = num_workers
        self._environment = dict(environment)
        self._processes: dict[str, _Process] = {}
        self._resources = contextlib.ExitStack()
        self._directory = Path()
        self._logs = Path()

    @property
    def settings(self) -> Settings:
        """Return what holds for all workers: where Kafka answers, how the topics are called."""
        return Settings.from_environment(self._environment)

    @property
    def logs(self) -> Path:
        """Name the directory of the logs: `worker-0.log`, ..., `trainer.log`."""
        return self._logs

    def __enter__(self) -> Self:
        """Start Kafka; the processes are the caller's to start."""
        with contextlib.ExitStack() as resources:
            self._directory = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="refrain-cluster-")))
            if not self._environment.get(BOOTSTRAP):
                kafka = resources.enter_context(DevKafka(self._directory / "kafka"))
                self._environment = connecting_to(kafka, self._environment)
                self._environment.setdefault("REFRAIN_REPLICATION", "1")  # it is one broker, and goes with us
            self._environment.setdefault("REFRAIN_RELEASES_URL", str(self._directory / "releases"))
            self._environment.setdefault("REFRAIN_ARCHIVE_DIR", str(self._directory / "archive"))
            self._logs = Path(tempfile.mkdtemp(prefix="refrain-logs-"))
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._resources:  # Kafka last: a worker that stops in order still needs it
            self._end_all()
        if kind is None or not issubclass(kind, Exception):
            shutil.rmtree(self._logs)
        else:
            logger.warning("the cluster failed; the logs of its processes are kept in %s", self._logs)

    def start_workers(self) -> None:
        """Start all workers."""
        for number in range(self.num_workers):
            self.start_worker(number)

    def start_worker(self, number: int) -> None:
        """Start a worker, for the first time or again: it finds the identity and the states it had."""
        name = f"worker-{number}"
        port = self._draw_port()
        own = {
            "REFRAIN_INSTANCE_ID": name,
            "REFRAIN_STATE_DIR": str(self._directory / name),
            "REFRAIN_WEB_HOST": "127.0.0.1",
            "REFRAIN_WEB_PORT": str(port),
        }
        self._start(name, "worker", own, port)

    def worker_url(self, number: int) -> str:
        """Return where a worker that was started serves its page."""
        return f"http://127.0.0.1:{self._processes[f'worker-{number}'].web_port}"

    def kill_worker(self, number: int) -> None:
        """Kill a worker as a power cut would; its disk stays for the next start."""
        self._end(f"worker-{number}", ChildProcess.kill)

    def start_trainer(self) -> None:
        """Start the trainer, for the first time or again."""
        port = self._draw_port()
        own = {"REFRAIN_WEB_HOST": "127.0.0.1", "REFRAIN_TRAINER_WEB_PORT": str(port)}
        self._start("trainer", "trainer", own, port)

    def stop_trainer(self) -> None:
        """Stop the trainer as SIGTERM does."""
        self._end("trainer", ChildProcess.stop)

    def wait_ready(self, deadline_s: float = READY_DEADLINE_S) -> None:
        """Wait until every process that was started does its work.

        Raises:
            ClusterError: one ended, or was not ready in time.
        """
        ends_s = time.monotonic() + deadline_s
        waiting = list(self._processes)
        while waiting:
            self.check()
            waiting = [name for name in waiting if not self.is_ready(name)]
            if waiting and time.monotonic() > ends_s:
                raise ClusterError(f"{waiting[0]} is not ready after {deadline_s:.0f} s. {self.last_words(waiting[0])}")
            time.sleep(_POLL_S if waiting else 0)

    def check(self) -> None:
        """See whether every process that was started still runs.

        Raises:
            ClusterError: one ended by itself.
        """
        for name, status in self.ended().items():
            raise ClusterError(f"{name} {describe_end(status)}. {self.last_words(name)}")

    def ended(self) -> Mapping[str, int]:
        """Return the exit status of each process that ended by itself, as of a shell, by its name."""
        processes = tuple(self._processes.items())  # others may start meanwhile
        return {name: status for name, each in processes if (status := each.child.status) is not None}

    def start_again(self, name: str) -> None:
        """Start a process that ended by itself, at the address it had; nothing happens if it was stopped meanwhile."""
        if (process := self._processes.get(name)) is not None:
            process.child.kill()
            self._run(name, process.command, process.own, process.web_port)

    def is_ready(self, name: str) -> bool:
        """Ask a process whether it does its work."""
        process = self._processes.get(name)
        return process is not None and _get(process.web_port, "/readyz") is not None

    def last_words(self, name: str) -> str:
        """Quote the end of the log of a process that was started."""
        return self._processes[name].child.last_words()

    def url(self, name: str) -> str:
        """Name the address of the web server of a process that was started, e.g. `worker-0`."""
        return f"http://127.0.0.1:{self._processes[name].web_port}"

    def total(self, sample: str) -> float:
        """Add a metric up over labels and the processes that answer, e.g. `refrain_plays_total`.

        A process that was killed starts its counters from zero.
        """
        return sum(
            found.value for name in tuple(self._processes) for found in self.samples(name) if found.name == sample
        )

    def samples(self, name: str) -> Sequence[Sample]:
        """Return the metrics of one process, e.g. `trainer`; none if it does not run or does not answer."""
        process = self._processes.get(name)
        page = None if process is None else _get(process.web_port, "/metrics")
        families = [] if page is None else text_string_to_metric_families(page)
        return [sample for family in families for sample in family.samples]

    def _start(self, name: str, command: str, own: Mapping[str, str], web_port: int) -> None:
        if name in self._processes:
            raise ClusterError(f"{name} already runs; stop or kill it first")
        self._run(name, command, own, web_port)

    def _run(self, name: str, command: str, own: Mapping[str, str], web_port: int) -> None:
        environment = {**self._environment, "OMP_NUM_THREADS": "1", **own}  # more threads only fight over a laptop
        child = ChildProcess([sys.executable, "-m", "streamer", command], self._logs / f"{name}.log", environment)
        self._processes[name] = _Process(child, command, own, web_port)

    def _draw_port(self) -> int:
        """Draw a free port; processes that have not bound theirs yet are considered too."""
        return free_port(other_than={process.web_port for process in self._processes.values()})

    def _end(self, name: str, how: Callable[[ChildProcess], None]) -> None:
        """Stop or kill a process and wait until it is gone; nothing happens when it does not run."""
        if (process := self._processes.pop(name, None)) is not None:
            how(process.child)

    def _end_all(self) -> None:
        """Stop everything at once: each then waits for what it has in work, not for the others."""
        for process in self._processes.values():
            process.child.request_stop()
        for name in tuple(self._processes):
            self._end(name, ChildProcess.stop)


def connecting_to(kafka: DevKafka, environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that leads to a broker of this machine, whatever it said of the security of another."""
    others = {name: text for name, text in environment.items() if not name.startswith("REFRAIN_KAFKA_")}
    return {**others, BOOTSTRAP: kafka.bootstrap_servers}


def _get(port: int, path: str) -> str | None:
    """Return a page; None if it says that something is wrong, or nobody answers yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_HTTP_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        page = response.read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return page if response.status == http.HTTPStatus.OK else None
