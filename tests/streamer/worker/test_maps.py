"""The picture of a release, and what its regions are called."""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.plays.catalogue import track_key
from models.release import Release
from models.serving.track_map import TrackMap
from streamer.errors import NoReleaseError, QueryError
from streamer.wire.catalogue import TrackRecord
from streamer.wire.picture import encode_picture
from streamer.worker.maps import Maps, densest, labels_of
from streamer.worker.name_store import Naming
from streamer.worker.sideline import Sideline
from tests.builders import tiny_release

PLACES = np.array([[0.5, 0.5]] * 5 + [[-0.5, -0.5]] * 5 + [[0.9, -0.9], [np.nan, np.nan]], np.float32)
MAP = TrackMap(
    PLACES, np.array([2] * 6 + [7] * 6, np.uint8), np.arange(12, dtype=np.uint8), np.array(3, np.float32)
)  # fmt: skip
RELEASE = replace(tiny_release(), track_map=MAP)


class Named:
    """Knows some tracks by their ids."""

    def __init__(self, records: Mapping[str, TrackRecord]) -> None:
        self._by_key = {track_key(track_id): Naming(track_id, 0, 0, record) for track_id, record in records.items()}

    def look_up(self, keys: NDArray[np.uint64]) -> list[Naming | None]:
        return [self._by_key.get(int(key)) for key in keys]

    def find(self, word: str, limit: int) -> NDArray[np.uint64]:
        raise NotImplementedError


@pytest.fixture
def sideline() -> Iterator[Sideline]:
    sideline = Sideline(8)
    yield sideline
    sideline.close()


def maps_of(
    sideline: Sideline, release: Release | None = RELEASE, records: Mapping[str, TrackRecord] | None = None
) -> Maps:
    return Maps(lambda: release, Named(records or {}), sideline)


async def test_a_picture_is_encoded_once(sideline: Sideline) -> None:
    maps = maps_of(sideline)

    picture = await maps.picture()

    assert picture.release == RELEASE.release_id
    assert picture.plain == encode_picture(MAP.places, MAP.groups, MAP.weights)
    assert gzip.decompress(picture.zipped) == picture.plain
    assert await maps.picture() is picture


async def test_regions_have_the_tag_that_tells_them_apart_or_the_artist(sideline: Sideline) -> None:
    tags = {f"t{number}": TrackRecord(artists=("Ann",), tags=("rock", "live")) for number in (0, 1)}
    tags |= {f"t{number}": TrackRecord(artists=("Eve",), tags=("rock", "jazz")) for number in (7, 8, 9)}
    artists = {f"t{number}": TrackRecord(artists=("Joe", "Ann")) for number in (0, 1)}

    tagged = await maps_of(sideline, records=tags).regions()
    by_artist = await maps_of(sideline, records=artists).regions()
    unnamed = await maps_of(sideline).regions()

    assert [(each.group, each.label, each.tracks) for each in tagged] == [(2, "live", 6), (7, "jazz", 5)]
    assert [each.label for each in by_artist] == ["Joe", None]
    assert [each.label for each in unnamed] == [None, None]
    assert [(each.x, each.y) for each in unnamed] == [(0.5, 0.5), (-0.5, -0.5)]


async def test_without_a_release_or_a_map_there_is_no_picture(sideline: Sideline) -> None:
    with pytest.raises(NoReleaseError, match="before the first release"):
        await maps_of(sideline, None).picture()
    with pytest.raises(QueryError, match="has no map") as refused:
        await maps_of(sideline, tiny_release()).regions()
    assert refused.value.code == "no_map"


def test_a_region_is_where_most_of_its_tracks_are() -> None:
    rng = np.random.default_rng(1)
    places = np.concatenate([rng.uniform(-1, 1, (50, 2)), rng.normal(0.6, 0.02, (60, 2))]).astype(np.float32)

    assert densest(places) == pytest.approx((0.6, 0.6), abs=0.05)
    assert densest(np.array([[1, -1]], np.float32)) == (1, -1)


def test_a_word_that_only_one_track_has_is_no_label() -> None:
    assert labels_of([["a", "b", "b"], ["b", "c", "c"], []]) == ["b", "c", None]
