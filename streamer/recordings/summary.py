"""What was read of a recording, in two lines: so that nothing is left out in silence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from models.wording import plural
from streamer.recordings.rows import Tally


@dataclass(frozen=True, slots=True)
class Summary:
    """What was read.

    Attributes:
        formats: of the files, as people call them.
        num_files: how many had plays.
        skipped: files of a folder that hold no plays.
        num_plays: that were read.
        num_users: who played them.
        num_tracks: that were played.
        span_ms: of the first and the last play, ms since the epoch.
        tally: rows left out.
        owner: the one listener, where the files name none.
        time_zone: of times without one.
    """

    formats: Sequence[str]
    num_files: int
    skipped: Sequence[str]
    num_plays: int
    num_users: int
    num_tracks: int
    span_ms: tuple[int, int]
    tally: Tally
    owner: str | None
    time_zone: str

    def lines(self) -> list[str]:
        """Return one line on what was read, and one on what was left out, if anything was."""
        first, last = (datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d") for ms in self.span_ms)
        files = "" if self.num_files == 1 else f"{self.num_files} files, "
        formats = " and ".join(self.formats)
        of = f"{plural(self.num_users, 'listener')} and {plural(self.num_tracks, 'track')}"
        read = f"read {plural(self.num_plays, 'play')} of {of}"
        lines = [f"{read}, {first} to {last} ({files}{formats}; times without a zone are {self.time_zone})"]
        if self.owner is not None:
            lines.append(f"no column says who listened: all plays are of {self.owner}; --user names another")
        if self.skipped:
            lines.append(f"skipped {plural(len(self.skipped), 'file')} without plays: {', '.join(self.skipped[:5])}")
        return lines + describe(self.tally)


def describe(tally: Tally) -> list[str]:
    """Return a line for each cause for which rows were left out."""
    return [
        f"left out {num:,} of {plural(tally.num_rows, 'row')}, {cause}: {first.reason} ({first.place})"
        for cause, num in tally.num_left_out.most_common()
        for first in [tally.first[cause]]
    ]
