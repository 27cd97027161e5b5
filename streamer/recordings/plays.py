"""Recorded plays, from files in the formats that people have."""

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import duckdb
import numpy as np

from models.plays.split import Plays
from streamer.errors import RecordingError
from streamer.recordings.batches import Table, find_tables
from streamer.recordings.columns import MAX_LEFT_OUT, ColumnChoice
from streamer.recordings.files import PlainFile, plain_files
from streamer.recordings.formats import Format
from streamer.recordings.ordering import in_listening_order, joined, ranked, without_repeats
from streamer.recordings.rows import BROKEN_ROW, REPEATED, Judge, Rows, Tally
from streamer.recordings.sources import broken_rows, explain, open_database
from streamer.recordings.summary import Summary, describe
from streamer.runtime.progress import Show

_FILE_IN_FOLDER: Final = "events.parquet"


@dataclass(frozen=True, slots=True)
class RecordedPlays:
    """P plays in the order of the file, except that a listener's at the same time are in the order of listening.

    Attributes:
        plays: their columns; `plays.listeners` are indices into `user_ids`.
        user_ids: the listeners' ids, sorted: numbers as numbers.
    """

    plays: Plays
    user_ids: Sequence[str]

    def earliest(self, num_plays: int) -> "RecordedPlays":
        """Keep the earliest plays, in the order they have."""
        plays = self.plays
        kept = np.sort(np.argsort(plays.played_at_ms, kind="stable")[:num_plays])
        fewer = replace(
            plays,
            listeners=plays.listeners[kept],
            tracks=plays.tracks[kept],
            played_at_ms=plays.played_at_ms[kept],
            sessions=None if plays.sessions is None else plays.sessions[kept],
        )
        return RecordedPlays(fewer, self.user_ids)


def read_plays(path: Path, choice: ColumnChoice | None = None) -> RecordedPlays:
    """Read plays, as `read_recording` does."""
    return read_recording(path, choice or ColumnChoice())[0]


def read_recording(
    path: Path, choice: ColumnChoice, clock: Callable[[], float] = time.time, show: Show = lambda _: None
) -> tuple[RecordedPlays, Summary]:
    """Read plays, judging row by row as the topic judges messages.

    Memory is bounded by the plays, 40 bytes each, and the ids, not by the text.

    Args:
        path: a file (Parquet, CSV, TSV, JSON or JSON Lines, compressed or not), a zip archive or a folder of such; of a
            folder with `events.parquet`, that file.
        choice: how to read it, where that should not be found out.
        clock: seconds since the epoch; no play is later.
        show: called with about how many bytes of `files.num_bytes_of` have been read.

    Raises:
        RecordingError: nothing can be read, a column is missing, or too many rows are no plays.
    """
    if path.is_dir() and (path / _FILE_IN_FOLDER).is_file():
        path /= _FILE_IN_FOLDER
    with tempfile.TemporaryDirectory(prefix="refrain-") as scratch, open_database(choice.time_zone) as connection:
        reading = _Reading(connection, choice, Judge(int(clock() * 1000)), show)
        for file in plain_files(path, Path(scratch), choice.encoding):
            reading.read(file, is_only=file.name == path.name)
    return reading.finish(path)


