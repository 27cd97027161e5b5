"""How evenly partitions and workers are loaded when listeners differ: a simulation, by numbers of partitions.

Kafka assigns each listener to a partition by a hash, each worker gets the same number of partitions, give or take one.
Rates of listeners are log-normal, as plays per day are; a few bots play without a pause.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_DRAWN_AT_ONCE: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class Population:
    """Listeners whose rates are drawn.

    Attributes:
        num_listeners: how many.
        sigma: of the logarithm of a rate; 1.5: the busiest hundredth plays a fifth of everything.
        num_bots: listeners who play without a pause.
        bot_plays_per_s: of each.
        plays_per_s: of all listeners together, bots excluded.
    """

    num_listeners: int
    plays_per_s: float
    sigma: float = 1.5
    num_bots: int = 1000
    bot_plays_per_s: float = 50.0


@dataclass(frozen=True, slots=True)
class Balance:
    """How evenly a number of partitions is loaded, and workers who share them.

    Attributes:
        num_partitions: how many.
        hottest_partition: plays/s of the busiest partition over the mean.
        hottest_worker: plays/s of the busiest worker over the mean.
    """

    num_partitions: int
    hottest_partition: float
    hottest_worker: float


def loads_of(population: Population, num_partitions: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the listeners of every partition: its plays/s, float64 (partitions,)."""
    loads = np.zeros(num_partitions)
    for begin in range(0, population.num_listeners, _DRAWN_AT_ONCE):
        num = min(_DRAWN_AT_ONCE, population.num_listeners - begin)
        rates = np.exp(np.float32(population.sigma) * rng.standard_normal(num, np.float32))
        loads += np.bincount(rng.integers(num_partitions, size=num), rates, num_partitions)
    loads *= population.plays_per_s / loads.sum()
    bots = np.bincount(rng.integers(num_partitions, size=population.num_bots), minlength=num_partitions)
    return np.asarray(loads + bots * population.bot_plays_per_s)


def balance_of(loads: NDArray[np.float64], num_workers: int) -> Balance:
    """Give each worker its share of the partitions; partition p goes to worker p modulo their number."""
    of_workers = np.bincount(np.arange(len(loads)) % num_workers, loads, num_workers)
    return Balance(len(loads), float(loads.max() / loads.mean()), float(of_workers.max() / of_workers.mean()))
