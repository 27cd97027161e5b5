import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.evaluation.hit_sums import HitSums

#: Listeners, each with the outcomes of their plays.
outcomes = st.lists(st.lists(st.booleans(), min_size=1, max_size=8), max_size=8)


def summed(of_listeners: list[list[bool]]) -> HitSums:
    """The sums, with the plays of all listeners mixed: every listener's first, then every second one."""
    sums, longest = HitSums(), max(map(len, of_listeners), default=0)
    for place in range(longest):
        for plays in of_listeners:
            if place < len(plays):
                sums.add(place, sum(plays[:place]), is_hit=plays[place], is_popular=place == 0)
    return sums


@given(outcomes)
def test_sums_are_those_of_the_listeners_however_their_plays_come(of_listeners: list[list[bool]]) -> None:
    plays, hits = np.array([len(each) for each in of_listeners]), np.array([sum(each) for each in of_listeners])

    found = summed(of_listeners)

    assert (found.listeners, found.plays, found.hits) == (len(plays), plays.sum(), hits.sum())
    assert found.popular_hits == len(plays)
    assert found.plays_squared == (plays * plays).sum()
    assert found.hits_squared == (hits * hits).sum()
    assert found.products == (hits * plays).sum()


@given(outcomes, outcomes)
def test_the_sums_of_two_workers_are_those_of_all_their_listeners(
    one: list[list[bool]], other: list[list[bool]]
) -> None:
    assert summed(one) + summed(other) == summed(one + other)


@given(outcomes)
@example([[True]] * 4)
def test_an_interval_holds_the_rate(of_listeners: list[list[bool]]) -> None:
    found = summed(of_listeners)
    low, high = found.interval()

    assert 0 <= low < high <= 1
    if found.plays:
        assert low <= found.hits / found.plays <= high


def test_without_plays_every_rate_is_possible() -> None:
    assert HitSums().interval() == (0, 1)


@pytest.mark.parametrize("similar", [0.01, 2.0, 20.0])
def test_nineteen_of_twenty_intervals_hold_the_true_rate_however_much_listeners_differ(similar: float) -> None:
    """Each listener has a rate of their own, drawn around 0.4; the smaller `similar`, the further from it."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(200):
        rates, lengths = rng.beta(0.4 * similar, 0.6 * similar, 60), rng.integers(1, 40, 60)
        low, high = summed([(rng.random(n) < rate).tolist() for n, rate in zip(lengths, rates, strict=True)]).interval()
        held += low <= 0.4 <= high

    assert 180 <= held <= 200
