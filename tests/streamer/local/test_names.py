from datetime import UTC, datetime

import numpy as np

from streamer.local.names import made_up_records
from streamer.local.words import COMMON, STYLES
from streamer.local.world import DAY_MS, Debuts, World
from streamer.wire.catalogue import encode_record, read_entry

DEBUT_MS = datetime(2010, 1, 1, tzinfo=UTC).timestamp() * 1000
WORLD = World.build(np.random.default_rng(1), 5, 600, debuts=Debuts(0.3, DEBUT_MS, DEBUT_MS + 90 * DAY_MS))


def test_all_tracks_get_names_that_the_catalogue_accepts_and_always_the_same() -> None:
    records = dict(made_up_records(WORLD.music))

    assert tuple(records) == WORLD.music.track_ids
    assert records == dict(made_up_records(WORLD.music))
    for track_id, record in records.items():
        assert read_entry(track_id.encode(), encode_record(record)).record == record
        assert record.title
        assert "{" not in f"{record}{record.album}"


def test_names_tell_of_genres_artists_albums_and_their_dates() -> None:
    music, records = WORLD.music, [record for _, record in made_up_records(WORLD.music)]

    for artist in music.artists:
        assert len({records[row].artists for row in artist}) == 1
        assert {records[row].tags[0] for row in artist} == {STYLES[music.genre_of[artist.start]].tag}
    assert len({record.artists for record in records}) == len(music.artists)
    for number, album in enumerate(music.albums):
        (date,) = {records[row].released for row in album}
        assert len({records[row].album for row in album}) == 1
        assert date is not None
        is_debut = music.out_from_ms[number] > 0
        assert date.startswith("2010") if is_debut else "1950" < date < "2001"
    assert [record.duration_ms for record in records] == list(music.durations_ms)


def test_every_slot_of_a_template_has_words() -> None:
    own = {"adjective": ("x",), "noun": ("x",), "things": ("x",)}
    for style in STYLES:
        for template in (*style.artists, *style.titles):
            assert "{" not in template.format_map({slot: words[0] for slot, words in (COMMON | own).items()})
