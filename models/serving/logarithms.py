"""Logarithms, compiled: of many floats at once, where the C library takes one at a time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models.compiled import inlined

_ROOT: Final = np.int32(0x3F3504F3)  # the bits of the root of 1/2
_FRACTION: Final = np.int32(0x7FFFFF)
_EXPONENT: Final = np.int32(23)

#: log(1 + m) = m - m^2 / 2 + m^3 (...), Cephes' logf by Moshier; exact to the last bit but one.
_C: Final = tuple(
    map(
        np.float32,
        (
            7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
            2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
        ),
    )
)  # fmt: skip
_LOG_2_HIGH: Final = np.float32(0.693359375)
_LOG_2_LOW: Final = np.float32(-2.12194440e-4)


@inlined
def log(number: Any) -> Any:
    """Take the logarithm of a normal float32 above 0."""
    bits = np.int32(np.float32(number).view(np.int32) - _ROOT)
    exponent = np.float32(bits >> _EXPONENT)
    m = np.int32((bits & _FRACTION) + _ROOT).view(np.float32) - np.float32(1)
    square = m * m
    series = ((((_C[0] * m + _C[1]) * m + _C[2]) * m + _C[3]) * m + _C[4]) * m + _C[5]
    series = ((series * m + _C[6]) * m + _C[7]) * m + _C[8]
    small = series * m * square + _LOG_2_LOW * exponent - np.float32(0.5) * square
    return m + small + _LOG_2_HIGH * exponent
