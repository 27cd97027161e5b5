from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.config import RING_SIZE
from models.plays.catalogue import FIRST_TRACK, Catalogue
from models.plays.histories import Histories
from models.serving.leaving_out import leave_out
from models.serving.recommender import Recommender
from tests.builders import tiny_network

NUM_LISTENERS = 8


@pytest.mark.parametrize(("embedding", "hidden"), [(4, 6), (64, 128)])
def test_what_a_cpu_computes_at_once_is_what_the_network_computes_of_each_listener(
    embedding: int, hidden: int, catalogue: Catalogue, draw_histories: Callable[..., Histories]
) -> None:
    network = tiny_network(num_tracks=len(catalogue), embedding_size=embedding, hidden_size=hidden)
    compiled, plain = Recommender(network, catalogue), replace(Recommender(network, catalogue))
    vars(plain)["compiled_network"] = None
    histories, tracks = draw_histories(11, num_listeners=NUM_LISTENERS), np.array([0, 3, 4, 17, 29])

    for listener in range(NUM_LISTENERS):
        ring = histories.remembered(histories.bounds[listener + 1 : listener + 2] - 1)
        losses, expected = leave_out(compiled, ring, tracks), leave_out(plain, ring, tracks)

        np.testing.assert_array_equal(losses.rows, expected.rows)
        np.testing.assert_array_equal(losses.plays_ago, expected.plays_ago)
        np.testing.assert_allclose(losses.of_scores, expected.of_scores, atol=1e-5)
        assert np.abs(losses.of_scores).max() > 1e-3


def test_each_known_track_is_left_out_the_latest_first(
    reranked: Recommender, draw_histories: Callable[..., Histories]
) -> None:
    histories = draw_histories(12, num_listeners=1)
    ring = histories.remembered(histories.bounds[1:] - 1)

    losses = leave_out(reranked, ring, np.array([1, 2]))

    rows = reranked.catalogue.rows(ring.track_keys)[::-1].tolist()
    known = [row for row in dict.fromkeys(rows) if row >= FIRST_TRACK]
    assert (losses.rows.tolist(), losses.plays_ago.tolist()) == (known, [rows.index(row) for row in known])
    assert len(rows) == RING_SIZE


def test_without_a_known_play_nothing_is_left_out_and_without_the_only_one_nothing_is_left(
    reranked: Recommender, draw_histories: Callable[..., Histories]
) -> None:
    histories, rows = draw_histories(13), reranked.catalogue.rows(draw_histories(13).track_keys)
    is_known = rows >= FIRST_TRACK
    unknown, only = (_only(histories, np.flatnonzero(marks)[:1]) for marks in (~is_known, is_known))

    losses, of_only = (leave_out(reranked, ring, np.array([1, 2])) for ring in (unknown, only))

    assert losses.of_scores.shape == (2, 0, 2)
    assert of_only.of_scores.shape == (2, 1, 2)
    assert (of_only.of_scores != 0).all()


def _only(histories: Histories, plays: NDArray[np.int64]) -> Histories:
    return Histories(
        np.array([0, len(plays)]), histories.track_keys[plays], histories.played_at_ms[plays],
        histories.contexts[plays], histories.repeats[plays],
    )  # fmt: skip
