from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.compiled import compiled
from models.serving.levels import level_of, order


@compiled
def _order_and_level(bits: NDArray[np.int32], k: int) -> int:
    for place in range(bits.shape[1]):
        bits[1, place] = order(bits[1, place])
    return level_of(bits, 1, bits.shape[1], k)


@given(st.lists(st.floats(width=32, allow_nan=False) | st.integers(-3, 3), min_size=1, max_size=70), st.data())
def test_k_floats_reach_the_level_and_more_only_if_they_equal_the_kth(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(values)))
    floats = np.array([[9.0] * len(values), values], np.float32) + np.float32(0)  # no -0.0
    bits = floats.copy().view(np.int32)

    level = _order_and_level(bits, k)

    reached = np.sort(floats[1][bits[1] >= level])
    falling = np.sort(floats[1])[::-1]
    assert len(reached) >= k
    assert (reached[: len(reached) - k + 1] == falling[k - 1]).all()
    assert len(reached) == (falling >= falling[k - 1]).sum()
