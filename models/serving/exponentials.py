"""Exponentials, compiled: of many floats at once, where the C library takes one at a time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models.compiled import inlined

_LEAST: Final = np.float32(-87)
_MOST: Final = np.float32(88)
_PER_LOG_2: Final = np.float32(1.44269504088896341)
_BIAS: Final = np.int32(127)
_ROUNDED: Final = np.float32(127.5)
_FRACTION_BITS: Final = np.int32(23)

#: exp(m) = 1 + m + m^2 (...) for |m| up to log(2) / 2, Cephes' expf by Moshier; exact to the last bit but one.
_C: Final = tuple(
    map(
        np.float32,
        (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1),
    )
)
_LOG_2_HIGH: Final = np.float32(0.693359375)
_LOG_2_LOW: Final = np.float32(-2.12194440e-4)


@inlined
def exp(number: Any) -> Any:
    """Take e to the power of a float32, which is cut at -87 and 88, beyond which float32 ends."""
    cut = min(max(np.float32(number), _LEAST), _MOST)
    biased = np.int32(cut * _PER_LOG_2 + _ROUNDED)  # above 0, so that this is the floor
    twos = np.float32(np.int32(biased - _BIAS))
    m = cut - twos * _LOG_2_HIGH - twos * _LOG_2_LOW
    series = ((((_C[0] * m + _C[1]) * m + _C[2]) * m + _C[3]) * m + _C[4]) * m + _C[5]
    power = np.int32(biased << _FRACTION_BITS).view(np.float32)
    return (series * m * m + m + np.float32(1)) * power
