"""Narrowing: the release that answers, without the tracks that were withdrawn."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.release import Release

NOTHING: Final = np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True)
class _Narrowed:
    """A release, the keys of withdrawn tracks, and the release without them."""

    whole: Release
    withdrawn: NDArray[np.uint64]
    narrow: Release


class Narrowing:
    """Narrows releases; the latest result is kept until release or tracks change."""

    def __init__(self) -> None:
        self._latest: _Narrowed | None = None

    def without(self, release: Release, withdrawn: NDArray[np.uint64]) -> Release:
        """Return a release whose lists hold none of some tracks.

        Args:
            release: the whole one.
            withdrawn: uint64 (W,), distinct keys, known to the release or not; another array once they change.
        """
        if not len(withdrawn):
            self._latest = None
            return release
        if self._latest is None or self._latest.whole is not release or self._latest.withdrawn is not withdrawn:
            narrow = replace(release, recommender=release.recommender.without_keys(withdrawn))
            self._latest = _Narrowed(release, withdrawn, narrow)
        return self._latest.narrow
