"""Vectors rounded to int8, which a processor with the instructions for it multiplies four times as fast as float32.

    vector ~ step * codes        codes are int8 (E,), the largest of them 127; each vector has its step

Rounding moves a dot product by at most

    |q.x - q'.x'| <= |q - q'| |x| + |q'| |x - x'|        q' and x' are the rounded vectors

so nearly all tracks are known not to be among the best before their cosine is computed.

Torch multiplies many codes fast only with the instructions of AVX512-VNNI. Without, on older and on ARM processors, it
multiplies one at a time, which takes 30 times as long as float32. There, vectors that meet many others are their own
codes, with steps of 1, and what moves a dot product is the order of its sum.
"""

from __future__ import annotations

from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compiled import compiled

_LARGEST: Final = 127
_CHUNK: Final = 64

_Code = TypeVar("_Code", np.int8, np.float32)


class RoundedVectors(NamedTuple, Generic[_Code]):
    """N rounded vectors.

    Attributes:
        codes: int8 (N, E), or float32 if they are the vectors.
        steps: float32 (N,), what a code of 1 is worth.
        errors: float32 (N,), the distance of each vector from its rounded one, or a little more.
    """

    codes: NDArray[_Code]
    steps: NDArray[np.float32]
    errors: NDArray[np.float32]


@compiled
def round_vectors(vectors: NDArray[np.float32]) -> RoundedVectors[np.int8]:
    """Round vectors, float32 (N, E), to int8."""
    num = len(vectors)
    codes, steps, errors = np.empty(vectors.shape, np.int8), np.empty(num, np.float32), np.empty(num, np.float32)
    for row in range(num):
        largest = np.float32(1e-30)  # of zeros, whose codes are 0
        for place in range(vectors.shape[1]):
            largest = max(largest, abs(vectors[row, place]))
        step = largest / np.float32(_LARGEST)
        squares = np.float32(0)
        for place in range(vectors.shape[1]):
            code = np.rint(vectors[row, place] / step)
            codes[row, place] = np.int8(code)
            squares += (vectors[row, place] - code * step) ** 2
        steps[row] = step
        errors[row] = np.sqrt(squares) * np.float32(1.001) + np.float32(2e-6)  # floats err too
    return RoundedVectors(codes, steps, errors)


def leave_unrounded(vectors: NDArray[np.float32]) -> RoundedVectors[np.float32]:
    """Take vectors, float32 (N, E), of length 1 or less, as their own codes.

    The sum of E products errs by E * 2**-24 at most, in any order; twice that also covers the error of a cosine.
    """
    num, size = vectors.shape
    return RoundedVectors(vectors, np.ones(num, np.float32), np.full(num, size * 2.0**-23, np.float32))


def quick_code_type() -> torch.dtype:
    """Choose the type in which this processor multiplies many codes in the least time."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch does not say
    return torch.int8 if capabilities.get("avx512_vnni", False) else torch.float32


def multiply(codes: Tensor, others: Tensor) -> Tensor:
    """Multiply codes, int8 or float32 (A, E) and (E, B): int32 or float32 (A, B)."""
    if codes.dtype == torch.float32:
        return codes @ others
    products: Tensor = torch._int_mm(codes, others)  # noqa: SLF001  the one door to int8 products without rounding
    return products


@compiled
def multiply_few(codes: NDArray[np.int8], others: NDArray[np.int8], first: int, products: NDArray[np.int32]) -> None:
    """Multiply codes as `multiply` does, faster for a few, slower for many.

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
def slacks_of(errors: NDArray[np.float32], largest_error: np.float32) -> NDArray[np.float32]:
    """Return twice the most that rounding moves the dot products of some vectors with unit vectors: float32 (A,).

    Args:
        errors: float32 (A,), of the vectors.
        largest_error: of the unit vectors.
    """
    return np.float32(2) * (errors + (np.float32(1) + errors) * largest_error)