@dataclass(slots=True)
class _Reading:
    """What was read of a recording so far."""

    connection: duckdb.DuckDBPyConnection
    choice: ColumnChoice
    judge: Judge
    show: Show
    num_bytes: int = 0  # of the files before
    tally: Tally = field(default_factory=Tally)
    rows: list[Rows] = field(default_factory=list)
    formats: list[Format] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def read(self, file: PlainFile, *, is_only: bool) -> None:
        """Read a file; one of several may be something else than plays."""
        try:
            tables = find_tables(self.connection, file, self.choice)
            rows, tally = self._read_as_it_fits(tables)
        except duckdb.Error as exc:
            raise explain(file.name, exc) from exc
        except RecordingError as exc:
            if is_only:
                raise
            self.skipped.append(str(exc))
            return
        finally:
            self.num_bytes += file.num_bytes
            self.show(self.num_bytes)
        self.formats.append(tables[0].format)
        self.rows += rows
        self.tally.add(tally)

    def _read_as_it_fits(self, tables: Sequence[Table]) -> tuple[list[Rows], Tally]:
        """Read the first table that has no broken row; if there is none, leave out the broken rows of the last."""
        errors: list[duckdb.Error] = []
        for table in tables[:-1]:
            try:
                rows, tally = self._read(table)
            except duckdb.Error as exc:
                errors.append(exc)
            else:
                if not errors or (tally.share_left_out < MAX_LEFT_OUT and not self._has_quoted_ids(rows)):
                    return rows, tally
        rows, tally = self._read(tables[-1])
        if errors:
            self._count_broken(tables[-1].source.file.name, tally, errors[0])
        return rows, tally

    def _has_quoted_ids(self, rows: Sequence[Rows]) -> bool:
        """Whether ids are in quotes, so that reading quotes as text was wrong."""
        names = ((part.users, self.judge.users.ids) if of_users else (part.tracks, self.judge.tracks.ids)
                 for part in rows for of_users in (True, False))  # fmt: skip
        return any(
            len(ids[number]) > 1 and ids[number][0] == ids[number][-1] == '"'
            for numbers, ids in names
            for number in np.unique(numbers).tolist()
        )

    def _read(self, table: Table) -> tuple[list[Rows], Tally]:
        tally, rows, number, file = Tally(), list[Rows](), len(self.formats), table.source.file
        share_of_row = table.source.share_of_row
        for batch in table.batches(self.connection):
            rows.append(self.judge.judge(batch, number, file.name, tally))
            self.show(self.num_bytes + file.num_bytes * min(1.0, tally.num_rows * share_of_row))
        return rows, tally

    def _count_broken(self, name: str, tally: Tally, first_error: duckdb.Error) -> None:
        """Count the rows that DuckDB left out, unless a quote may have swallowed others, or bytes are not UTF-8."""
        for line, reason in broken_rows(self.connection):
            if "quote" in reason.lower() or "unicode" in reason.lower():
                raise first_error
            tally.num_rows += 1
            tally.leave_out(BROKEN_ROW, 1, reason, f"line {line} of {name}")

    def finish(self, path: Path) -> tuple[RecordedPlays, Summary]:
        """Return the plays, if enough of the rows are."""
        if not self.formats:
            raise RecordingError(f"{path} has no file of plays; {'; '.join(self.skipped[:3]) or 'it is empty'}")
        self._check_share(path)
        rows = joined(self.rows)
        kept = in_listening_order(without_repeats(rows))
        if num_repeated := len(rows) - len(kept):
            self.tally.leave_out(REPEATED, num_repeated, "an earlier file has the same plays", str(path))
        users, user_ids = ranked(kept.users, self.judge.users.ids)
        tracks, track_ids = ranked(kept.tracks, self.judge.tracks.ids)
        sessions = None if kept.sessions is None else ranked(kept.sessions, self.judge.sessions.ids)[0]
        recorded = RecordedPlays(Plays(users, tracks, track_ids, kept.played_at_ms, sessions=sessions), user_ids)
        return recorded, self._summary(recorded)

    def _check_share(self, path: Path) -> None:
        share = self.tally.share_left_out
        if not self.tally.num_rows:
            raise RecordingError(f"{path} contains no plays; name another file")
        if share > self.choice.max_left_out or share == 1:
            raise RecordingError(
                f"{path}: {'; '.join(describe(self.tally))}; correct it or name other columns"
                + ("" if share == 1 else f", or allow as much with --max-left-out {math.ceil(share * 100) / 100:g}")
            )

    def _summary(self, recorded: RecordedPlays) -> Summary:
        at_ms = recorded.plays.played_at_ms
        return Summary(
            formats=sorted({each.name for each in self.formats}),
            num_files=len(self.formats),
            skipped=self.skipped,
            num_plays=len(at_ms),
            num_users=len(recorded.user_ids),
            num_tracks=len(recorded.plays.track_ids),
            span_ms=(int(at_ms.min()), int(at_ms.max())),
            tally=self.tally,
            owner=next((each.owner for each in self.formats if each.owner), None),
            time_zone=self.choice.time_zone,
        )
