"""The formats of plays that people have, each written as its service writes it."""

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet
import pytest

from streamer.errors import RecordingError
from streamer.recordings.columns import ColumnChoice
from streamer.recordings.plays import RecordedPlays, read_plays, read_recording

#: 2020-09-13 12:26:40 UTC.
FIRST_S: Final = 1_600_000_000
TIMES_S: Final = (FIRST_S, FIRST_S + 60, FIRST_S + 120)
TITLES: Final = ("One", "Two", "One")


def lines(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


def spotify_account() -> str:
    return json.dumps([
        {"endTime": f"2020-09-13 12:{26 + at}", "artistName": "Ann", "trackName": title, "msPlayed": 9}
        for at, title in enumerate(TITLES)
    ])  # fmt: skip


def spotify_extended() -> str:
    rows = [
        {
            "ts": f"2020-09-13T12:{26 + at}:40Z",
            "username": "ann",
            "ms_played": 9,
            "spotify_track_uri": f"spotify:{title}",
        }
        for at, title in enumerate(TITLES)
    ]
    return json.dumps([*rows, {**rows[0], "spotify_track_uri": None, "episode_name": "A podcast"}])


def listenbrainz() -> str:
    rows = []
    for at_s, title in zip(TIMES_S, TITLES, strict=True):
        info = {"recording_msid": f"msid-{title}"}
        metadata = {"artist_name": "Ann", "track_name": title, "additional_info": info}
        rows.append({"user_name": "ann", "listened_at": at_s, "track_metadata": metadata})
    rows[1]["track_metadata"]["mbid_mapping"] = {"recording_mbid": "mbid-Two"}  # type: ignore[index]
    return lines(*map(json.dumps, rows))


def lastfm_with_header() -> str:
    rows = [
        f'{at_s},"13 Sep 2020, 12:2{6 + at}","Ann","","Album","","{TITLES[at]}",""' for at, at_s in enumerate(TIMES_S)
    ]
    return lines("uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid", *rows)


def lastfm_without_header() -> str:
    return lines(*(f'Ann,Album,{title},"13 Sep 2020, 12:2{6 + at}"' for at, title in enumerate(TITLES)))


def lastfmstats() -> str:
    rows = [f"Ann;Album;;{title};{at_s * 1000}" for at_s, title in zip(TIMES_S, TITLES, strict=True)]
    return lines("Artist;Album;AlbumId;Track;Date#ann", *rows)


def lastfm_1k() -> str:
    rows = zip(TIMES_S, ("id-One", "", "id-One"), TITLES, strict=True)
    return lines(
        *(f"user_01\t2020-09-13T12:2{6 + at}:40Z\tx\tAnn\t{key}\t{title}" for at, (_, key, title) in enumerate(rows))
    )


def recbole() -> str:
    rows = [f"ann\t{title}\t{at_s}.0" for at_s, title in zip(TIMES_S, TITLES, strict=True)]
    return lines("user_id:token\titem_id:token\ttimestamp:float", *rows)


def idomaar() -> str:
    linked = '{"subjects":[{"type":"user","id":7}],"objects":[{"type":"track","id":%d}]}'
    return lines(
        *(f'event.play\t{at}\t{TIMES_S[at]}\t{{"playtime":-1}}\t{linked % len(TITLES[at])}' for at in range(3))
    )


def messages() -> str:
    rows = zip(TIMES_S, TITLES, strict=True)
    return lines(*(json.dumps({"user_id": "ann", "track_id": title, "played_at": at_s * 1000}) for at_s, title in rows))


FORMATS: Final[dict[str, tuple[Callable[[], str], str, str, set[str]]]] = {
    "Spotify account data": (spotify_account, "StreamingHistory0.json", "me", {"Ann - One", "Ann - Two"}),
    "Spotify extended streaming history": (spotify_extended, "endsong_0.json", "ann", {"spotify:One", "spotify:Two"}),
    "ListenBrainz": (listenbrainz, "listens.jsonl", "ann", {"msid-One", "mbid-Two"}),
    "Last.fm export": (lastfm_with_header, "ann.csv", "me", {"Ann - One", "Ann - Two"}),
    "lastfmstats.com": (lastfmstats, "lastfmstats-ann.csv", "ann", {"Ann - One", "Ann - Two"}),
    "Last.fm-1K": (lastfm_1k, "userid-timestamp-artid.tsv", "user_01", {"id-One", "Ann - Two"}),
    "TSV": (recbole, "lastfm.inter", "ann", {"One", "Two"}),
    "30Music events": (idomaar, "events.idomaar", "7", {"3"}),
    "JSON Lines": (messages, "plays.jsonl", "ann", {"One", "Two"}),
}


@pytest.mark.kind(19)
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_recognised_by_its_content(name: str, tmp_path: Path, observe: Callable[[str], None]) -> None:
    write, _, user, tracks = FORMATS[name]
    path = tmp_path / "a file"
    path.write_text(write())

    recorded, summary = read_recording(path, ColumnChoice())

    assert summary.formats == [name]
    assert recorded.user_ids == (user,)
    assert set(recorded.plays.track_ids) == tracks
    assert [at_ms // 60_000 for at_ms in recorded.plays.played_at_ms] == [at_s // 60 for at_s in TIMES_S]
    observe(f"3 plays of {user}, of {' and '.join(sorted(tracks))}")


def test_an_export_of_last_fm_without_a_header_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "ann.csv").write_text(lastfm_without_header())

    recorded = read_plays(tmp_path / "ann.csv", ColumnChoice(user="ann"))

    assert (recorded.user_ids, recorded.plays.track_ids) == (("ann",), ("Ann - One", "Ann - Two"))


def compressed_by_arrow(codec: str) -> Callable[[bytes], bytes]:
    def compress(content: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as stream:
            stream.write(content)
        return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]

    return compress


@pytest.mark.kind(19)
@pytest.mark.parametrize("compress", [gzip.compress, compressed_by_arrow("zstd"), compressed_by_arrow("bz2")])
def test_each_format_is_read_compressed(
    compress: Callable[[bytes], bytes], tmp_path: Path, observe: Callable[[str], None]
) -> None:
    for number, (write, *_) in enumerate(FORMATS.values()):
        (tmp_path / f"{number}").write_bytes(compress(write().encode()))

    for number in range(len(FORMATS)):
        assert len(read_plays(tmp_path / f"{number}").plays.tracks) == 3
    observe(f"{len(FORMATS)} formats, each 3 plays")


def test_an_archive_of_a_service_is_read_as_it_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "my_spotify_data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("MyData/ReadMeFirst.pdf", b"%PDF\0")
        archive.writestr("MyData/Userdata.json", '{"username": "ann"}')
        archive.writestr("MyData/StreamingHistory0.json", spotify_account())
        archive.writestr("MyData/StreamingHistory1.json", spotify_account())

    recorded, summary = read_recording(path, ColumnChoice())

    assert len(recorded.plays.tracks) == 3
    assert summary.tally.num_left_out == {"repeated-in-another-file": 3}
    assert [each.split(" ")[1] for each in summary.skipped] == ["MyData/ReadMeFirst.pdf", "MyData/Userdata.json:"]


def plays(tmp_path: Path, content: str, **choice: object) -> RecordedPlays:
    path = tmp_path / "plays.csv"
    path.write_text(content)
    return read_plays(path, ColumnChoice(**choice))  # type: ignore[arg-type]


def test_columns_of_text_without_a_header_are_chosen_by_number(tmp_path: Path) -> None:
    content = lines(f"One,{FIRST_S},ann", f"Two,{FIRST_S},bob")

    with pytest.raises(RecordingError, match=r"begins with a row and not with a header.*add --no-header"):
        plays(tmp_path, content)
    recorded = plays(tmp_path, content, has_header=False, track="1", time="2", user="3")

    assert (recorded.user_ids, recorded.plays.track_ids) == (("ann", "bob"), ("One", "Two"))


def test_a_file_without_listeners_needs_to_be_told_who_plays(tmp_path: Path) -> None:
    content = lines("track,ts", f"One,{FIRST_S}")

    with pytest.raises(RecordingError, match="name one with --user, or, if all plays are of one listener"):
        plays(tmp_path, content)
    assert plays(tmp_path, content, user="ann").user_ids == ("ann",)


def test_a_user_who_is_no_column_of_an_export_with_listeners_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "endsong_0.json").write_text(spotify_extended())

    with pytest.raises(RecordingError, match="there is no column bob; the columns are"):
        read_plays(tmp_path / "endsong_0.json", ColumnChoice(user="bob"))


