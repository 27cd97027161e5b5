"""What a rolling restart under load costs, with real states of many listeners on a real Kafka.

    python -m tests.faults.rolling [--listeners N] [--rate N]

Three workers share the partitions. Each in turn gets SIGTERM, ends, is away as long as its machine or its orchestrator
takes, and starts again on its disk, while plays keep coming at a steady rate. A ledger holds each play against its
answers. Writes the second part of docs/recovery.md; the last line of output is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import connection_of
from streamer.local.devkafka import DevKafka
from streamer.settings import Settings
from tests.faults.conftest import save_tiny_release
from tests.faults.harness import Deployment, deploy, start
from tests.faults.ledger import Roll, loaded
from tests.faults.load import NUM_PARTITIONS, TRACKS
from tests.faults.process import WorkerProcess
from tests.faults.recovery import fill
from tests.faults.recovery_report import REPORT, ROLLING_TITLE
from tests.faults.selfreport import lines, standby_lags
from tests.until import until, until_awaited

_LISTENERS: Final = 20_000

#: Plays a second: what three workers, Kafka and the load carry on two busy cores with a margin.
_RATE: Final = 60

#: How long the load runs after each restart, seconds.
_STEADY_S: Final = 4.0

#: From the end of a process to the next: at once, and as a pod that moves to another node, longer than a session.
_QUICK_S: Final = 0.0
_SLOW_S: Final = 15.0

_NAMES: Final = ("a", "b", "c")
_SETTINGS: Final = {"ANSWER": "each", "MAX_BATCH_PLAYS": "2000", "HEARTBEAT_S": str(Settings().heartbeat_s)}

_HEAD: Final = """
Written by `make rolling`: three workers share {partitions} partitions of {listeners:,} listeners ({cores} cores, a load
of {load:.0f}), and plays come at {rate} a second. Each worker in turn gets SIGTERM, ends, is away, starts on its disk,
and is ready before the next one's turn. Away is the time from the end of its process to the first line of the next:
imports, and finding a machine. A gap is the longest time without an answer on a partition. Latency runs from sending a
play to reading its answer, for all plays from the first SIGTERM on. Every play is held against its answers by partition
and offset: lost are those without one, twice are answers too many.

| SIGTERM | away, s | gap of each partition, s | p50, ms | p99, ms | later than 1 s | plays | lost | twice |
|---|--:|---|--:|--:|--:|--:|--:|--:|
"""

_TAIL: Final = """
A worker that hands over has written, flushed and acknowledged its batch before it leaves its group. The others learn of
it with their next heartbeat (REFRAIN_HEARTBEAT_S), and the group shares all partitions out again: for some tenths of a
second none is answered, at each SIGTERM and at each return. A worker that keeps its partitions
(`REFRAIN_ON_STOP=remain`) leaves the others alone, and its own listeners wait until it is back; if that takes longer
than REFRAIN_SESSION_TIMEOUT_S, they wait for that and then for a takeover. So keep them only where a restart is quicker
than reading the states back: without standbys, an heir reads the changelog of each partition that it has no copy of,
some 50,000 listeners a second. A worker that is alone in its group should keep its partitions too: brokers let the
first member of an empty group wait for others (`group.initial.rebalance.delay.ms`, 3 s).
"""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to restart workers.

    Attributes:
        name: for the report.
        pause_s: from the end of a process to its next start.
        settings: REFRAIN_ variables.
    """

    name: str
    pause_s: float
    settings: Mapping[str, str]

    @property
    def has_standbys(self) -> bool:
        """Whether other workers have copies of the states."""
        return self.settings.get("STANDBYS", "0") != "0"


_WAYS: Final = (
    Way("keeps the partitions", _QUICK_S, {"ON_STOP": "remain"}),
    Way("hands them over", _QUICK_S, {}),
    Way("hands them over to standbys", _QUICK_S, {"STANDBYS": "1"}),
    Way("the same, a heartbeat of 0.3 s", _QUICK_S, {"STANDBYS": "1", "HEARTBEAT_S": "0.3"}),
    Way("keeps the partitions", _SLOW_S, {"ON_STOP": "remain"}),
    Way("hands them over", _SLOW_S, {}),
    Way("hands them over to standbys", _SLOW_S, {"STANDBYS": "1"}),
)


