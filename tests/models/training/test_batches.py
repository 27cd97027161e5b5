from __future__ import annotations

import numpy as np

from models.plays.histories import bounds_of
from models.training.batches import cut_pieces, draw_batches


def test_long_histories_are_cut_and_every_play_but_the_last_is_in_a_piece() -> None:
    pieces = cut_pieces(bounds_of(np.array([1, 0, 600, 257])), 256)

    assert pieces.begins.tolist() == [1, 257, 513, 601]
    assert pieces.ends.tolist() == [257, 513, 600, 857]
    assert pieces.limits.tolist() == [601, 601, 601, 858]


def test_an_epoch_uses_every_piece_once_in_batches_of_about_the_same_number_of_plays() -> None:
    pieces = cut_pieces(bounds_of(np.random.default_rng(0).integers(2, 90, 300)), 40)

    batches = draw_batches(pieces, 200, np.random.default_rng(1))

    assert sorted(np.concatenate([batch.begins for batch in batches])) == sorted(pieces.begins)
    assert max((batch.ends - batch.begins).sum() for batch in batches) <= 200 * 1.2


def test_batches_differ_from_epoch_to_epoch() -> None:
    pieces = cut_pieces(bounds_of(np.full(100, 10)), 40)
    rng = np.random.default_rng(1)

    first, second = (draw_batches(pieces, 50, rng) for _ in range(2))

    assert [batch.begins.tolist() for batch in first] != [batch.begins.tolist() for batch in second]


def test_single_plays_make_no_batch() -> None:
    pieces = cut_pieces(bounds_of(np.array([1, 0, 1])), 40)

    assert draw_batches(pieces, 200, np.random.default_rng(1)) == []
