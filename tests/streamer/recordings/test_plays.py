"""Recorded plays, read from common kinds of files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from streamer.errors import RecordingError
from streamer.recordings.columns import ColumnChoice
from streamer.recordings.plays import read_plays

SECONDS = [1_400_000_100, 1_400_000_000, 1_400_000_200]
MILLISECONDS = [second * 1000 for second in SECONDS]
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write columns to a Parquet file, with default users, tracks and times."""

    def write(name: str = "plays.parquet", **columns: Any) -> Path:
        path = tmp_path / name
        pa.parquet.write_table(pa.table(columns), path)
        return path

    return write


def test_users_and_tracks_are_numbered_in_the_order_of_their_names(save: Save) -> None:
    path = save(user=[10, 9, 10], track=["b", "a", "c"], ts=SECONDS)

    listening = read_plays(path)

    assert listening.user_ids == ("9", "10")
    assert listening.plays.listeners.tolist() == [1, 0, 1]
    assert listening.plays.track_ids == ("a", "b", "c")
    assert listening.plays.tracks.tolist() == [1, 0, 2]
    assert listening.plays.sessions is None


@pytest.mark.parametrize(
    "times",
    [
        pa.array(SECONDS),
        pa.array(SECONDS, pa.int32()),
        pa.array([float(second) for second in SECONDS]),
        pa.array(MILLISECONDS),
        pa.array(MILLISECONDS, pa.timestamp("ms")),
        pa.array([second * 10**9 for second in SECONDS], pa.timestamp("ns", "UTC")),
        pa.array(["2014-05-13T16:55:00Z", "2014-05-13T16:53:20Z", "2014-05-13T18:56:40+02:00"]),
    ],
    ids=["seconds", "int32", "floats", "milliseconds", "timestamps", "nanoseconds", "text"],
)
def test_times_are_converted_to_milliseconds(save: Save, times: pa.Array) -> None:
    listening = read_plays(save(user=[1, 1, 2], track=[1, 2, 3], played_at=times))

    assert listening.plays.played_at_ms.dtype == np.int64
    assert listening.plays.played_at_ms.tolist() == MILLISECONDS


@pytest.mark.parametrize(("name", "delimiter"), [("plays.csv", ","), ("plays.csv", "\t"), ("plays", ";")])
def test_text_files_are_read_whatever_their_suffix(tmp_path: Path, name: str, delimiter: str) -> None:
    lines = ["UserId,item,timestamp,session", "u1,t1,1400000100,7", "u2,t2,1400000000,9"]
    (tmp_path / name).write_text("\n".join(lines).replace(",", delimiter))

    listening = read_plays(tmp_path / name)

    assert listening.user_ids == ("u1", "u2")
    assert listening.plays.played_at_ms.tolist() == MILLISECONDS[:2]
    assert listening.plays.sessions is not None
    assert listening.plays.sessions.tolist() == [0, 1]


def test_a_folder_means_its_events(save: Save, tmp_path: Path) -> None:
    save("events.parquet", user=[1, 1, 2], track=[1, 2, 3], ts=SECONDS)

    assert len(read_plays(tmp_path).plays.tracks) == 3


def test_columns_can_be_named(save: Save) -> None:
    path = save(user=[1, 1, 2], who=["x", "y", "x"], track=[1, 2, 3], ts=SECONDS)

    listening = read_plays(path, ColumnChoice(user="who"))

    assert listening.user_ids == ("x", "y")


def test_the_earliest_plays_stay_in_their_order(save: Save) -> None:
    path = save(user=[1, 1, 2, 2], track=[1, 2, 3, 4], ts=[*SECONDS, SECONDS[0]], session=[1, 2, 3, 4])

    earliest = read_plays(path).earliest(3).plays

    assert earliest.tracks.tolist() == [0, 1, 3]
    assert earliest.sessions is not None
    assert earliest.sessions.tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": [1], "ts": SECONDS[:1]}, "no column contains the track"),
        ({"user": [1], "track": [1], "ts": [0]}, "left out 1 of 1 row, impossible-time: played_at 0 ms"),
        ({"user": [1], "track": [1], "ts": ["yesterday"]}, "left out 1 of 1 row, wrong-type: its time 'yesterday' is"),
        ({"user": [1], "track": [1], "ts": ["\n" + "x" * 99]}, r"wrong-type: its time '\\nx{39}…' is neither"),
        ({"user": [None], "track": [1], "ts": SECONDS[:1]}, "invalid-user-id: user_id has 0 bytes"),
        ({"user": [1.5], "track": [1], "ts": SECONDS[:1]}, "column user has DOUBLE, which are no ids; store it as"),
        ({"user": [True], "track": [1], "ts": SECONDS[:1]}, "column user has BOOLEAN, which are no ids"),
        ({"user": [1], "track": [1], "ts": [[1]]}, "column ts has BIGINT.., which are no times"),
        ({"user": [], "track": [], "ts": []}, "contains no plays"),
    ],
)
def test_a_file_without_plays_is_rejected(save: Save, columns: dict[str, Any], message: str) -> None:
    path = save(**columns)

    with pytest.raises(RecordingError, match=message):
        read_plays(path)


def test_a_missing_column_is_named(save: Save) -> None:
    path = save(user=[1], track=[1], ts=SECONDS[:1])

    with pytest.raises(RecordingError, match="there is no column who; the columns are user, track, ts"):
        read_plays(path, ColumnChoice(user="who"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"absent\.parquet cannot be read"):
        read_plays(tmp_path / "absent.parquet")
