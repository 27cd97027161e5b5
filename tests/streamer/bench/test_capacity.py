import msgspec
import pytest

from streamer.bench.capacity import Habit, conclude, estimate
from streamer.bench.shapes import MeasuredBatch, MeasuredStore, MeasuredTransaction

BATCH = MeasuredBatch(500, 200.0, 5000, 100.0, 120.0, 10, {"decode": 4.0, "step": 180.0, "commit": 10.0})
STORE = MeasuredStore(3.0, 1.0, 2500.0)
HABIT = Habit(plays_per_day=28.8)  # 0.001 plays/s at the peak


def test_a_worker_carries_what_its_time_and_its_disk_have_room_for() -> None:
    found = estimate(BATCH, STORE, 3_750_000_000, HABIT)

    assert (found.plays_per_s, found.bound_by, found.bound_share) == (5000, "the step", 0.9)
    assert found.listeners_by_plays == pytest.approx(2_500_000)
    assert found.listeners_by_disk == 1_000_000
    assert conclude(found) == (
        "One worker here answers about 5,000 plays/s at most (Kafka left out: add --kafka); the step takes 90% of its "
        "time. Half busy at the peak, it carries about 2,500,000 listeners of 28.8 plays a day; its disk has room for "
        "the states of 1,000,000. The bound is its disk."
    )


def test_a_worker_waits_for_each_transaction() -> None:
    slow = msgspec.structs.replace(BATCH, transaction=MeasuredTransaction(5.0, 400.0, 500.0, 10))  # 800 us a play

    found = estimate(slow, STORE, 1 << 40, HABIT)

    assert (found.plays_per_s, found.bound_by, found.bound_share) == (1000, "Kafka's transactions", 0.8)
    assert conclude(found).endswith("The bound is its time.")
