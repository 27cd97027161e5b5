"""The disk under a directory, as /metrics shows it: how much the directory takes, and how much is free."""

import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's is


@dataclass(frozen=True, slots=True)
class Disk:
    """A directory and the disk that holds it; NaN is what cannot be read: a scrape must not fail because of it.

    Attributes:
        directory: may not exist yet.
    """

    directory: Path

    def taken_bytes(self) -> float:
        """Return what the files below the directory take; those that vanish meanwhile do not count."""
        taken = 0
        for parent, _, names in os.walk(self.directory):
            for name in names:
                try:
                    taken += os.lstat(f"{parent}/{name}").st_blocks * _BLOCK_BYTES
                except OSError:
                    continue
        return taken

    def total_bytes(self) -> float:
        """Return the size of the disk."""
        try:
            return shutil.disk_usage(self.directory).total
        except OSError:
            return math.nan

    def free_bytes(self) -> float:
        """Return what is free of it."""
        try:
            return shutil.disk_usage(self.directory).free
        except OSError:
            return math.nan
