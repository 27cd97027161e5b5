"""How soon partitions are answered again after SIGKILL, with real states of many listeners on a real Kafka.

    python -m tests.faults.recovery [--listeners N]

Four runs: a single worker that restarts on its disk, the same with its disk wiped, and one of two workers whose
partitions the other takes over, without a copy of their states and with one. A probe keeps playing on every partition
and records when answers come. Writes docs/recovery.md; the last line of output is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from aiokafka import AIOKafkaProducer

from streamer.local.devkafka import DevKafka
from streamer.settings import Settings
from tests.faults.conftest import TinyRelease, save_tiny_release
from tests.faults.harness import SESSION_TIMEOUT_S, Deployment, deploy
from tests.faults.load import NUM_PARTITIONS, TRACKS
from tests.faults.probe import Probe, play_of, probing
from tests.faults.process import WorkerProcess
from tests.faults.recovery_report import REPORT, ROLLING_TITLE, missed, to_markdown
from tests.faults.selfreport import lines, replays, standby_lags
from tests.faults.state_sizes import compact, size_of, size_with_full_rings
from tests.until import until

_LISTENERS: Final = 100_000

#: As in production, with the default heartbeat, so that the group notices a loss as soon as it would there.
_SETTINGS: Final = {"ANSWER": "latest", "MAX_BATCH_PLAYS": "2000", "HEARTBEAT_S": str(Settings().heartbeat_s)}

# -- the figures


@dataclass(frozen=True, slots=True)
class Recovery:
    """One loss of a worker.

    Attributes:
        listeners: how many listeners' states it had.
        noticed_s: from the kill until another start took the fences of its partitions.
        answered_s: from the kill until each of its partitions had answered a play sent after the kill.
        gap_s: the longest time without an answer on one of its partitions.
        others_gap_s: the same on the partitions of the other worker; None if there is none.
        replayed: changelog records read before the partitions could start.
        phases: of the successor: event of its log -> seconds after the kill.
    """

    listeners: int
    noticed_s: float
    answered_s: float
    gap_s: float
    others_gap_s: float | None
    replayed: int
    phases: Mapping[str, float]


def draw_up(probe: Probe, killed: WorkerProcess, successor: WorkerProcess, listeners: int) -> Recovery:
    """Sum up the loss of a worker from a probe and the successor's log."""
    fault = killed.faults[-1]
    firsts_ms = [probe.first_after(fault.at_ms, partition) for partition in fault.partitions]
    others = set(range(NUM_PARTITIONS)) - set(fault.partitions)
    phases = phases_of(successor, fault.at_ms)
    return Recovery(
        listeners=listeners * len(fault.partitions) // NUM_PARTITIONS,
        noticed_s=phases["fences taken"],
        answered_s=max(first_ms - fault.at_ms for first_ms in firsts_ms if first_ms) / 1000,
        gap_s=max(probe.gap_s(fault.at_ms, partition) for partition in fault.partitions),
        others_gap_s=max((probe.gap_s(fault.at_ms, partition) for partition in others), default=None),
        replayed=sum(replays(successor, fault.at_ms).values()),
        phases=phases,
    )


def phases_of(worker: WorkerProcess, since_ms: float) -> dict[str, float]:
    """Return when each event was last logged after a moment, in seconds after it."""
    return {
        re.split(r" \w+=", line.text)[0]: round((line.at_ms - since_ms) / 1000, 2)
        for line in lines(worker, since_ms)
        if not line.text.startswith(("[", "opening"))  # Faust's
    }


# -- the runs


async def fill(deployment: Deployment, listeners: int) -> None:
    """Let each listener play once, and wait until the worker has a state for each."""
    at_ms = time.time_ns() // 1_000_000
    async with AIOKafkaProducer(
        bootstrap_servers=deployment.bootstrap_servers, linger_ms=20, max_batch_size=1 << 19
    ) as producer:
        for number in range(listeners):
            user = f"u{number}"
            await producer.send(
                deployment.settings.plays_topic, play_of(user, at_ms), user.encode(), number % NUM_PARTITIONS
            )
    await deployment.progress(listeners)


async def restart(deployment: Deployment, listeners: int, *, wiped: bool) -> Recovery:
    """Kill a single worker and start it again."""
    (worker,) = [worker for worker in deployment.workers if worker.is_running]
    async with probing(deployment) as probe:
        worker.kill()
        if wiped:
            deployment.wipe(worker.name)
        successor = deployment.start(worker.name, **_SETTINGS)
        await probe.answered_again(worker.faults[-1].at_ms)
        return draw_up(probe, worker, successor, listeners)


