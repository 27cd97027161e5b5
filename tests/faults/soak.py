"""Random faults under load for a chosen time: the oracle must find nothing wrong, and no worker may grow.

    python -m tests.faults.soak [--for SECONDS] [--seed N]

Three workers with standbys answer a bounded load. Worker `a` is left alone, so that its late resource use can be
compared with its earlier use; `b` and `c` are killed, frozen, robbed of their disks and stopped, `d` joins and leaves,
releases follow each other, and in the first quarter the broker is restarted. The last line of output is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil

from streamer.local.devkafka import DevKafka
from tests.faults.conftest import TinyRelease, save_tiny_release
from tests.faults.disks import SmallWriteBuffers
from tests.faults.harness import SESSION_TIMEOUT_S, Deployment, deploy
from tests.faults.load import TRACKS, draw_events
from tests.faults.process import WorkerProcess
from tests.faults.supervisor import Supervisor
from tests.faults.verdict import judge
from tests.until import until

#: Records per second: few enough that the oracle judges them in a fraction of the time.
_RATE: Final = 20

#: Records that may wait for workers, so that a broker outage is not followed by a flood.
_MAX_WAITING: Final = 20 * _RATE

#: Between two faults, seconds: most find a stable group, some do not.
_PAUSES_S: Final = (1.0, 12.0)

#: How much more a worker may use in the last quarter of its life than in the second: a share, plus a constant.
_MAY_GROW: Final = {
    "memory_bytes": (0.05, 8 << 20),
    "file_handles": (0.0, 8),  # connections come and go with rebalances
    "threads": (0.0, 2),
    "disk_bytes": (0.25, 1 << 20),  # one compaction more or less
}

_WORKER_SETTINGS: Final = {"STANDBYS": "1", "HEARTBEAT_S": "1"}


class _Supervisor(Supervisor):
    """A supervisor whose workers have small write buffers.

    RocksDB's own is 16 MiB per partition, which this load fills in hours: until then a healthy worker grows. A small
    one is filled, flushed and compacted every few seconds.
    """

    def start(self, name: str) -> None:
        """Start a worker, for the first time or again."""
        self._workers[name] = self._deployment.start(name, SmallWriteBuffers(), **self._settings)


# -- resource use


@dataclass(frozen=True, slots=True)
class Sample:
    """The resources a worker uses at a moment."""

    at_s: float
    memory_bytes: int
    file_handles: int
    threads: int
    disk_bytes: int


@dataclass(slots=True)
class Watch:
    """Samples of the workers, by process."""

    deployment: Deployment
    period_s: float
    samples: dict[int, list[Sample]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    changelog_bytes: list[int] = field(default_factory=list)

    async def run(self, kafka_directory: Path) -> None:
        """Sample the workers forever."""
        pattern = f"**/{self.deployment.settings.changelog_topic}-*/*.log"
        while True:
            for worker in self.deployment.workers:
                if worker.is_running and not worker.is_frozen:
                    with contextlib.suppress(psutil.Error):  # it ends meanwhile
                        self.samples.setdefault(worker.pid, []).append(self._sample(worker))
                        self.names[worker.pid] = worker.name
            self.changelog_bytes.append(_size_of(kafka_directory, pattern))
            await asyncio.sleep(self.period_s)

    def _sample(self, worker: WorkerProcess) -> Sample:
        process = psutil.Process(worker.pid)
        return Sample(
            time.monotonic(),
            process.memory_info().rss,
            process.num_fds(),
            process.num_threads(),
            _size_of(self.deployment.state_dir(worker.name), "**/*"),
        )

    def longest_life(self) -> tuple[str, Sequence[Sample]]:
        """Return the name of the process that ran longest, and its samples."""
        pid = max(self.samples, key=lambda pid: len(self.samples[pid]))
        return self.names[pid], self.samples[pid]


def _size_of(directory: Path, pattern: str) -> int:
    total = 0
    for path in directory.glob(pattern):
        with contextlib.suppress(OSError):  # RocksDB deletes files meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def growth(samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    """Compare the medians of the last quarter of a life with those of its second: is the difference allowed?"""
    quarter = len(samples) // 4
    figures = {}
    for name, (share, constant) in _MAY_GROW.items():
        values = [getattr(sample, name) for sample in samples]
        before, after = statistics.median(values[quarter : 2 * quarter]), statistics.median(values[-quarter:])
        figures[name] = {"second": before, "last": after, "is_flat": after <= before * (1 + share) + constant}
    return figures


# -- the faults


@dataclass(slots=True)
class Soak:
    """A deployment under faults.

    Attributes:
        deployment: whose workers.
        supervisor: restarts those that end.
        kafka: the broker.
        rng: decides what happens next.
        releases: announced so far, oldest first.
        ends_at_s: after this time no fault starts.
        counts: how often each fault occurred.
    """

    deployment: Deployment
    supervisor: Supervisor
    kafka: DevKafka
    rng: random.Random
    releases: list[TinyRelease]
    ends_at_s: float
    counts: Counter[str] = field(default_factory=Counter)
    is_over: bool = False

    async def play(self) -> None:
        """Send plays until the soak is over, never interrupted between sending and noting."""
        share = _RATE // 5
        while not self.is_over:
            if self.deployment.num_sent - await self.deployment._num_done() < _MAX_WAITING:
                await self.deployment.feed(share)
            await asyncio.sleep(share / _RATE)

    async def break_things(self) -> None:
        """Inflict one fault after another until the time is up; return when all workers answer again."""
        began_s = time.monotonic()
        faults: dict[str, Callable[[], Awaitable[None]]] = {
            "kill": self.kill, "wipe": self.wipe, "freeze": self.freeze, "freeze for long": self.freeze_for_long,
            "leave": self.leave, "join": self.join, "release": self.release, "restart broker": self.restart_broker,
        }  # fmt: skip
        weights = [4, 2, 2, 1, 2, 2, 1, 1]
        while (now_s := time.monotonic()) < self.ends_at_s:
            if now_s - began_s > (self.ends_at_s - began_s) / 4:  # it may end a worker, and `a` must live
                weights[-1] = 0
            (name,) = self.rng.choices(list(faults), weights)
            await faults[name]()
            self.counts[name] += 1
            await asyncio.sleep(self.rng.uniform(*_PAUSES_S))
        await self.supervisor.ready()

    async def _ready_victim(self) -> WorkerProcess:
        """Return a worker that is ready: it watches its clock and handles signals."""
        await self.supervisor.ready()
        name = self.rng.choice("bc")
        return next(worker for worker in self.supervisor.workers if worker.name == name)

    async def kill(self) -> None:
        """Kill a worker, ready or not."""
        name = self.rng.choice("bc")
        next(worker for worker in self.supervisor.workers if worker.name == name).kill()

    async def wipe(self) -> None:
        """Kill a worker and delete its disk; the supervisor waits a second before it restarts it."""
        worker = await self._ready_victim()
        worker.kill()
        self.deployment.wipe(worker.name)

    async def freeze(self) -> None:
        """Freeze a worker too briefly for the group to notice."""
        worker = await self._ready_victim()
        await worker.freeze_for(SESSION_TIMEOUT_S / 3)

    async def freeze_for_long(self) -> None:
        """Freeze a worker until others have its partitions."""
        worker = await self._ready_victim()
        await worker.freeze_for(SESSION_TIMEOUT_S * 1.5)
        await until(lambda: not worker.is_running, "a worker that was frozen for long ends itself")

    async def leave(self) -> None:
        """Stop a worker cleanly, and start it again."""
        name = (await self._ready_victim()).name
        await self.supervisor.stop(name)
        await asyncio.sleep(self.rng.uniform(*_PAUSES_S))
        self.supervisor.start(name)

    async def join(self) -> None:
        """Let another worker join and leave."""
        self.supervisor.start("d")
        await self.supervisor.ready()
        await asyncio.sleep(self.rng.uniform(*_PAUSES_S))
        await self.supervisor.ready()
        await self.supervisor.stop("d")

    async def release(self) -> None:
        """Announce a release that knows other tracks and may have a state of another size."""
        number = len(self.releases) + 1
        tracks = tuple(self.rng.sample(TRACKS, 48))
        release = save_tiny_release(
            self.deployment.directory / "releases", seed=number, tracks=tracks, hidden_size=self.rng.choice((16, 24))
        )
        self.releases.append(release)
        await self.deployment.announce(release.saved)

    async def restart_broker(self) -> None:
        """Stop the broker cleanly, and start it again."""
        self.supervisor.note_fault()
        await asyncio.to_thread(self.kafka.restart)


# -- the soak


async def soak(for_s: float, seed: int, directory: Path) -> dict[str, Any]:
    """Run with faults for a time, judge, and sum up."""
    rng = random.Random(seed)
    first = save_tiny_release(directory / "releases", seed=1, tracks=TRACKS[:-12], hidden_size=16)
    with DevKafka(directory / "kafka") as kafka:
        async with deploy(kafka.bootstrap_servers, "soak", directory, draw_events(seed)) as deployment:
            await deployment.announce(first.saved)
            supervisor = _Supervisor(deployment, _WORKER_SETTINGS)
            run = Soak(deployment, supervisor, kafka, rng, [first], time.monotonic() + for_s)
            watch = Watch(deployment, period_s=max(0.5, for_s / 400))
            for name in "abc":
                supervisor.start(name)
            playing = asyncio.create_task(run.play())
            watching = [asyncio.create_task(job) for job in (supervisor.watch(), watch.run(kafka.directory))]
            await supervisor.ready()
            breaking = asyncio.create_task(run.break_things())
            await asyncio.wait([breaking, playing, *watching], return_when=asyncio.FIRST_COMPLETED)
            run.is_over = True
            await playing
            for task in watching:
                if task.done():
                    task.result()  # raises what ended the soak early
                task.cancel()
            await breaking
            return await _finish(run, watch, for_s)


async def _finish(run: Soak, watch: Watch, for_s: float) -> dict[str, Any]:
    deployment = run.deployment
    _log(f"{dict(run.counts)}, {deployment.num_sent} records; the rest is done, then judged")
    await deployment.all_done()
    statuses = await deployment.stop_all()
    began_s, wrong = time.monotonic(), ""
    try:
        await judge(deployment, [release.release for release in run.releases])
    except AssertionError as exc:
        wrong = str(exc)[:2000]
    account = deployment.account
    name, samples = watch.longest_life()
    figures = growth(samples)
    return {
        "for_s": for_s,
        "faults": dict(run.counts),
        "statuses": dict(Counter(run.supervisor.statuses)),
        "plays": len(deployment.plays()),
        **{count: account and getattr(account, count) for count in ("lost", "twice", "out_of_order")},
        "judged_in_s": round(time.monotonic() - began_s, 1),
        "wrong": wrong,
        "stopped_in_order": set(statuses) == {0},
        "judged_worker": name,
        "lived_s": round(samples[-1].at_s - samples[0].at_s),
        "figures": figures,
        "changelog_bytes": watch.changelog_bytes[-1],
        "is_flat": all(figure["is_flat"] for figure in figures.values()),
    }


def _log(message: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {message}\n")


def main() -> None:
    """Soak and print a line of JSON; the exit status is 0 if all is well."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--for", dest="for_s", type=float, default=1800.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1, help="determines the load and the faults")
    parser.add_argument("--keep", type=Path, help="keep Kafka, states and logs in this directory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.keep or Path(temporary)
        directory.mkdir(exist_ok=True)
        result = asyncio.run(soak(options.for_s, options.seed, directory))
    sys.stdout.write(json.dumps(result) + "\n")
    sys.exit(not (result["is_flat"] and result["stopped_in_order"] and not result["wrong"]))


if __name__ == "__main__":
    main()