def test_a_user_who_is_no_column_of_a_file_with_listeners_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no column usr; the columns are user, track, ts"):
        plays(tmp_path, lines("user,track,ts", f"u,One,{FIRST_S}"), user="usr")


@pytest.mark.parametrize(("zone", "at_s"), [("UTC", FIRST_S), ("Europe/Brussels", FIRST_S - 7200)])
def test_times_without_a_zone_are_of_the_zone_named(zone: str, at_s: int, tmp_path: Path) -> None:
    content = lines("user,track,ts", "u,One,2020-09-13 12:26:40", "u,Two,2020-09-13T12:26:40Z")

    assert plays(tmp_path, content, time_zone=zone).plays.played_at_ms.tolist() == [at_s * 1000, FIRST_S * 1000]


def test_a_zone_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no time zone 'Mars/Base'"):
        plays(tmp_path, lines("user,track,ts", "u,One,1"), time_zone="Mars/Base")


@pytest.mark.parametrize("unit", [1, 1000, 10**6, 10**9])
def test_times_are_in_any_unit_row_by_row(unit: int, tmp_path: Path) -> None:
    content = lines("user,track,ts", f"u,One,{FIRST_S * unit}", f"u,Two,{FIRST_S}")

    assert plays(tmp_path, content).plays.played_at_ms.tolist() == [FIRST_S * 1000] * 2


