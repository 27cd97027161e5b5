"""Files that are loaded onto the catalogue: records as JSON Lines, or the names that people's plays come with."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from streamer.wire.catalogue import TrackRecord, encode_record, read_entry

_read_line = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_id = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Loading:
    """The values of tracks, each as the topic accepts it, and what was refused.

    Attributes:
        path: of the file.
        holds_records: whether it has records, and not plays.
        num_refused: of its tracks.
        first_refusal: where, and why.
    """

    path: Path
    holds_records: bool = field(init=False)
    num_refused: int = 0
    first_refusal: str = ""

    def __post_init__(self) -> None:
        self.holds_records = _holds_records(self.path)

    def values(self) -> Iterator[tuple[str, bytes | None]]:
        """Yield the values by track id; what the topic would refuse is counted instead.

        Raises:
            RecordingError: the file has neither records nor plays with names.
        """
        read = self._records() if self.holds_records else self._names()
        for place, track_id, value in read:
            if refusal := read_entry(track_id.encode(), value).refusal:
                self.num_refused += 1
                self.first_refusal = self.first_refusal or f"{place}: {refusal.reason}"
            else:
                yield track_id, value

    def _records(self) -> Iterator[tuple[str, str, bytes | None]]:
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    fields = _read_line(line)
                    track_id = _read_id(fields.pop("track_id"))
                except (ValueError, KeyError):
                    track_id, fields = "", {}  # which the topic refuses too
                yield f"{self.path.name}:{number}", track_id, _encode(fields)

    def _names(self) -> Iterator[tuple[str, str, bytes | None]]:
        from streamer.recordings.names import read_names

        for track_id, names in read_names(self.path):
            artists = (names["artist"],) if "artist" in names else ()
            record = TrackRecord(names.get("title"), artists, names.get("album"))
            yield f"{self.path.name}: {track_id}", track_id, encode_record(record)


def _holds_records(path: Path) -> bool:
    """Say whether a file has JSON Lines with a `track_id` and nothing of a play."""
    if not path.is_file():
        return False
    with path.open("rb") as lines:
        line = next((line for line in lines if line.strip()), b"")
    try:
        fields = _read_line(line)
    except ValueError:
        return False
    return "track_id" in fields and not fields.keys() & {"user_id", "played_at"}
