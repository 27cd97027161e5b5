"""Compiled functions: loops over plays, tracks and candidates that numba turns into machine code.

A kernel takes arrays and numbers only. It is compiled at its first call with each combination of types, which takes
seconds, so callers keep types and contiguity uniform. The result is cached on disk: beside the source, in the user's
cache directory if that is read-only, or where NUMBA_CACHE_DIR says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: Sums may be taken in any order, and products fused into them, so that they use vector instructions; NaN stays NaN.
_SUMS: Final = {"reassoc", "contract", "nsz"}

#: Products may be fused into sums, whose order stays as written.
_FUSED: Final = {"contract", "nsz"}


def compiled(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Compile a function; it runs without the interpreter's lock."""
    return _compile(function, nogil=True)


def compiled_sums(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Compile a function that adds up many floats, whose last bits may depend on the processor."""
    return _compile(function, nogil=True, fastmath=_SUMS)


def compiled_products(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Compile a function that adds products to many sums at once, each step a single fused instruction."""
    return _compile(function, nogil=True, fastmath=_FUSED)


def inlined(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Compile a function that kernels call for every track: it becomes part of them."""
    return _compile(function, inline="always")


def _compile(function: Callable[_P, _T], **options: Any) -> Callable[_P, _T]:
    try:
        return cast("Callable[_P, _T]", numba.njit(cache=True, **options)(function))
    except RuntimeError:  # no directory can be written, so each process compiles for itself
        return cast("Callable[_P, _T]", numba.njit(**options)(function))
