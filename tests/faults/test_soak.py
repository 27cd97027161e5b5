"""Which growth of a worker a soak accepts as flat."""

from __future__ import annotations

import pytest

from tests.faults.soak import Sample, growth

STEADY = Sample(at_s=0, memory_bytes=400 << 20, file_handles=40, threads=8, disk_bytes=1 << 20)


def life(**last: int) -> list[Sample]:
    """Return samples of a steady life whose last quarter differs."""
    values = {name: getattr(STEADY, name) for name in Sample.__slots__}
    return [STEADY] * 12 + [Sample(**values | last)] * 4


def test_a_worker_whose_resource_use_stays_equal_is_flat() -> None:
    assert all(figure["is_flat"] for figure in growth(life()).values())


@pytest.mark.parametrize(
    ("figure", "value"), [("memory_bytes", 440 << 20), ("file_handles", 60), ("threads", 12), ("disk_bytes", 9 << 20)]
)
def test_a_worker_that_grows_is_not_flat(figure: str, value: int) -> None:
    figures = growth(life(**{figure: value}))

    assert [name for name, each in figures.items() if not each["is_flat"]] == [figure]


def test_a_worker_may_warm_up_in_its_first_quarter() -> None:
    cold = Sample(at_s=0, memory_bytes=1, file_handles=1, threads=1, disk_bytes=1)

    assert all(figure["is_flat"] for figure in growth([cold] * 4 + [STEADY] * 12).values())
