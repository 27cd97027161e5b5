"""Compiled functions: loops over plays, tracks and candidates that numba turns into machine code.

A kernel takes arrays and numbers only. It is compiled at its first call with each combination of types, which takes
seconds, so callers keep types and contiguity uniform. The result is cached on disk: beside the source, in the user's
cache directory if that is read-only, or where NUMBA_CACHE_DIR says.

Only this file may import numba, which imports scipy wherever that is installed, to multiply matrices in kernels. Ours
multiply none, and a worker does without its 138 modules and 14 MB.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, ParamSpec, TypeVar, cast


@contextmanager
def _as_if_not_installed(package: str) -> Iterator[None]:
    """Let imports of a package fail, unless it has been imported; None in `sys.modules` means that there is none."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # see above
    try:
        yield
    finally:
        del sys.modules[package]


with _as_if_not_installed("scipy"):
    import numba
    import numba.extending
    import numba.np.arraymath  # looks for it too, with the first kernel

#: For what only a compiler can say: an instruction of the processor.
intrinsic: Final = numba.extending.intrinsic
types: Final = numba.types

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
