import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamer.kafka.connection import Connection
from streamer.kafka.contact import Contact
from streamer.settings import Settings
from streamer.worker import health
from streamer.worker.app import create_worker
from streamer.worker.health import Watch

PARTITION = "partition 3"


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watch]:
    """The watch of a worker that is built but not started, which takes no broker."""
    worker = create_worker(Settings(state_dir=tmp_path), num_partitions=4)
    yield Watch(worker, Contact(Connection(("127.0.0.1:9092",)), "plays"), "plays", num_partitions=4)
    worker.answering.engine.close()
    await worker.answering.releases.stop()
    await worker.answering.withdrawals.stop()


@dataclass
class Clock:
    """Replaces the module `time`."""

    now_s: float = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(health, "time", clock)
    return clock


async def test_a_worker_that_has_not_recovered_is_not_ready_but_healthy(watch: Watch) -> None:
    await watch._look()

    assert watch.unready() == "joining the consumer group"
    assert watch.unhealthy() == ""


async def test_a_worker_that_owns_nothing_shows_no_partition(watch: Watch) -> None:
    await watch._look()

    registry = watch._worker.answering.metrics.registry
    assert registry.get_sample_value("refrain_partitions_owned") == 0
    assert registry.get_sample_value("refrain_recovery_remaining_records") == 0
    assert registry.get_sample_value("refrain_lag_plays", {"partition": "0"}) is None


async def test_what_waits_is_unknown_until_partitions_are_answered(watch: Watch) -> None:
    await watch._look()

    metrics = watch._worker.answering.metrics
    assert math.isnan(metrics.lag_plays_total)
    assert math.isnan(metrics.lag_seconds_most)


@pytest.mark.parametrize(
    ("checks", "is_unhealthy"),
    [
        ([(5, 2), (5, 2)], True),
        ([(5, 2), (5, 9)], True),  # more arrived, none was done
        ([(5, 2), (7, 2)], False),
        ([(5, 0), (5, 0)], False),  # nothing to do
        ([(5, 0), (5, 2)], True),
        ([(-1, 4), (-1, 4)], True),  # before the first mark
        ([(5, 2), (5, 2), (7, 0)], False),
    ],
)
async def test_work_without_progress_is_unhealthy(
    watch: Watch, clock: Clock, checks: list[tuple[int, int]], *, is_unhealthy: bool
) -> None:
    for done, left in checks:
        clock.now_s += 121
        watch._note({PARTITION: (done, left), "recovery": (0, 0)})

    assert watch.unhealthy() == ("no progress for 121 s: partition 3" if is_unhealthy else "")


async def test_a_standstill_is_tolerated_for_as_long_as_a_rebalance_may_take(watch: Watch, clock: Clock) -> None:
    watch._note({PARTITION: (5, 2)})
    clock.now_s += Settings().rebalance_timeout_s + Settings().max_step_s
    watch._note({PARTITION: (5, 2)})

    assert watch.unhealthy() == ""


async def test_a_partition_that_went_to_another_worker_is_no_longer_watched(watch: Watch, clock: Clock) -> None:
    watch._note({PARTITION: (5, 2)})
    clock.now_s += 121
    watch._note({PARTITION: (5, 2)})
    assert watch.unhealthy()

    watch._note({})

    assert watch.unhealthy() == ""


async def test_a_watch_that_has_stopped_is_unhealthy(watch: Watch, clock: Clock) -> None:
    watch._note({PARTITION: (5, 2)})

    clock.now_s += 121

    assert watch.unhealthy()
