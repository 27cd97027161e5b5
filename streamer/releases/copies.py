"""Where the files of a release are copied to, so that they are mapped instead of held in memory.

A mapped file that is shortened kills the process which maps it (SIGBUS), and whoever copies a release into a shared
folder may well overwrite it. So a release in a local folder is copied too, to where nobody else writes; a hard link
would share the fate of the original.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from models.release_files import MANIFEST


class Copies(Protocol):
    """Gives each release a directory."""

    def place_for(self, release_id: str) -> AbstractContextManager[Path]:
        """Provide the directory while the files of a release are copied to it and mapped.

        Raises:
            OSError: there cannot be one.
        """


@dataclass(frozen=True, slots=True)
class UnnamedCopies:
    """Copies that lose their names once they are mapped; the system frees them when nothing maps them any more.

    Attributes:
        directory: of a disk with room for a release, created if absent; None: the one for temporary files.
    """

    directory: Path | None = None

    @contextmanager
    def place_for(self, release_id: str) -> Iterator[Path]:
        """Provide an empty directory, removed afterwards."""
        if self.directory is not None:
            self.directory.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f"refrain-{release_id}-", dir=self.directory) as name:
            yield Path(name)


@dataclass(frozen=True, slots=True)
class KeptCopies:
    """Copies of the newest champion and the one before, which answer after a restart even if the store does not.

        <directory>/<release id>/    as in the store; without a manifest it is unfinished

    Attributes:
        directory: theirs alone.
    """

    directory: Path

    @contextmanager
    def place_for(self, release_id: str) -> Iterator[Path]:
        """Provide a directory that stays; of the others, only the one completed last stays as well."""
        place = self.directory / release_id
        others = [each for each in self.directory.glob("*") if each != place]
        for other in sorted(others, key=_completed_at_ns)[: len(others) - 1]:
            shutil.rmtree(other)
        yield place
        with suppress(OSError):  # of a disk that is full or read-only: the copy answers all the same
            os.utime(place / MANIFEST)


UNNAMED: Final = UnnamedCopies()


def _completed_at_ns(directory: Path) -> int:
    """Return when a copy was last found complete; 0 if it never was."""
    try:
        return (directory / MANIFEST).stat().st_mtime_ns
    except FileNotFoundError:
        return 0
