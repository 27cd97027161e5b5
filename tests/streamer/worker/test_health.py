from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamer.settings import Settings
from streamer.worker import health
from streamer.worker.app import create_worker
from streamer.worker.health import Watch

PARTITION = "partition 3"


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watch]:
    """The watch of a worker that is built and not started: it needs no broker for that."""
    worker = create_worker(Settings(state_dir=tmp_path), num_partitions=4)
    yield Watch(worker, "plays", num_partitions=4)
    worker.answering.engine.close()
    await worker.answering.releases.stop()


@dataclass
class Clock:
    """Stands in for the module `time`."""

    now_s: float = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(health, "time", clock)
    return clock


async def test_a_worker_that_has_not_recovered_is_not_ready_and_not_unwell(watch: Watch) -> None:
    await watch._look()

    assert watch.unready() == "recovering"
    assert watch.unhealthy() == ""


async def test_a_worker_that_owns_nothing_shows_no_partition(watch: Watch) -> None:
    await watch._look()

    registry = watch._worker.answering.metrics.registry
    assert registry.get_sample_value("refrain_partitions_owned") == 0
    assert registry.get_sample_value("refrain_recovery_remaining_records") == 0
    assert registry.get_sample_value("refrain_lag_plays", {"partition": "0"}) is None


@pytest.mark.parametrize(
    ("looks", "is_unwell"),
    [
        ([(5, 2), (5, 2)], True),
        ([(5, 2), (5, 9)], True),  # more came, none was done
        ([(5, 2), (7, 2)], False),
        ([(5, 0), (5, 0)], False),  # nothing to do
        ([(5, 0), (5, 2)], True),
        ([(-1, 4), (-1, 4)], True),  # before the first mark
        ([(5, 2), (5, 2), (7, 0)], False),
    ],
)
async def test_work_without_progress_is_unwell(
    watch: Watch, clock: Clock, looks: list[tuple[int, int]], *, is_unwell: bool
) -> None:
    for done, left in looks:
        clock.now_s += 121
        watch._note({PARTITION: (done, left), "recovery": (0, 0)})

    assert watch.unhealthy() == ("no progress for 121 s: partition 3" if is_unwell else "")


async def test_a_standstill_is_forgiven_for_as_long_as_a_rebalance_may_take(watch: Watch, clock: Clock) -> None:
    watch._note({PARTITION: (5, 2)})
    clock.now_s += Settings().rebalance_timeout_s + Settings().max_step_s
    watch._note({PARTITION: (5, 2)})

    assert watch.unhealthy() == ""


async def test_a_partition_that_moved_on_is_nobodys_fault(watch: Watch, clock: Clock) -> None:
    watch._note({PARTITION: (5, 2)})
    clock.now_s += 121
    watch._note({PARTITION: (5, 2)})
    assert watch.unhealthy()

    watch._note({})

    assert watch.unhealthy() == ""


async def test_a_watch_that_looks_no_more_is_unwell(watch: Watch, clock: Clock) -> None:
    watch._note({PARTITION: (5, 2)})

    clock.now_s += 121

    assert watch.unhealthy()
