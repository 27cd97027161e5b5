from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.serving.track_index import BLOCK, NO_TRACK, TrackIndex

NUM_TRACKS = 1000


@pytest.fixture(scope="module")
def items() -> Tensor:
    return functional.normalize(torch.randn(NUM_TRACKS, 12, generator=torch.Generator().manual_seed(0)), dim=1)


@pytest.fixture(scope="module")
def lists() -> Tensor:
    return torch.arange(NUM_TRACKS) % 7 // 2 * 2  # lists 1, 3 and 5 are empty


@pytest.fixture(scope="module")
def index(items: Tensor, lists: Tensor) -> TrackIndex:
    return TrackIndex.of(items, items[:7].clone(), lists)


def test_each_list_holds_its_tracks_in_order_and_their_vectors(index: TrackIndex, items: Tensor, lists: Tensor) -> None:
    index.check(items)

    for number, (begin, end) in enumerate(zip(index.starts[:-1], index.starts[1:], strict=True)):
        tracks = index.tracks[begin:end].flatten()
        held = tracks[tracks != NO_TRACK].long()
        assert torch.equal(held, torch.nonzero(lists == number)[:, 0])
        ways = (index.steps[begin:end, None] * index.codes[begin:end]).transpose(1, 2).flatten(0, 1)[: len(held)]
        errors = (index.centroids[number] + ways - items[held]).norm(dim=1)
        assert (errors < 0.02).all()
    assert index.tracks.shape[1] == BLOCK


def test_an_index_of_other_tracks_is_refused(index: TrackIndex, items: Tensor) -> None:
    with pytest.raises(ValueError, match="each of the 999 tracks once"):
        index.check(items[1:])
    with pytest.raises(ValueError, match="other item vectors"):
        index.check(items.flip(0))
    with pytest.raises(ValueError, match="centroids of the index is"):
        index.check(items[:, 1:])


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [("tracks", (0, 0), 5000), ("tracks", (0, 1), 0), ("starts", (1,), 99), ("steps", (0, 0), torch.nan)],
)
def test_an_index_that_would_read_what_is_not_there_is_refused(
    index: TrackIndex, items: Tensor, name: str, place: tuple[int, ...], value: float
) -> None:
    broken = getattr(index, name).clone()
    broken[place] = value

    with pytest.raises(ValueError, match="index"):
        index._replace(**{name: broken}).check(items)
