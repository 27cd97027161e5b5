"""Times of rounds of the same work: on a machine with other work to do, the fastest round says what it costs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np

#: However long a round takes, there are as many.
LEAST_ROUNDS: Final = 2


@dataclass(frozen=True, slots=True)
class Times:
    """What rounds took, each with the same number of answers.

    Attributes:
        num_answers: in a round.
        wall_s: of each round.
        cpu_s: of each round, in all threads of the process.
    """

    num_answers: int
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    @property
    def wall_us(self) -> float:
        """Microseconds an answer, in the fastest round."""
        return min(self.wall_s) / self.num_answers * 1e6

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU an answer, in the fastest round."""
        return min(self.cpu_s) / self.num_answers * 1e6

    @property
    def median_wall_us(self) -> float:
        """Microseconds an answer, in half of the rounds."""
        return float(np.median(self.wall_s)) / self.num_answers * 1e6

    def round_ms(self, percent: float) -> float:
        """Milliseconds within which so many per cent of the rounds ended."""
        return float(np.percentile(self.wall_s, percent)) * 1e3

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time a round, or the part of it that is looked at."""
        begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
        yield
        self.wall_s.append(time.perf_counter() - begin_s)
        self.cpu_s.append(time.process_time() - begin_cpu_s)


def rounds(limit_s: float, most: int) -> Iterator[None]:
    """Yield for each round to take: for some seconds, or until there were enough."""
    end_s = time.perf_counter() + limit_s
    for done in range(most):
        if done >= LEAST_ROUNDS and time.perf_counter() >= end_s:
            return
        yield
