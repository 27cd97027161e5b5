"""Hit sums: how many plays were in the list before them, and an interval of the rate that heeds whose plays they are.

A listener's plays resemble each other, so they say less than as many plays of many listeners. With h hits in n plays of
each of L listeners, the rate r = sum(h) / sum(n) has the variance sum((h - r n)^2) / sum(n)^2 * L / (L - 1). All sums
are kept up play by play, and those of several workers add up. The interval is Wilson's, for as many independent plays
as would have that variance.
"""

import math
from dataclasses import dataclass, fields
from typing import Final, Self

_Z: Final = 1.959964  # of 95 %


@dataclass(slots=True)
class HitSums:
    """Sums over L listeners, each with n plays and h hits.

    Attributes:
        listeners: L.
        plays: sum of n.
        hits: sum of h.
        popular_hits: plays of tracks that were among the most popular ones.
        plays_squared: sum of n * n.
        hits_squared: sum of h * h.
        products: sum of h * n.
    """

    listeners: int = 0
    plays: int = 0
    hits: int = 0
    popular_hits: int = 0
    plays_squared: int = 0
    hits_squared: int = 0
    products: int = 0

    def add(self, plays: int, hits: int, *, is_hit: bool, is_popular: bool) -> None:
        """Add a play.

        Args:
            plays: of the same listener, before.
            hits: among them.
            is_hit: the play was in the list before it.
            is_popular: its track was among the most popular ones.
        """
        self.listeners += not plays
        self.plays += 1
        self.hits += is_hit
        self.popular_hits += is_popular
        self.plays_squared += 2 * plays + 1
        self.hits_squared += (2 * hits + 1) * is_hit
        self.products += hits + (plays + 1) * is_hit

    def __add__(self, other: Self) -> "HitSums":
        """Add what another worker counted of other listeners."""
        return HitSums(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the rate; from 0 to 1 without plays."""
        num = self._independent_plays()
        if not num:
            return 0.0, 1.0
        rate, spread = self.hits / self.plays, _Z * _Z / num
        middle = (rate + spread / 2) / (1 + spread)
        half = _Z / (1 + spread) * math.sqrt(rate * (1 - rate) / num + spread / (4 * num))
        return max(0.0, min(rate, middle - half)), min(1.0, max(rate, middle + half))  # rounding moves an end past it

    def _independent_plays(self) -> float:
        """Return how many plays of as many listeners would say as much; no more than there are."""
        if self.listeners < 2 or self.hits in {0, self.plays}:
            return float(self.listeners)
        rate = self.hits / self.plays
        squares = self.hits_squared - 2 * rate * self.products + rate * rate * self.plays_squared
        variance = squares / self.plays**2 * self.listeners / (self.listeners - 1)
        return min(self.plays, rate * (1 - rate) / variance) if variance > 0 else float(self.plays)
