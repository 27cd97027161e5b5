"""A measurement from beginning to end: a release, listeners, a store, batches of each size, and Kafka if asked for."""

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

import numpy as np

from models.config import RerankerConfig
from models.release import Release
from streamer.bench.audience import Audience, make_audience
from streamer.bench.capacity import Habit, estimate
from streamer.bench.shapes import BenchShown, MeasuredBatch, MeasuredStore, MeasuredTransaction
from streamer.bench.timing import Times
from streamer.bench.transactions import time_transactions
from streamer.bench.workbench import BatchTimes, open_workbench
from streamer.bench.world import make_listeners, make_recommender, released
from streamer.kafka.access import check_access
from streamer.kafka.connection import connection_of
from streamer.releases.loading import read_release
from streamer.runtime.build import find_build
from streamer.runtime.crash import leave
from streamer.runtime.device import pick_device
from streamer.runtime.disk import Disk
from streamer.runtime.progress import watch
from streamer.runtime.stop import Interrupted, stop_signal, unless_stopped
from streamer.settings import Settings
from streamer.worker.run import spare_collector
from streamer.worker.trial import try_out
from streamer.worker.warmup import warm_up

_DIFFERENT: Final = 2_000  # states
_LISTENERS: Final = 20_000  # their states take four times the memory in which a store keeps the latest


@dataclass(frozen=True, slots=True)
class MeasuringPlan:
    """What is measured.

    Attributes:
        release: location of a release; None makes one up.
        num_tracks: of the one that is made up.
        sizes: of batches, in plays.
        limit_s: for the batches of each size.
        habit: of the listeners.
        with_kafka: whether transactions are written to the broker.
    """

    release: str | None
    num_tracks: int
    sizes: Sequence[int]
    limit_s: float
    habit: Habit
    with_kafka: bool


async def measure_until_stopped(plan: MeasuringPlan, settings: Settings) -> BenchShown:
    """Measure, unless a signal comes first: it is heeded between two awaits, as one in a commit would be a crash.

    Raises:
        Interrupted: one came; nothing is left behind.
        RefrainError: as of `measure`.
    """
    stopping = stop_signal(lambda: leave("the measurement was not over", Interrupted(stopping.number).status))
    shown = await unless_stopped(measure(plan, settings), stopping)
    if shown is None:
        raise Interrupted(stopping.number)
    return shown


async def measure(plan: MeasuringPlan, settings: Settings) -> BenchShown:
    """Measure on the disk of the state directory.

    Raises:
        AccessError: Kafka does not let us in.
        ContractError: Kafka does not create the topics.
        ReleaseError: the release cannot be used.
        SettingsError: there is no such device.
        OSError: nothing can be written there.
    """
    if plan.with_kafka:
        await check_access(connection_of(settings), [])  # before a minute of other work
    load, _, _ = os.getloadavg()
    place = _existing(settings.state_dir)
    with TemporaryDirectory(prefix="refrain-bench-", dir=place) as directory, closing(watch(_steps(plan))) as steps:
        next(steps)
        release = _release(plan, settings, Path(directory))
        own = _settings_of_its_own(settings, Path(directory))
        next(steps)
        audience = _audience(release, max(_LISTENERS, 2 * max(plan.sizes)))
        async with open_workbench(own, release, audience) as (workbench, store):
            spare_collector()
            found = [await workbench.time_batches(size, plan.limit_s) for size in plan.sizes if next(steps)]
        transactions = await _transactions(plan, own, found) if plan.with_kafka and next(steps) else {}
        free_bytes = Disk(Path(directory)).free_bytes()
    batches = tuple(_batch(each, transactions.get(each.size)) for each in found)
    of_store = MeasuredStore(_us(store.read.cpu_us), _us(store.written.cpu_us), round(store.bytes_per_listener))
    capacity = estimate(max(batches, key=lambda each: each.plays), of_store, int(free_bytes), plan.habit)
    return BenchShown(**_circumstances(plan, settings, release), load=round(load, 2), listeners=len(audience),
                      batches=batches, store=of_store, capacity=capacity)  # fmt: skip


def _circumstances(plan: MeasuringPlan, settings: Settings, release: Release) -> dict[str, Any]:
    return {
        "version": find_build().version,
        "device": str(pick_device(settings.device)),
        "threads": settings.compute_threads,
        "cores": os.cpu_count() or 1,
        "release": None if plan.release is None else release.release_id,
        "tracks": len(release.catalogue),
        "stages": 1 if release.recommender.reranker is None else 2,
    }


def _steps(plan: MeasuringPlan) -> list[str]:
    batches = [f"batches of {size:,}" for size in plan.sizes]
    return ["release", "states of listeners", *batches, *["transactions on Kafka"] * plan.with_kafka]


def _existing(directory: Path) -> Path:
    """Return a directory, or the nearest one above it that exists: it is on the same disk."""
    return next(each for each in (directory.absolute(), *directory.absolute().parents) if each.exists())


def _settings_of_its_own(settings: Settings, directory: Path) -> Settings:
    """Return the settings of a worker that meets no other one, neither on the disk nor on Kafka."""
    name = f"refrain-bench-{uuid4().hex[:8]}"
    return settings.model_copy(
        update={
            "app_id": name,
            "instance_id": "",
            "state_dir": directory / "state",
            "partitions": 1,
            "short_term_topic": f"{name}.short-term",
            "long_term_topic": f"{name}.long-term",
        }
    )


def _release(plan: MeasuringPlan, settings: Settings, directory: Path) -> Release:
    """Load the release, or make one up and map it as a worker does; compile what it takes."""
    if plan.release is not None:
        release = read_release(plan.release, settings.device)
    else:
        max_neighbours = RerankerConfig().neighbours_kept(plan.num_tracks)
        made = make_recommender(plan.num_tracks, max_neighbours=max_neighbours, index_above=settings.index_above)
        release = released(made, directory / "release")
        release = replace(release, recommender=release.recommender.to(pick_device(settings.device)))
    warm_up()
    try_out(release)
    return release


def _audience(release: Release, num_listeners: int) -> Audience:
    listeners = make_listeners(release.recommender, _DIFFERENT)
    return make_audience(listeners, release.catalogue, release.key, num_listeners)


async def _transactions(plan: MeasuringPlan, own: Settings, found: Sequence[BatchTimes]) -> dict[int, Times]:
    return await time_transactions(
        connection_of(own), {each.size: each.written for each in found}, name=own.app_id,
        replication=own.replication, timeout_s=own.transaction_timeout_s, limit_s=plan.limit_s / 2,
    )  # fmt: skip


def _batch(found: BatchTimes, transaction: Times | None) -> MeasuredBatch:
    p50_ms, p99_ms = np.percentile(found.batch_s, (50, 99)) * 1000
    return MeasuredBatch(
        plays=found.size,
        cpu_us=_us(found.whole.cpu_us),
        plays_per_s=round(1e6 / found.whole.cpu_us),
        p50_ms=round(float(p50_ms), 2),
        p99_ms=round(float(p99_ms), 2),
        rounds=len(found.whole.cpu_s),
        steps_us={step: _us(times.cpu_us) for step, times in found.steps.items()},
        transaction=None
        if transaction is None
        else MeasuredTransaction(
            cpu_us=_us(transaction.cpu_us),
            p50_ms=round(transaction.round_ms(50), 2),
            p99_ms=round(transaction.round_ms(99), 2),
            rounds=len(transaction.cpu_s),
        ),
    )


def _us(microseconds: float) -> float:
    return round(microseconds, 1)
