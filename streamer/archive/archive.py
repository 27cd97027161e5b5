"""The trainer's archive: plays as Parquet files, and the next offset of each partition.

The manifest lists the valid files and the next offset of each partition. It is replaced atomically, after the files it
lists are on the disk. So plays and offsets change together, a play is archived exactly once, and a crash leaves behind
at most files that no manifest lists, which the next opening removes. Plays are in the order of their arrival, and the
plays of one partition in the order of their offsets.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from streamer.archive.files import (
    count_listeners,
    next_to_pack,
    num_to_join,
    read_plays,
    read_without,
    remove_others,
    write_plays,
)
from streamer.archive.manifest import ArchiveFile, ArchiveManifest, FitWindow, read_manifest, replace_manifest
from streamer.archive.plays import SCHEMA, ArchivedPlays, to_arrays
from streamer.errors import ContractError
from streamer.runtime.files import hold_directory

_DAY_S: Final = 86_400


class Archive:
    """An archive, held by one process at a time; its methods may be called from any thread.

    Args:
        directory: created if absent.
        clock: seconds since the epoch; plays belong to the day they are appended on.

    Raises:
        ContractError: a newer version wrote it.
        InUseError: another process holds it.
        SettingsError: the directory cannot be created or written.
    """

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._clock = clock
        self._turn = threading.Lock()  # an append must not remove a file that is being read
        self._lock = hold_directory(directory, name="archive", remedy="set another REFRAIN_ARCHIVE_DIR")
        try:
            self._manifest = read_manifest(directory, self._today())
        except ContractError:
            self._lock.close()
            raise
        remove_others(directory, self._manifest.files)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock, so that another process may open the archive."""
        with self._turn:
            self._lock.close()

    @property
    def directory(self) -> Path:
        """Where it is."""
        return self._directory

    @property
    def next_offsets(self) -> Mapping[int, int]:
        """The offset at which each partition continues; partitions never archived are absent."""
        return self._manifest.next_offsets

    @property
    def files(self) -> tuple[ArchiveFile, ...]:
        """The files of the archive, in the order of arrival."""
        return self._manifest.files

    @property
    def num_plays(self) -> int:
        """The number of plays it holds."""
        return sum(file.num_plays for file in self._manifest.files)

    @property
    def num_appended(self) -> int:
        """The number of plays ever archived, including those dropped since."""
        return self._manifest.num_appended

    @property
    def num_new(self) -> int:
        """The number of plays that arrived since the latest fit."""
        return self._manifest.num_appended - self._manifest.num_fitted

    @property
    def since_fit_s(self) -> float:
        """The time since the latest fit ended; before the first fit, since the first play arrived."""
        return max(0.0, self._clock() - self._manifest.fitted_at_ms / 1000) if self._manifest.fitted_at_ms else 0.0

    @property
    def fitted_at_s(self) -> float:
        """When the latest fit ended, seconds since the epoch; NaN if none has."""
        return self._manifest.fitted_at_ms / 1000 if self._manifest.num_fitted else math.nan

    @property
    def num_plays_by_age(self) -> Mapping[float, int]:
        """The number of plays it holds, by the days since they arrived."""
        today, num_plays = self._today(), Counter[float]()
        for file in self._manifest.files:
            num_plays[today - file.day] += file.num_plays
        return num_plays

    @property
    def fitting(self) -> FitWindow | None:
        """The fit that has started but not ended; its process may have."""
        return self._manifest.fitting

    def count_listeners(self) -> int:
        """Count the listeners who have plays here; reads one column of every file."""
        with self._turn:
            return count_listeners(self._directory, self.files)

    def append(self, plays: pa.Table, next_offsets: Mapping[int, int], forgotten: Collection[str] = ()) -> None:
        """Add plays, drop forgotten listeners and advance the offsets, all or nothing.

        Args:
            plays: as `to_table` makes them, in order; a forgotten listener's plays here are later than the tombstone.
            next_offsets: of the partitions that advanced.
            forgotten: user ids whose plays archived so far are dropped.

        Raises:
            ValueError: a partition would go back, so plays would be archived twice.
            OSError: the disk cannot store them; the archive is unchanged, and the append may be repeated.
        """
        with self._turn:
            self._append(plays, next_offsets, forgotten)

    def tidy(self, max_days: int) -> bool:
        """Drop plays that arrived more than `max_days` days ago, and pack some small files of an earlier day into one.

        Returns:
            Whether there was anything to do; there may be more.
        """
        with self._turn:
            today = self._today()
            kept = tuple(file for file in self.files if file.day >= today - max_days)
            packed = next_to_pack(kept, today)
            if packed is None and len(kept) == len(self.files):
                return False
            files = self._pack(kept, packed) if packed is not None else kept
            self._change(files=files, next_file=self._manifest.next_file + 1)
            remove_others(self._directory, files)
            return True

    def begin_fit(self) -> FitWindow:
        """Record and return the plays of a new fit; if a fit was interrupted, return its plays again, to redo it."""
        with self._turn:
            if self._manifest.fitting is None:
                self._change(fitting=FitWindow(dict(self.next_offsets), self.num_appended))
            assert self._manifest.fitting is not None
            return self._manifest.fitting

    def abandon_fit(self) -> None:
        """Discard the current fit: the next one covers the plays archived by then."""
        with self._turn:
            self._change(fitting=None)

    def end_fit(self) -> None:
        """Record that the current fit has ended, whether its plays were learned from or rejected."""
        with self._turn:
            assert self._manifest.fitting is not None
            num_fitted = self._manifest.fitting.num_appended
            self._change(num_fitted=num_fitted, fitted_at_ms=self._now_ms(), fitting=None)

    def read_newest(self, max_plays: int, before: Mapping[int, int] | None = None) -> ArchivedPlays:
        """Read the plays that arrived last; files that hold none of them are not opened.

        Args:
            max_plays: the most plays to read.
            before: by partition, the first offset to leave out; None leaves none out.
        """
        tables: list[pa.Table] = []
        missing = max_plays
        with self._turn:
            for file in reversed(self._manifest.files):
                if missing <= 0:
                    break
                table = read_plays(self._directory, [file])
                tables.insert(0, table if before is None else table.filter(_is_before(before)))
                missing -= len(tables[0])
        table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
        return to_arrays(table.slice(max(0, len(table) - max_plays)))

    def _append(self, plays: pa.Table, next_offsets: Mapping[int, int], forgotten: Collection[str]) -> None:
        self._refuse_to_go_back(plays, next_offsets)
        number, num_plays = self._manifest.next_file, len(plays)
        day = max([self._today(), *(file.day for file in self.files[-1:])])  # a clock may go back, a day never does
        files, number = self._without(forgotten, number) if forgotten else (list(self.files), number)
        if num := num_to_join(files, num_plays, day):
            plays = pa.concat_tables([read_plays(self._directory, files[-num:]), plays])
            del files[-num:]
        files += write_plays(self._directory, number, plays, day)
        self._change(
            next_offsets={**self.next_offsets, **next_offsets},
            files=tuple(files),
            num_appended=self.num_appended + num_plays,
            num_forgotten=self._manifest.num_forgotten + len(forgotten),
            fitted_at_ms=self._manifest.fitted_at_ms or self._now_ms(),
            next_file=number + 1,
        )
        remove_others(self._directory, files)

    def _without(self, forgotten: Collection[str], number: int) -> tuple[list[ArchiveFile], int]:
        """Rewrite the files that hold plays of the forgotten; return the remaining files and the next number."""
        files: list[ArchiveFile] = []
        for file in self.files:
            rest = read_without(self._directory, file, forgotten)
            if rest is None:
                files.append(file)
                continue
            files += write_plays(self._directory, number, rest, file.day)
            number += 1
        return files, number

    def _pack(self, files: tuple[ArchiveFile, ...], packed: slice) -> tuple[ArchiveFile, ...]:
        plays = read_plays(self._directory, files[packed])
        new = write_plays(self._directory, self._manifest.next_file, plays, files[packed.start].day)
        return (*files[: packed.start], *new, *files[packed.stop :])

    def _change(self, **changes: Any) -> None:
        manifest: ArchiveManifest = msgspec.structs.replace(self._manifest, **changes)
        try:
            replace_manifest(self._directory, manifest)
        except OSError:  # the disk may have it or not: the files it lists must not be overwritten
            self._manifest = msgspec.structs.replace(self._manifest, next_file=manifest.next_file)
            raise
        self._manifest = manifest

    def _refuse_to_go_back(self, plays: pa.Table, next_offsets: Mapping[int, int]) -> None:
        for partition, next_offset in next_offsets.items():
            known = self.next_offsets.get(partition, 0)
            first = pc.min(plays.filter(pc.field("partition") == partition)["offset"]).as_py()
            if next_offset < known or (first is not None and first < known):
                raise ValueError(
                    f"partition {partition} is archived up to offset {known}, but plays from {first} up to "
                    f"{next_offset} were appended; continue reading from `next_offsets`"
                )

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _today(self) -> int:
        return int(self._clock() // _DAY_S)


def _is_before(next_offsets: Mapping[int, int]) -> pc.Expression:
    """Select the plays before an offset of their partition; none of a partition without an offset."""
    is_before = pc.scalar(value=False)
    for partition, offset in next_offsets.items():
        is_before |= (pc.field("partition") == partition) & (pc.field("offset") < offset)
    return is_before
