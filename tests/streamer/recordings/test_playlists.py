import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from models.plays.catalogue import track_keys
from streamer.errors import RecordingError
from streamer.recordings.playlists import read_playlists

TABLE = {"playlist_id": ["b", "a", "b"], "pos": [1, 0, 0], "track_id": ["t2", "t1", "t1"]}


@pytest.mark.parametrize("name", ["playlists.parquet", "playlists.csv"])
def test_playlists_are_read_in_the_order_of_their_positions(tmp_path: Path, name: str) -> None:
    write = pyarrow.csv.write_csv if name.endswith(".csv") else pyarrow.parquet.write_table
    write(pa.table(TABLE), tmp_path / name)

    playlists = read_playlists(tmp_path / name)

    assert playlists.bounds.tolist() == [0, 1, 3]
    assert playlists.track_keys.tolist() == track_keys(["t1", "t1", "t2"]).tolist()


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"pos": None}, "no column contains the position"),
        ({"pos": ["top", "top", "end"]}, "3 rows have no position"),
        ({"pos": [1, None, 0]}, "1 row has no position"),
        ({"track_id": ["t2", None, "t1"]}, "1 row has no track"),
    ],
)
def test_a_file_without_playlists_is_refused(
    tmp_path: Path, columns: dict[str, list[object] | None], reason: str
) -> None:
    table = {name: values for name, values in (TABLE | columns).items() if values is not None}
    pyarrow.parquet.write_table(pa.table(table), tmp_path / "playlists.parquet")

    with pytest.raises(RecordingError, match=reason):
        read_playlists(tmp_path / "playlists.parquet")


def test_slices_of_the_million_playlist_dataset_are_read(tmp_path: Path) -> None:
    for number, tracks in enumerate((["t1"], ["t1", "t2"])):
        playlist = {
            "pid": number,
            "name": "x",
            "tracks": [{"pos": at, "track_uri": uri} for at, uri in enumerate(tracks)],
        }
        content = json.dumps({"info": {"slice": str(number)}, "playlists": [playlist]})
        (tmp_path / f"mpd.slice.{number}-{number}.json").write_text(content)

    playlists = read_playlists(tmp_path)

    assert playlists.bounds.tolist() == [0, 1, 3]
    assert playlists.track_keys.tolist() == track_keys(["t1", "t1", "t2"]).tolist()