@pytest.mark.kind(14)
def test_a_file_of_which_most_rows_are_no_plays_is_refused(tmp_path: Path, observe: Callable[[str], None]) -> None:
    content = lines("user,track,ts", f"u,One,{FIRST_S}", "u,One,1899-12-30", "u,,1", "u,Two,soon")

    with pytest.raises(RecordingError) as refused:
        plays(tmp_path, content)
    recorded = plays(tmp_path, content, max_left_out=0.75)

    assert len(recorded.plays.tracks) == 1
    line = str(refused.value).removeprefix(f"{tmp_path}/")
    assert "--max-left-out 0.75" in line
    observe(line)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"user,track,ts\n", "contains no plays"),
        (b"\0\1\2\3", "is binary"),
        (b"\x1f\x8bnothing", "cannot be read"),
        (b"PK\x03\x04nothing", "cannot be read"),
        (b"\xd0\xcf\x11\xe0", "is a spreadsheet"),
        (b"PAR1nothing", "cannot be read"),
        (b'[{"user_id": "u"', "cannot be read"),
        (b"user,track,ts\nu,\xe9,1600000000\n", "line 2 of plays.csv is not UTF-8; name its encoding"),
        (b"<html><body>Log in</body></html>", "no column contains the track"),
    ],
)
def test_a_file_of_something_else_is_refused_in_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "plays.csv").write_bytes(content)

    with pytest.raises(RecordingError, match=message) as refused:
        read_plays(tmp_path / "plays.csv")

    assert "\n" not in str(refused.value)
    assert "/refrain-" not in str(refused.value), "that is where a file is linked, and gone"


NUM_ROWS: Final = 10_000  # more than DuckDB looks at before it hands out the first rows


def many(row: str, *, at: int = NUM_ROWS - 2, header: str = "user,track,title,ts", quote: str = "") -> str:
    rows = [f"u{n % 9},t{n % 7},title,{FIRST_S + n}" for n in range(NUM_ROWS)]
    if quote:
        rows = [quote + each.replace(",", f"{quote},{quote}") + quote for each in rows]
    return lines(header, *rows[:at], row, *rows[at:])


@pytest.mark.kind(15)
@pytest.mark.parametrize(("row", "num_left_out"), [("u1,t1", 1), ("u1,t1,a,b,c,1", 1), (f'u1,t1,"Heroes,{FIRST_S}', 0)])
def test_a_row_that_does_not_fit_costs_one_row_wherever_it_is(
    row: str, num_left_out: int, tmp_path: Path, observe: Callable[[str], None]
) -> None:
    (tmp_path / "plays.csv").write_text(many(row))

    recorded, summary = read_recording(tmp_path / "plays.csv", ColumnChoice())

    assert len(recorded.plays.tracks) == NUM_ROWS + 1 - num_left_out
    assert summary.tally.num_left_out.total() == num_left_out
    assert set(recorded.user_ids) == {f"u{number}" for number in range(9)}
    observe(f"{len(recorded.plays.tracks):,} plays, {num_left_out} row left out")


