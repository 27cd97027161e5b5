"""Vectors rounded to int8, which a processor multiplies four times as fast as float32.

    vector ~ step * codes        codes are int8 (E,), the largest of them LARGEST_CODE or less; each vector has its step

Rounding moves a dot product by at most

    |q.x - q'.x'| <= |q - q'| |x| + |q'| |x - x'|        q' and x' are the rounded vectors

so nearly all tracks are known not to be among the best before their cosine is computed.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compiled import compiled

_LARGEST: Final = 127
_LARGEST_WITHOUT_VNNI: Final = 63


class RoundedVectors(NamedTuple):
    """N rounded vectors.

    Attributes:
        codes: int8 (N, E).
        steps: float32 (N,), what a code of 1 is worth.
        errors: float32 (N,), the distance of each vector from its rounded one, or a little more.
    """

    codes: NDArray[np.int8]
    steps: NDArray[np.float32]
    errors: NDArray[np.float32]

    @classmethod
    def of(cls, vectors: NDArray[np.float32], largest_code: int) -> Self:
        """Round vectors, float32 (N, E)."""
        num = len(vectors)
        rounded = cls(np.empty(vectors.shape, np.int8), np.empty(num, np.float32), np.empty(num, np.float32))
        _round(vectors, largest_code, rounded)
        return rounded


def largest_exact_code() -> int:
    """Return the largest code whose products this processor adds up exactly.

    Without the VNNI instructions, sums of two products saturate at int16, unless codes are half as large.
    """
    codes = torch.full((64, 64), _LARGEST, dtype=torch.int8)
    is_exact = bool((multiply(codes, -codes) == -(_LARGEST**2) * 64).all())
    return _LARGEST if is_exact else _LARGEST_WITHOUT_VNNI


def multiply(codes: Tensor, others: Tensor) -> Tensor:
    """Multiply codes, int8 (A, E) and (E, B): int32 (A, B)."""
    products: Tensor = torch._int_mm(codes, others)  # noqa: SLF001  the one door to int8 products without rounding
    return products


@compiled
def _round(vectors: NDArray[np.float32], largest_code: int, rounded: RoundedVectors) -> None:
    for row in range(len(vectors)):
        largest = np.float32(1e-30)  # of zeros, whose codes are 0
        for place in range(vectors.shape[1]):
            largest = max(largest, abs(vectors[row, place]))
        step = largest / np.float32(largest_code)
        squares = np.float32(0)
        for place in range(vectors.shape[1]):
            code = np.rint(vectors[row, place] / step)
            rounded.codes[row, place] = np.int8(code)
            squares += (vectors[row, place] - code * step) ** 2
        rounded.steps[row] = step
        rounded.errors[row] = np.sqrt(squares) * np.float32(1.001) + np.float32(2e-6)  # floats err too
