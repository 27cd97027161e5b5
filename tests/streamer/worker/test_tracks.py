"""What a worker says of tracks, from a real release and a real store of names."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.config import RerankerConfig
from models.plays.catalogue import track_keys
from models.plays.histories import gather_histories
from models.release import Release
from models.training.reranker_counts import counted_reranker
from streamer.kafka.topic_identity import TopicIdentity
from streamer.wire.catalogue import TrackRecord
from streamer.worker.name_store import NameStore, Naming
from streamer.worker.narrowing import NOTHING
from streamer.worker.sideline import Sideline
from streamer.worker.tracks import Tracks
from tests.builders import NOON_MS, TRACK_IDS, tiny_release

RECORDS = {
    "t3": TrackRecord("Kid A", ("Radiohead",), "Kid A", "2000-10-02", 284_000, tags=("electronic",)),
    "t4": TrackRecord("The Kids Are Alright", ("The Who",)),
    "t5": TrackRecord("Étude for Kids", ("Imre Ravenhill",)),
    "elsewhere": TrackRecord("Kid Charlemagne", ("Steely Dan",)),
}


@pytest.fixture
def names(tmp_path: Path) -> Iterator[NameStore]:
    store = NameStore(tmp_path / "names", "catalogue")
    namings = [Naming(track_id, 0, 0, record) for track_id, record in RECORDS.items()]
    store.apply(namings, TopicIdentity("a", 1), {0: 4}, is_current=True)
    yield store
    store.close()


@pytest.fixture
def sideline() -> Iterator[Sideline]:
    sideline = Sideline(8)
    yield sideline
    sideline.close()


def tracks_of(release: Release | None, names: NameStore, sideline: Sideline, *withdrawn: str) -> Tracks:
    keys = np.sort(track_keys(withdrawn)) if withdrawn else NOTHING
    return Tracks(lambda: release, lambda: keys, names, sideline)


def played_release() -> Release:
    """Return a release with a second stage, which has counted that later tracks were played more."""
    release = tiny_release()
    num_plays = np.arange(1, len(TRACK_IDS) + 1)
    keys = np.repeat(track_keys(TRACK_IDS), num_plays)
    plays = gather_histories(np.zeros(len(keys), np.int64), keys, np.arange(len(keys)) * 200_000 + NOON_MS)
    reranker = counted_reranker(plays, release.catalogue, release.network.config, RerankerConfig())
    return replace(release, recommender=replace(release.recommender, reranker=reranker))


async def test_tracks_are_looked_up_by_row_and_by_id_with_what_is_known_of_them(
    names: NameStore, sideline: Sideline
) -> None:
    tracks = tracks_of(tiny_release(), names, sideline, "t4")

    first, unnamed = await tracks.by_rows([3, 7])
    again, gone, other, nobody = await tracks.by_ids(["t3", "t4", "elsewhere", "nobody's"])

    assert first == again
    assert (first.row, first.track_id, first.title, first.artists) == (3, "t3", "Kid A", ("Radiohead",))
    assert (first.album, first.released, first.duration_ms) == ("Kid A", "2000-10-02", 284_000)
    assert (unnamed.row, unnamed.track_id, unnamed.title, unnamed.artists) == (7, "t7", None, None)
    assert [view.is_withdrawn for view in (first, gone, other)] == [False, True, False]
    assert (other.row, other.title, nobody.row, nobody.title) == (None, "Kid Charlemagne", None, None)
    for beyond in (-1, 12):
        with pytest.raises(IndexError, match="has 12 tracks; ask by id"):
            await tracks.by_rows([beyond])


async def test_a_search_finds_ids_and_words_and_prefers_what_is_played_most(
    names: NameStore, sideline: Sideline
) -> None:
    tracks = tracks_of(played_release(), names, sideline)

    async def found(text: str, limit: int = 20) -> list[str]:
        return [view.track_id for view in await tracks.search(text, limit)]

    assert await found("kid") == ["t5", "t4", "t3", "elsewhere"]
    assert await found("KIDS é") == ["t5"]
    assert await found("kid", 2) == ["t5", "t4"]
    assert await found("t1") == ["t1", "t11", "t10"], "the id itself first"
    (most,) = await tracks.search("t11", 1)
    assert most.popularity == pytest.approx(12 / 78, rel=0.2)
    assert await found("1") == ["t11", "t10", "t1"]
    assert await found("elsewhere") == ["elsewhere"]
    assert await found("no such thing") == await found("...") == await found(" ") == []


async def test_before_a_release_and_without_names_a_search_finds_what_there_is(
    names: NameStore, sideline: Sideline, tmp_path: Path
) -> None:
    nameless = NameStore(tmp_path / "empty", "catalogue")

    (found,) = await tracks_of(None, names, sideline).search("charle", 9)
    assert (found.track_id, found.row, found.popularity) == ("elsewhere", None, None)
    found_ids = await tracks_of(tiny_release(), nameless, sideline).search("t1", 2)
    assert [view.track_id for view in found_ids] == ["t1", "t10"]
    with pytest.raises(IndexError):
        await tracks_of(None, names, sideline).by_rows([0])
    nameless.close()
