"""What a soak calls flat."""

from __future__ import annotations

import pytest

from tests.faults.soak import Sample, growth

STEADY = Sample(at_s=0, memory_bytes=400 << 20, file_handles=40, threads=8, disk_bytes=1 << 20)


def life(**last: int) -> list[Sample]:
    """Live steadily, and take something else in the end."""
    values = {name: getattr(STEADY, name) for name in Sample.__slots__}
    return [STEADY] * 12 + [Sample(**values | last)] * 4


def test_a_worker_that_takes_what_it_took_is_flat() -> None:
    assert all(figure["is_flat"] for figure in growth(life()).values())


@pytest.mark.parametrize(
    ("figure", "much"), [("memory_bytes", 440 << 20), ("file_handles", 60), ("threads", 12), ("disk_bytes", 9 << 20)]
)
def test_a_worker_that_grows_is_not(figure: str, much: int) -> None:
    found = growth(life(**{figure: much}))

    assert [name for name, told in found.items() if not told["is_flat"]] == [figure]


def test_a_worker_may_warm_up_in_its_first_quarter() -> None:
    cold = Sample(at_s=0, memory_bytes=1, file_handles=1, threads=1, disk_bytes=1)

    assert all(figure["is_flat"] for figure in growth([cold] * 4 + [STEADY] * 12).values())
