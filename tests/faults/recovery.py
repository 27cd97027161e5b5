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

import numpy as np
import rocksdict
from aiokafka import AIOKafkaProducer

from models.config import NUM_COUNTED, RING_SIZE, NetworkConfig
from streamer.local.devkafka import DevKafka
from streamer.settings import Settings
from streamer.wire.changelog import listener_key
from streamer.wire.state import States
from tests.builders import records_of
from tests.faults.conftest import TinyRelease, save_tiny_release
from tests.faults.harness import SESSION_TIMEOUT_S, Deployment, deploy
from tests.faults.load import EPOCH_MS, NUM_PARTITIONS, TRACKS
from tests.faults.probe import Probe, play_of, probing
from tests.faults.process import WorkerProcess
from tests.faults.selfreport import lines, replays, standby_lags
from tests.until import until

_LISTENERS: Final = 100_000

REPORT: Final = Path(__file__).parents[2] / "docs" / "recovery.md"

#: Where the part of the report begins that tests/faults/rolling.py writes.
ROLLING_TITLE: Final = "\n## What a rolling restart costs\n"

#: As in production, with the default heartbeat, so that the group notices a loss as soon as it would there.
_SETTINGS: Final = {"ANSWER": "latest", "MAX_BATCH_PLAYS": "2000", "HEARTBEAT_S": str(Settings().heartbeat_s)}

#: The promised times, seconds; for a takeover, beyond the session timeout.
_GOALS_S: Final = {"warm disk": 3.0, "wiped disk": 10.0, "taken over by a standby": 3.0}

_HEAD: Final = """\
# How quickly a lost worker is replaced

Written by `make recovery`: workers with default settings and a network of 128 units on a real Kafka, all on one machine
({cores} cores, a load of {load:.0f}), {listeners:,} listeners in {partitions} partitions, each with a real state.
A worker is killed with SIGKILL while a probe plays on every partition twenty times a second. The time runs from the
kill until the last of the worker's partitions has answered a play sent after it, as a reader of committed records sees
it. The gap is the longest time without any answer on one of these partitions; the other's gap is the same for the
partitions that the other worker owned throughout. Records read are those of the changelog before partitions started.

"""

_COLUMNS: Final = (
    *("", "listeners", "kill to answers, s", "session timeout, s", "beyond it, s", "goal, s", "gap, s"),
    *("the other's gap, s", "records read"),
)

_TAIL: Final = """
A worker that restarts under its own REFRAIN_INSTANCE_ID rejoins at once, whatever its session: the group gives it the
partitions it had, and the others do not notice. A worker that does not come back is missed when its session expires;
the others learn of it at most REFRAIN_HEARTBEAT_S later. The workers above are forked from a process that has imported
everything; one started as `python -m streamer worker` took {cold_ready_s:.1f} s until it was ready,
{cold_import_s:.1f} s of it for imports.

| bytes per listener | |
|---|--:|
| on disk, as a worker leaves it | {disk_bytes_per_listener:,} |
| on disk, compacted | {compacted_disk_bytes_per_listener:,} |
| on disk, compacted, with a full ring of 64 and {num_counted} other tracks counted | {full_disk_bytes_per_listener:,} |
| in the changelog, compacted: one record per listener | {changelog_bytes_per_listener:,} |
"""

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


def size_of(directory: Path, pattern: str = "**/*") -> int:
    """Return the total size of the files below a directory, in bytes."""
    return sum(path.stat().st_size for path in directory.glob(pattern) if path.is_file())


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


def compact(directory: Path) -> None:
    """Compact each store fully."""
    for path in directory.glob("**/listeners-*.db"):
        options = rocksdict.Options(raw_mode=True)
        store = rocksdict.Rdict(str(path), options)
        store.compact_range(None, None)
        store.close()


def size_with_full_rings(directory: Path, listeners: int = 5_000) -> int:
    """Return the bytes per listener on a compacted disk, with ring and counts full of random tracks."""
    rng = np.random.default_rng(1)
    shape, counted = (listeners, RING_SIZE), (listeners, NUM_COUNTED)
    ones, times_ms = np.ones(listeners, np.int64), np.sort(rng.integers(1 << 36, size=shape)) + EPOCH_MS
    states = States(
        release_key=ones.astype(np.uint64),
        promoted_at_ms=ones,
        plays_folded=ones * 70,
        plays_seen=ones * 70,
        repeats_seen=ones,
        source_offset=rng.integers(1 << 40, size=listeners),
        played_at_ms=times_ms[:, -1],
        ring_track_keys=rng.integers(1 << 63, size=shape).astype(np.uint64),
        ring_played_at_ms=times_ms,
        ring_contexts=rng.integers(4, size=shape).astype(np.uint8),
        ring_bits=rng.integers(4, size=shape).astype(np.uint8),
        counted_track_keys=rng.integers(1 << 63, size=counted).astype(np.uint64),
        counts=rng.uniform(0.1, 9, counted).astype(np.float32),
        hidden=np.tanh(rng.normal(size=(listeners, NetworkConfig().hidden_size))).astype(np.float32),
        said=np.zeros((listeners, 0), np.uint32),
    )
    path = directory / "listeners-0.db"
    store = rocksdict.Rdict(str(path), rocksdict.Options(raw_mode=True))
    for number, record in enumerate(records_of(states)):
        store.put(listener_key(f"u{number}".encode()), record)
    store.close()
    compact(directory)
    return round(size_of(path) / listeners)


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


def to_markdown(measured: Mapping[str, Any]) -> str:
    """Render the report."""
    head = _HEAD.format(cores=os.cpu_count(), partitions=NUM_PARTITIONS, **measured)
    head += f"| {' | '.join(_COLUMNS)} |\n|---{'|--:' * (len(_COLUMNS) - 1)}|\n"
    rows = [_row(name, run) for name, run in measured["runs"].items()]
    cold_s = measured["cold_start_s"]
    tail = _TAIL.format(
        cold_ready_s=cold_s["ready"], cold_import_s=cold_s["worker starts"], num_counted=NUM_COUNTED, **measured
    )
    return head + "".join(rows) + tail


def _row(name: str, run: Mapping[str, Any]) -> str:
    waited_s = 0.0 if run["others_gap_s"] is None else SESSION_TIMEOUT_S
    goal_s = f"{_GOALS_S[name]:.0f}" if name in _GOALS_S else ""
    others = "" if run["others_gap_s"] is None else f"{run['others_gap_s']:.1f}"
    seconds = f"{run['answered_s']:.1f} | {waited_s:.0f} | {max(0.0, run['answered_s'] - waited_s):.1f} | {goal_s}"
    return f"| {name} | {run['listeners']:,} | {seconds} | {run['gap_s']:.1f} | {others} | {run['replayed']:,} |\n"


def missed(measured: Mapping[str, Any]) -> list[str]:
    """Return the runs that took longer than promised."""
    runs = measured["runs"]
    waits_s = {name: SESSION_TIMEOUT_S if runs[name]["others_gap_s"] is not None else 0.0 for name in _GOALS_S}
    return [name for name, goal_s in _GOALS_S.items() if runs[name]["answered_s"] - waits_s[name] > goal_s]


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
