from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from streamer.archive.archive import Archive
from streamer.archive.plays import to_table
from streamer.archive.snapshot import ArchiveChanged, ArchiveSnapshot
from streamer.wire.plays import decode_records
from tests.builders import play


def append(archive: Archive, offsets: range, forgotten: tuple[str, ...] = ()) -> None:
    records = [play(offset, f"u{offset % 3}", f"t{offset}") for offset in offsets]
    decoded = decode_records(records)
    archive.append(to_table(decoded.plays, 0, np.array(offsets)), {0: offsets.stop}, forgotten)


def track_ids(batches: list[pa.RecordBatch]) -> list[str]:
    return [track for batch in batches for track in batch.column("track_id").to_pylist()]


def test_a_snapshot_is_read_while_another_process_appends(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        append(archive, range(10))
        snapshot = ArchiveSnapshot(tmp_path)
        reading = snapshot.batches(["track_id"])
        first = next(reading)

        append(archive, range(10, 30), forgotten=("u1",))

        assert track_ids([first, *reading]) == [f"t{offset}" for offset in range(10)]
        assert (snapshot.num_plays, snapshot.num_forgotten) == (10, 0)
        assert ArchiveSnapshot(tmp_path).num_forgotten == 1


def test_a_file_removed_before_it_was_opened_is_reported(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        append(archive, range(10))
        snapshot = ArchiveSnapshot(tmp_path)
        append(archive, range(10, 30), forgotten=("u1",))

    with pytest.raises(ArchiveChanged):
        list(snapshot.batches(["track_id"]))