async def take_over(deployment: Deployment, listeners: int, *, standbys: int) -> Recovery:
    """Let two workers share the partitions, kill one, and let the other take over.

    Without standbys the survivor has no stores of the partitions it takes over, as if it had never owned them.
    """
    for name in ("a", "b"):
        deployment.wipe(name)
    workers = [deployment.start(name, **_SETTINGS, STANDBYS=str(standbys)) for name in ("a", "b")]
    await until(
        lambda: all(worker.is_ready() and len(worker.partitions) == 2 for worker in workers),
        "each has half of the partitions",
    )
    survivor, killed = workers
    if standbys:
        await until(lambda: all(map(_is_whole, workers)), "the copies are whole")
    else:
        for partition in killed.partitions:
            for path in deployment.state_dir(survivor.name).glob(f"**/listeners-{partition}.db"):
                shutil.rmtree(path)
    async with probing(deployment) as probe:
        killed.kill()
        await probe.answered_again(killed.faults[-1].at_ms)
        return draw_up(probe, killed, survivor, listeners)


def _is_whole(worker: WorkerProcess) -> bool:
    lags = standby_lags(worker)
    return len(lags) == NUM_PARTITIONS // 2 and not any(lags.values())


async def cold_start(deployment: Deployment) -> dict[str, float]:
    """Start a worker as an operator does, imports included, on its states; return the seconds until each step."""
    environment = (
        os.environ | deployment.environment("a") | {f"REFRAIN_{name}": text for name, text in _SETTINGS.items()}
    )
    log = deployment.directory / "cold.log"
    with log.open("w") as stream:
        began_s = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "streamer", "worker", env=environment, stderr=stream
        )
        times_s: dict[str, float] = {}
        for event in ("worker starts", "web server started", "fences taken", "partition starts"):
            await until(lambda: event in log.read_text(), event)  # noqa: B023
            times_s[event] = round(time.monotonic() - began_s, 2)
        port = re.search(r"port=(\d+)", log.read_text().partition("web server started")[2])
        assert port is not None
        await until(lambda: _is_up(f"http://127.0.0.1:{port[1]}/readyz"), "it answers plays")
        times_s["ready"] = round(time.monotonic() - began_s, 2)
        process.terminate()
        await process.wait()
    return times_s


def _is_up(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def measure(listeners: int, directory: Path) -> dict[str, Any]:
    """Do all runs, one after the other, on the same states."""
    release = save_tiny_release(directory / "releases", seed=1, tracks=TRACKS, hidden_size=128)
    with DevKafka(directory / "kafka") as kafka:
        async with deploy(kafka.bootstrap_servers, "recovery", directory, iter(())) as deployment:
            return await _measure(deployment, kafka, release, listeners)


async def _measure(deployment: Deployment, kafka: DevKafka, release: TinyRelease, listeners: int) -> dict[str, Any]:
    await deployment.announce(release.saved)
    worker = deployment.start("a", **_SETTINGS)
    await worker.ready()
    began_s = time.monotonic()
    await fill(deployment, listeners)
    _log(f"{listeners} listeners remembered in {time.monotonic() - began_s:.0f} s")
    changelog_bytes = size_of(kafka.directory, f"**/{deployment.settings.changelog_topic}-*/*.log")
    runs: dict[str, Recovery] = {}
    for name, wiped in (("warm disk", False), ("wiped disk", True)):
        runs[name] = await restart(deployment, listeners, wiped=wiped)
        _log(f"{name}: {runs[name]}")
    assert set(await deployment.stop_all()) == {0}
    disk_bytes = size_of(deployment.state_dir("a"))
    compact(deployment.state_dir("a"))
    compacted_bytes = size_of(deployment.state_dir("a"))
    starting_cold_s = await cold_start(deployment)
    _log(f"cold: {starting_cold_s}")
    for name, standbys in (("taken over without a standby", 0), ("taken over by a standby", 1)):
        runs[name] = await take_over(deployment, listeners, standbys=standbys)
        _log(f"{name}: {runs[name]}")
        for worker in deployment.workers:
            worker.kill()
    full_bytes = size_with_full_rings(deployment.directory / "full")
    return {
        "listeners": listeners,
        "load": os.getloadavg()[0],
        "session_timeout_s": SESSION_TIMEOUT_S,
        "runs": {name: dataclasses.asdict(run) for name, run in runs.items()},
        "cold_start_s": starting_cold_s,
        "disk_bytes_per_listener": round(disk_bytes / listeners),
        "compacted_disk_bytes_per_listener": round(compacted_bytes / listeners),
        "full_disk_bytes_per_listener": full_bytes,
        "changelog_bytes_per_listener": round(changelog_bytes / listeners),
    }


def _log(message: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {message}\n")


def main() -> None:
    """Measure, write the report, and print a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.recovery", description=__doc__)
    parser.add_argument(
        "--listeners", type=int, default=_LISTENERS, help="how many; only the default writes the report"
    )
    parser.add_argument("--keep", type=Path, help="keep Kafka, states and logs in this directory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.keep or Path(temporary)
        directory.mkdir(exist_ok=True)
        measured = asyncio.run(measure(options.listeners, directory))
    if options.listeners == _LISTENERS:
        rolling = REPORT.read_text().partition(ROLLING_TITLE)
        REPORT.write_text(to_markdown(measured) + "".join(rolling[1:]))
    sys.stdout.write(json.dumps(measured | {"missed": missed(measured)}) + "\n")
    sys.exit(bool(missed(measured)))


if __name__ == "__main__":
    main()
