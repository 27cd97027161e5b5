"""A worker in its own process, forked from one that has imported everything, so that a start takes milliseconds.

Importing torch takes seconds of CPU, and a suite that kills hundreds of workers would do little else. After the fork,
`refrain worker` runs as an operator starts it.
"""

from __future__ import annotations

import asyncio
import functools
import math
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from streamer.__main__ import main
from tests.faults.sabotage import Misfortune
from tests.until import until

_LOG_COMPLAINT: Final = re.compile(
    r"^.* (ERROR|CRITICAL) (streamer|asyncio).*|^Traceback.*|^.*never retrieved.*|^.*Error in recovery.*", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a worker: when, ms since the epoch, and the partitions it owned."""

    at_ms: float
    partitions: tuple[int, ...]


class WorkerProcess:
    """One start of a worker.

    Args:
        name: its static identity, unless the environment sets another or none.
        environment: its settings.
        log: the file it logs to.
        sabotages: faults that it inflicts on itself.
    """

    def __init__(self, name: str, environment: Mapping[str, str], log: Path, sabotages: tuple[Misfortune, ...]) -> None:
        self.name = name
        self.faults: list[Fault] = []
        self.num_freezes = 0
        self.log_path = log
        log.touch()
        self._process = _forks().Process(target=_work, args=(dict(environment), log, sabotages))
        self._process.start()

    @property
    def log(self) -> str:
        """What it has logged."""
        return self.log_path.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process.pid is not None, "it was started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process exists, frozen or not."""
        return self._process.exitcode is None

    @property
    def is_frozen(self) -> bool:
        """Whether it is stopped, by a sabotage or by `freeze`."""
        return self.is_running and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    @property
    def was_killed(self) -> bool:
        """Whether it ended by SIGKILL."""
        return self._process.exitcode == -signal.SIGKILL

    @property
    def partitions(self) -> list[int]:
        """The partitions whose fences it took most recently."""
        taken = re.findall(r"fences taken partitions=\[([\d, ]*)\]", self.log)
        return [int(number) for number in taken[-1].split(", ") if number] if taken else []

    def num_takeovers(self, num_partitions: int) -> int:
        """Count how many times it took the fences of all partitions."""
        return self.log.count(f"fences taken partitions={list(range(num_partitions))}")

    async def ready(self) -> None:
        """Wait until it answers plays."""
        await until(self.is_ready, f"worker {self.name} is ready; its log: {self.log_path}")

    def is_ready(self) -> bool:
        """Return whether it answers plays; fail if it has ended."""
        assert self.is_running, f"worker {self.name} ended with status {self._process.exitcode}: {self.log[-4000:]}"
        return self._ask("readyz") is not None

    def metric(self, name: str) -> float:
        """Read a metric without labels, as Prometheus would; NaN while the web server does not answer."""
        match = re.search(rf"^{name} (\S+)$", self._ask("metrics") or "", re.MULTILINE)
        return float(match[1]) if match else math.nan

    def _ask(self, page: str) -> str | None:
        """Return a page of its web server; None if there is no server or the page reports an error."""
        port = re.search(r"web server started port=(\d+)", self.log)
        if port is None:
            return None
        try:
            with urlopen(f"http://127.0.0.1:{port[1]}/{page}", timeout=5) as answer:
                return str(answer.read().decode())
        except (URLError, OSError):
            return None

    def kill(self) -> None:
        """Kill it, as the kernel does when memory runs out."""
        if self.is_running:
            self._note_fault()
            self._process.kill()
        self._process.join()

    def freeze(self) -> None:
        """Stop the process without its noticing."""
        self._note_fault()
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it continue, unless it has ended."""
        if self.is_running:
            self.num_freezes += 1
            os.kill(self.pid, signal.SIGCONT)

    async def freeze_for(self, seconds: float) -> None:
        """Freeze it for a time: here the duration is the fault, not a way to wait for something."""
        self.freeze()
        await asyncio.sleep(seconds)
        self.thaw()

    async def froze(self) -> None:
        """Wait until it has frozen itself."""
        await until(
            lambda: self.is_frozen or not self.is_running, f"worker {self.name} freezes; its log: {self.log_path}"
        )
        assert self.is_frozen, f"worker {self.name} ended with status {self._process.exitcode}: {self.log[-4000:]}"
        self._note_fault()

    async def ended(self) -> int:
        """Wait until it ends; return its exit status."""
        await until(lambda: not self.is_running, f"worker {self.name} ends; its log: {self.log_path}")
        assert self._process.exitcode is not None
        return self._process.exitcode

    async def died(self) -> int:
        """Wait until a fault ends it; return its exit status."""
        status = await self.ended()
        self._note_fault()
        return status

    async def stop(self) -> int:
        """Ask it to stop, as an operator does; return its exit status."""
        self._process.terminate()
        return await self.ended()

    def complaints(self) -> list[str]:
        """Return the log lines that must not appear if nothing is wrong."""
        return [match[0] for match in _LOG_COMPLAINT.finditer(self.log)]

    def _note_fault(self) -> None:
        self.faults.append(Fault(time.time() * 1000, tuple(self.partitions)))


@functools.cache
def _forks() -> ForkServerContext:
    """Return the context of the process that workers are forked from; it has imported `pytest` and all they need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "streamer.worker.run", "tests.faults.process"])
    return context


def _work(environment: Mapping[str, str], log: Path, sabotages: tuple[Misfortune, ...]) -> None:
    """Run a worker; the entry point of the process."""
    stream = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.environ.update(environment)
    for sabotage in sabotages:
        sabotage.install()
    main(["worker"])
