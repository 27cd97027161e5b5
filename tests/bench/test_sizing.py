"""A plan follows from its figures: twice the load needs twice the workers, and skew bounds partitions."""

import numpy as np

from tests.bench.partitions import Population, balance_of, loads_of
from tests.bench.sizing import Assumed, Measured, Service, plan

MEASURED = Measured(
    answer_us=480, stream_us=20, state_bytes=3000, recovered_per_s=50_000, worker_mb=2000, fit_plays_per_s=5000
)


def test_workers_follow_from_the_cost_of_a_play() -> None:
    small, large = (plan(Service(10_000_000, plays), MEASURED, Assumed()) for plays in (3_000, 6_000))

    assert small["plays/s of a worker, busy"][0] == "2,000"
    assert (small["workers"][0], large["workers"][0]) == ("3", "6")  # half of a worker's time is room
    assert small["disk of all workers, GB"][0] == "45"
    # 3 replicas of 60 GB of states, of lists of an hour and of plays of a week
    assert small["disk of all brokers, GB"][0] == f"{3 * (60 + 3_000 * 3600 * (3200 + 168 * 120) / 1e9):,.0f}"
    assert small["recovery of one lost disk, s"][0] == "67"
    assert small.keys() == large.keys()


def test_loads_of_partitions_add_up_and_a_worker_bears_no_more_than_its_hottest_partitions() -> None:
    population = Population(20_000, 1000.0, num_bots=10)

    loads = loads_of(population, 16, np.random.default_rng(1))
    balance = balance_of(loads, 4)

    assert np.isclose(loads.sum(), 1000 + 10 * 50)
    assert 1 <= balance.hottest_worker <= balance.hottest_partition
