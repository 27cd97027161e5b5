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
_CHUNK: Final = 64
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
        round_vectors(vectors, largest_code, rounded)
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
def multiply_few(codes: NDArray[np.int8], others: NDArray[np.int8], first: int, products: NDArray[np.int32]) -> None:
    """Multiply codes as `multiply` does, faster for one or two, slower for many.

    Args:
        codes: int8 (A, E).
        others: int8 (M, E).
        first: of the B others to multiply with.
        products: int32 (A, B), written.
    """
    size, in_chunks = codes.shape[1], codes.shape[1] // _CHUNK * _CHUNK
    for row in range(len(codes)):
        for place in range(products.shape[1]):  # what is left over, mostly nothing
            product = np.int32(0)
            for component in range(in_chunks, size):
                product += np.int32(np.int32(others[first + place, component]) * np.int32(codes[row, component]))
            products[row, place] = product
        for begin in range(0, in_chunks, _CHUNK):
            for place in range(products.shape[1]):
                product = np.int32(0)
                for component in range(_CHUNK):  # a constant, or the processor's instruction is not used
                    code = np.int32(codes[row, begin + component])
                    product += np.int32(np.int32(others[first + place, begin + component]) * code)
                products[row, place] += product


@compiled
def round_vectors(vectors: NDArray[np.float32], largest_code: int, rounded: RoundedVectors) -> None:
    """Round vectors (N, E); `rounded` is written."""
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


@compiled
def slacks_of(errors: NDArray[np.float32], largest_error: np.float32) -> NDArray[np.float32]:
    """Return twice the most that rounding moves the dot products of some vectors with unit vectors: float32 (A,).

    Args:
        errors: float32 (A,), of the vectors.
        largest_error: of the unit vectors.
    """
    return np.float32(2) * (errors + (np.float32(1) + errors) * largest_error)