@pytest.mark.kind(15)
@pytest.mark.parametrize("title", ['"say "hi" now"', '"open', r'"say \"hi\" now"'])
def test_a_stray_quote_in_quoted_text_is_shown_and_changes_no_id(
    title: str, tmp_path: Path, observe: Callable[[str], None]
) -> None:
    (tmp_path / "plays.csv").write_text(many(f'"u1","t1",{title},"{FIRST_S}"', quote='"'))

    with pytest.raises(RecordingError, match=rf"^line {NUM_ROWS} of plays.csv: .*correct the line") as refused:
        read_plays(tmp_path / "plays.csv")

    observe(str(refused.value))


@pytest.mark.kind(18)
@pytest.mark.parametrize("content", [many("u1,\xe9,x,1").encode("latin-1"), gzip.compress(many("").encode())[:9_000]])
def test_damage_late_in_a_file_is_one_line(content: bytes, tmp_path: Path, observe: Callable[[str], None]) -> None:
    (tmp_path / "plays.csv").write_bytes(content)

    with pytest.raises(RecordingError) as refused:
        read_plays(tmp_path / "plays.csv")

    assert "\n" not in str(refused.value)
    observe(str(refused.value).removeprefix(f"{tmp_path}/"))


def test_a_damaged_gzip_is_refused_also_in_a_folder(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(many("").encode()))
    content[2_000:2_100] = bytes(100)
    (tmp_path / "a.csv").write_text(recbole())
    (tmp_path / "b.csv").write_bytes(content)

    with pytest.raises(RecordingError, match="cannot be read"):
        read_plays(tmp_path)


@pytest.mark.parametrize("name", ["p*.csv", "p[A].csv", "p?.csv", "plays.csv.gz", "plays.zst", "track=zzz"])
def test_a_name_is_a_name_and_no_pattern_or_format(name: str, tmp_path: Path) -> None:
    for other in ("p1.csv", "pA.csv"):
        (tmp_path / other).write_text(lines("user,track,ts", f"other,Other,{FIRST_S}"))
    (tmp_path / name).write_text(lines("user,track,ts", f"ann,One,{FIRST_S}"))

    assert read_plays(tmp_path / name).plays.track_ids == ("One",)


def test_a_folder_named_like_a_column_changes_no_track(tmp_path: Path) -> None:
    path = tmp_path / "track=zzz" / "plays.parquet"
    path.parent.mkdir()
    pa.parquet.write_table(pa.table({"user": ["ann"], "track": ["One"], "ts": [FIRST_S]}), path)

    assert read_plays(path).plays.track_ids == ("One",)


@pytest.mark.parametrize("zone", ["localtime", "posixrules", "Mars/Base", "", "'"])
def test_a_time_zone_that_cannot_be_used_is_named(zone: str, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no time zone"):
        plays(tmp_path, lines("user,track,ts", "u,One,1"), time_zone=zone)


def test_line_ends_of_joined_exports_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "plays.csv").write_bytes(
        f"user,track,ts\r\nu,One,{FIRST_S}\r\nu,Two,{FIRST_S}\nu,One,{FIRST_S}\n".encode()
    )

    assert len(read_plays(tmp_path / "plays.csv").plays.tracks) == 3


def test_ids_in_json_are_text_or_whole_numbers(tmp_path: Path) -> None:
    ids = ["One", 12345678901234567890, 1.5, {"id": 1}, [1], True]
    (tmp_path / "plays.jsonl").write_text(
        lines(*(json.dumps({"user_id": "ann", "track_id": each, "played_at": FIRST_S}) for each in ids))
    )

    recorded = read_plays(tmp_path / "plays.jsonl", ColumnChoice(max_left_out=0.9))

    assert recorded.plays.track_ids == ("12345678901234567890", "One")
