"""What a worker reports about itself, in its log and its metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.request import urlopen

from tests.faults.process import WorkerProcess

_LINE: Final = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \w+ streamer\S* (.*)$", re.MULTILINE)
_STARTS: Final = re.compile(r"partition starts partition=(\d+) .*replayed=(\d+)")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log: when, ms since the epoch, and the message."""

    at_ms: float
    text: str


def lines(worker: WorkerProcess, since_ms: float = 0.0) -> list[Line]:
    """Return the lines that the product itself has logged after a moment."""
    logged = [Line(_ms(at), text) for at, text in _LINE.findall(worker.log)]
    return [line for line in logged if line.at_ms > since_ms]


def replays(worker: WorkerProcess, since_ms: float = 0.0) -> dict[int, int]:
    """Return how many changelog records were read before the latest start of each partition."""
    matches = [_STARTS.search(line.text) for line in lines(worker, since_ms)]
    return {int(match[1]): int(match[2]) for match in matches if match}


def standby_lags(worker: WorkerProcess) -> dict[int, int]:
    """Return how many changelog records each standby on a worker has not read yet."""
    return {int(labels["partition"]): int(lag) for labels, lag in metric(worker, "refrain_standby_lag_records")}


def metric(worker: WorkerProcess, name: str) -> list[tuple[Mapping[str, str], float]]:
    """Return the labels and values of a metric."""
    samples = re.findall(rf"^{name}(?:{{(.*?)}})? (\S+)$", _metrics(worker), re.MULTILINE)
    return [(dict(re.findall(r'(\w+)="(.*?)"', labels)), float(value)) for labels, value in samples]


def _metrics(worker: WorkerProcess) -> str:
    port = re.findall(r"web server started port=(\d+)", worker.log)[-1]
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def _ms(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp() * 1000
