"""A path ends where the listener's state is, and goes where it was after each play."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import HORIZONS
from models.release import Release
from models.serving.map_reader import MapReader
from models.serving.track_map import TrackMap
from streamer.errors import QueryError
from streamer.wire.changelog import listener_key
from streamer.wire.state import decode
from streamer.wire.views_map import TastePath
from streamer.worker.wandering import MapReaders, wander
from tests.amount import examples
from tests.builders import NOON_MS, TRACK_IDS, play
from tests.laws.cases import CHALLENGER
from tests.listening import TRACKS
from tests.offline import CHAMPION, Worker

PLACES = np.random.default_rng(5).uniform(-1, 1, (len(TRACK_IDS), 2)).astype(np.float32)
MAP = TrackMap(PLACES, np.zeros(12, np.uint8), np.zeros(12, np.uint8), np.array(1, np.float32))
READER = MapReader(CHAMPION.recommender, MAP)

few = settings(max_examples=examples(15), deadline=None)


def path_of(worker: Worker) -> TastePath:
    record = worker.store[0].get(listener_key(b"u"))
    return wander("u", decode([record], CHAMPION.network.config.hidden_size), CHAMPION, READER)


def place_of(hidden: np.ndarray) -> np.ndarray:
    """Where a state is for both horizons, float32 (2, 2)."""
    read = CHAMPION.network.read(torch.from_numpy(hidden))
    return READER.places_of(torch.cat([CHAMPION.network.tastes(read, horizon) for horizon in range(2)]))


def heard(worker: Worker, tracks: Sequence[str], first: int = 0) -> np.ndarray:
    """Let the listener play tracks one by one; return where the state was after each, float32 (P, 2, 2)."""
    places = []
    for at, track in enumerate(tracks, first):
        worker.serve({0: [play(at, "u", track, NOON_MS - 100_000_000 + 60_000 * at)], 1: []})
        places.append(place_of(worker.states()[0, "u"].hidden))
    return np.array(places)


@few
@given(tracks=st.lists(st.sampled_from(TRACKS), min_size=1, max_size=64))
def test_a_path_goes_where_the_state_was_after_each_play(tracks: Sequence[str]) -> None:
    worker = Worker()
    places = heard(worker, tracks)

    path = path_of(worker)

    assert not path.is_rebuilt
    assert path.plays == tuple(range(1, len(tracks) + 1))
    assert tuple(each.horizon for each in path.horizons) == HORIZONS
    for horizon, of_horizon in enumerate(path.horizons):
        np.testing.assert_allclose(of_horizon.points, places[:, horizon], atol=1e-3)


def test_a_path_of_a_state_that_knows_older_plays_ends_where_the_state_is() -> None:
    worker = Worker()
    heard(worker, [TRACKS[number * 7 % 12] for number in range(70)])
    hidden = np.linspace(-0.9, 0.9, 6, dtype=np.float32)[None]  # as if the older plays were not nearly forgotten

    path = wander("u", replace(worker.states()[0, "u"], hidden=hidden), CHAMPION, READER)

    assert (path.is_rebuilt, path.plays) == (True, tuple(range(7, 71)))
    for of_horizon, place in zip(path.horizons, place_of(hidden), strict=True):
        assert of_horizon.points[-1] == pytest.approx(place, abs=1e-4)


@pytest.mark.parametrize("first", [CHALLENGER, None])
def test_a_path_under_another_release_is_that_of_a_rebuilt_state(first: Release | None) -> None:
    tracks = ["t1", "t2", "t3", "t1"]
    other = Worker(first).serve_all(
        {0: [play(at, "u", track, NOON_MS - 100_000_000 + 60_000 * at) for at, track in enumerate(tracks)], 1: []}
    )
    places = heard(Worker(), tracks)

    path = path_of(other)

    assert (path.is_rebuilt, path.release, path.plays) == (True, CHAMPION.release_id, (1, 2, 3, 4))
    for horizon, of_horizon in enumerate(path.horizons):
        np.testing.assert_allclose(of_horizon.points, places[:, horizon], atol=1e-3)


def test_who_has_not_played_has_no_path() -> None:
    path = path_of(Worker())

    assert (path.is_rebuilt, path.plays) == (False, ())
    assert [each.points for each in path.horizons] == [(), ()]


def test_a_reader_is_kept_until_the_release_changes() -> None:
    readers, mapped = MapReaders(), replace(CHAMPION, track_map=MAP)

    reader = readers.of(mapped)

    assert readers.of(mapped) is reader
    assert readers.of(replace(mapped, release_id="other")) is not reader
    with pytest.raises(QueryError, match="release release-7 has no map; its trainer made none") as refused:
        readers.of(CHAMPION)
    assert refused.value.code == "no_map"
