from pathlib import Path

import pytest

from streamer.errors import RecordingError
from streamer.recordings.names import read_names
from streamer.recordings.plays import read_plays

FILES = Path(__file__).parents[2] / "cases" / "files"


@pytest.mark.parametrize(
    ("name", "track_id", "names"),
    [
        ("01b-listenbrainz.jsonl", "t06", {"title": "t06"}),
        ("04-lastfm-dates.csv", "An, Artist - t06", {"title": "t06", "artist": "An, Artist"}),
        ("05-lastfm1k-noheader.tsv", "t06", {"title": "Name t06", "artist": "Artist"}),
        ("13-one-person.csv", "Artist - t06", {"title": "t06", "artist": "Artist"}),
    ],
)
def test_names_have_the_ids_of_the_plays_in_the_same_file(name: str, track_id: str, names: dict[str, str]) -> None:
    found = dict(read_names(FILES / name))

    assert found[track_id] == names
    assert set(found) == set(read_plays(FILES / name).plays.track_ids)


def test_names_of_a_spotify_history_have_albums_and_a_file_of_several_is_read_as_one(tmp_path: Path) -> None:
    row = '"ts": "2020-09-13T12:29:57Z", "master_metadata_album_artist_name": "Radiohead"'
    for number, uri in enumerate(("spotify:track:a", "spotify:track:b")):
        names = f'"master_metadata_track_name": "T{number}", "master_metadata_album_album_name": "Kid A"'
        podcast = '{"ts": "2020-09-13T12:29:57Z", "spotify_track_uri": null, "master_metadata_track_name": null}'
        text = f'[{{{row}, "spotify_track_uri": "{uri}", {names}}}, {podcast}]'
        (tmp_path / f"Streaming_History_{number}.json").write_text(text)

    assert dict(read_names(tmp_path)) == {
        "spotify:track:a": {"title": "T0", "artist": "Radiohead", "album": "Kid A"},
        "spotify:track:b": {"title": "T1", "artist": "Radiohead", "album": "Kid A"},
    }


def test_a_file_without_titles_is_refused() -> None:
    with pytest.raises(RecordingError, match="no columns contain the track and its title"):
        list(read_names(FILES / "00-control.csv"))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="nowhere"):
        list(read_names(tmp_path / "nowhere.zip"))
