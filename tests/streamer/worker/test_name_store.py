"""Names on disk, in a real RocksDB."""

import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.plays.catalogue import track_key, track_keys
from streamer.kafka.topic_identity import TopicIdentity
from streamer.wire.catalogue import TrackRecord
from streamer.worker.name_store import MAX_AGE_S, NameStore, Naming
from streamer.worker.name_words import words_of, words_of_record
from tests.amount import examples

TOPIC = TopicIdentity("a1", 2)
RECORDS = st.none() | st.builds(
    TrackRecord, title=st.none() | st.sampled_from(["Étude No. 3", "Kid A", "kid b", "Ørsted", "Юг"]),
    artists=st.lists(st.sampled_from(["Kids", "Björk", ""]), max_size=2).map(tuple),
)  # fmt: skip
NAMINGS = st.builds(
    Naming, track_id=st.sampled_from("abcdé"), partition=st.integers(0, 1), written_at_ms=st.integers(0, 5),
    record=RECORDS,
)  # fmt: skip


def records_in(store: NameStore, *track_ids: str) -> list[TrackRecord | None]:
    return [None if naming is None else naming.record for naming in store.look_up(track_keys(track_ids))]


def named(track_id: str, title: str) -> Naming:
    return Naming(track_id, 0, 0, TrackRecord(title))


@settings(max_examples=examples(30))
@given(st.lists(st.lists(NAMINGS, max_size=8), min_size=1, max_size=5))
def test_a_store_knows_the_newest_records_and_finds_them_by_their_words_and_no_other(
    portions: list[list[Naming]],
) -> None:
    newest, places = dict[str, Naming](), dict[int, int]()
    with TemporaryDirectory() as directory:
        for number, portion in enumerate(portions):
            store = NameStore(Path(directory) / "names", "catalogue")  # again each time: it is on the disk
            assert store.places(TOPIC) == places
            places = {0: number, 1: number + 7} if portion else places
            store.apply(portion, TOPIC, {0: number, 1: number + 7}, is_current=True)
            for naming in portion:
                before = newest.get(naming.track_id, naming)
                if before.partition == naming.partition or before.written_at_ms <= naming.written_at_ms:
                    newest[naming.track_id] = naming
            known = {track_id: naming.record for track_id, naming in newest.items() if naming.record}
            assert records_in(store, *"abcdé") == [known.get(track_id) for track_id in "abcdé"]
            for prefix in ("k", "kid", "etu", "3", "bjo", "юг", "kids"):
                found = {track_id for track_id, record in known.items() if has_word(record, prefix)}
                assert store.find(prefix, 100).tolist() == sorted(map(track_key, found))
            store.close()


def has_word(record: TrackRecord, prefix: str) -> bool:
    return any(word.startswith(prefix) for word in words_of_record(record))


def test_words_know_no_case_and_no_accents() -> None:
    assert words_of("Étude, No. 3 (STRASSE straße)") == ["etude", "no", "3", "strasse"]
    assert len(words_of("x" * 100)[0]) == 24


def test_a_store_is_no_copy_of_another_topic(tmp_path: Path) -> None:
    store = NameStore(tmp_path / "names", "catalogue")
    store.apply([named("a", "A")], TOPIC, {0: 1, 1: 1}, is_current=True)

    assert store.places(TOPIC) == {0: 1, 1: 1}
    assert store.places(TopicIdentity("b2", 2)) == store.places(TopicIdentity("a1", 3)) == {}
    store.clear()
    assert store.places(TOPIC) == {}
    assert records_in(store, "a") == [None]
    store.close()


def test_a_store_is_as_old_as_the_last_time_that_it_was_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun_s, path = time.time(), tmp_path / "names"

    def at(hours: float) -> NameStore:
        monkeypatch.setattr(time, "time", lambda: begun_s + hours * 3600)
        return NameStore(path, "catalogue")

    def places_after(store: NameStore, *, is_current: bool) -> dict[int, int]:
        store.apply([], TOPIC, {0: 1, 1: 1}, is_current=is_current)
        places = store.places(TOPIC)
        store.close()
        return places

    store = at(0)
    store.apply([named("a", "A")], TOPIC, {0: 1, 1: 1}, is_current=True)
    assert places_after(store, is_current=True)
    assert places_after(at(19), is_current=False), "which makes it no younger"
    assert places_after(at(19.5), is_current=True)
    assert places_after(at(39), is_current=False)
    assert not places_after(at(40), is_current=True)


@pytest.mark.parametrize("damage", ["manifest", "no directory", "old"])
def test_a_store_that_is_damaged_or_too_old_is_empty_when_it_is_opened(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "names"
    store = NameStore(path, "catalogue")
    store.apply([named("a", "A")], TOPIC, {0: 1, 1: 1}, is_current=True)
    store.close()
    if damage == "manifest":
        next(path.glob("MANIFEST*")).write_bytes(b"no manifest")
    elif damage == "no directory":
        shutil.rmtree(path)
        path.write_text("a file")
    else:
        now_s = time.time()
        monkeypatch.setattr(time, "time", lambda: now_s + MAX_AGE_S)

    store = NameStore(path, "catalogue")

    assert store.places(TOPIC) == {}
    assert store.find("a", 9).tolist() == []
    store.apply([named("a", "B")], TOPIC, {0: 1, 1: 1}, is_current=True)
    assert records_in(store, "a") == [TrackRecord("B")]
    store.close()


def test_no_more_tracks_are_looked_at_than_asked_for(tmp_path: Path) -> None:
    store = NameStore(tmp_path / "names", "catalogue")
    store.apply([named(f"t{number}", "Same") for number in range(9)], TOPIC, {0: 1, 1: 1}, is_current=True)

    assert len(store.find("same", 4)) == 4
    store.close()