async def roll(deployment: Deployment, way: Way, listeners: int, rate: int) -> Roll:
    """Restart three workers under load, one after the other."""
    workers = {name: _start(deployment, name, way) for name in _NAMES}
    await until(lambda: _is_settled(workers.values(), way), "three workers share the partitions")
    if not way.has_standbys:
        for worker in workers.values():
            _forget_others(deployment, worker)
    ending_s, away_s = [], []
    async with loaded(deployment, listeners, rate) as ledger:
        began_ms = time.time() * 1000
        for name in _NAMES:
            began_s = time.monotonic()
            status = await workers[name].stop()
            assert status == 0, workers[name].log[-3000:]
            ending_s.append(round(time.monotonic() - began_s, 2))
            ended_ms = time.time() * 1000
            await asyncio.sleep(way.pause_s)
            workers[name] = _start(deployment, name, way)
            await until(lambda: _is_settled(workers.values(), way), "three workers share the partitions")
            away_s.append(round((lines(workers[name])[0].at_ms - ended_ms) / 1000, 2))
            await asyncio.sleep(_STEADY_S)
    assert set(await deployment.stop_all()) == {0}
    await _dissolve(deployment)
    return ledger.draw_up(began_ms, ending_s, away_s)


async def _dissolve(deployment: Deployment) -> None:
    """Wait until the group is empty: members that remained would get back what they had, without new standbys."""
    async with KafkaAdmin(connection_of(deployment.settings)) as admin:

        async def is_empty() -> bool:
            return not await admin.find_members(deployment.app_id)

        await until_awaited(is_empty, "the group has no members")


def _start(deployment: Deployment, name: str, way: Way) -> WorkerProcess:
    return deployment.start(name, **{**_SETTINGS, **way.settings})


def _forget_others(deployment: Deployment, worker: WorkerProcess) -> None:
    """Delete what a worker has of partitions that it does not own, as if it had never owned them."""
    for partition in set(range(NUM_PARTITIONS)) - set(worker.partitions):
        for path in deployment.state_dir(worker.name).glob(f"**/listeners-{partition}.db"):
            shutil.rmtree(path)


def _is_settled(workers: Collection[WorkerProcess], way: Way) -> bool:
    owned = sorted(partition for worker in workers for partition in worker.partitions)
    is_ready = all(worker.is_ready() for worker in workers) and owned == list(range(NUM_PARTITIONS))
    if not (is_ready and way.has_standbys):
        return is_ready
    lags = [standby_lags(worker) for worker in workers]
    return sum(map(len, lags)) == NUM_PARTITIONS and not any(any(lag.values()) for lag in lags)


async def measure(listeners: int, rate: int, directory: Path) -> dict[str, Any]:
    """Restart in each way, one after the other, on the same states."""
    release = save_tiny_release(directory / "releases", seed=1, tracks=TRACKS, hidden_size=128)
    with DevKafka(directory / "kafka") as kafka:
        async with deploy(kafka.bootstrap_servers, "rolling", directory, iter(())) as deployment:
            await deployment.announce(release.saved)
            await start(deployment, *_NAMES)
            await fill(deployment, listeners)
            assert set(await deployment.stop_all()) == {0}
            rolls = []
            for way in _WAYS:
                done = await roll(deployment, way, listeners, rate)
                sys.stderr.write(f"{way.name}, {way.pause_s:.0f} s: {done}\n")
                rolls.append({"way": way.name, **dataclasses.asdict(done)})
    return {"listeners": listeners, "rate": rate, "load": os.getloadavg()[0], "rolls": rolls}


def to_markdown(measured: Mapping[str, Any]) -> str:
    """Render the second part of the report."""
    head = _HEAD.format(cores=os.cpu_count(), partitions=NUM_PARTITIONS, **measured)
    return ROLLING_TITLE + head + "".join(map(_row, measured["rolls"])) + _TAIL


def _row(done: Mapping[str, Any]) -> str:
    gaps = " / ".join(f"{gap_s:.1f}" for gap_s in done["gaps_s"])
    latencies = f"{done['p50_ms']:.0f} | {done['p99_ms']:,.0f} | {done['late'] / done['plays']:.1%}"
    ledger = f"{done['plays']:,} | {done['lost']} | {done['twice']}"
    return f"| {done['way']} | {max(done['away_s']):.0f} | {gaps} | {latencies} | {ledger} |\n"


def main() -> None:
    """Measure, write the second part of the report, and print a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.rolling", description=__doc__)
    parser.add_argument(
        "--listeners", type=int, default=_LISTENERS, help="how many; only the default writes the report"
    )
    parser.add_argument("--rate", type=int, default=_RATE, help="plays a second")
    parser.add_argument("--keep", type=Path, help="keep Kafka, states and logs in this directory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.keep or Path(temporary)
        directory.mkdir(exist_ok=True)
        measured = asyncio.run(measure(options.listeners, options.rate, directory))
    if options.listeners == _LISTENERS:
        REPORT.write_text(REPORT.read_text().partition(ROLLING_TITLE)[0] + to_markdown(measured))
    sys.stdout.write(json.dumps(measured) + "\n")
    sys.exit(any(done["lost"] or done["twice"] for done in measured["rolls"]))


if __name__ == "__main__":
    main()
