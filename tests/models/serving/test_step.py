from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.config import RING_SIZE
from models.networks.network import Network, TasteNetwork
from models.plays.catalogue import FIRST_TRACK, PAD, UNKNOWN, Catalogue, track_keys
from models.plays.counts import CountMaps
from models.plays.features import known_plays, play_features
from models.plays.histories import Histories, bounds_of, gather_histories
from models.serving.recommender import Recommender
from models.serving.step import StepOutput, step
from models.serving.step_input import StepInput
from tests.amount import examples
from tests.counting import counts_by_key

TOLERANCE = 1e-5
SCORE_TOLERANCE = 1e-3  # 20 times a cosine, which magnifies the rounding of a taste vector far shorter than 1


def between(begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return np.concatenate([np.arange(begin, end) for begin, end in zip(begins, ends, strict=True)])


def whole(network: Network, catalogue: Catalogue, histories: Histories) -> StepOutput:
    anchors, num_hidden = np.arange(histories.num_plays), network.config.hidden_size
    step_input = StepInput.from_nothing(histories, anchors, num_hidden=num_hidden)
    return step(Recommender(network, catalogue), step_input, sizes=(5, 8))


def remembered(histories: Histories, done: np.ndarray, until: np.ndarray) -> tuple[Histories, np.ndarray, np.ndarray]:
    """What a worker would hold: the ring, then the plays done..until; with fold_from and the new plays."""
    first = histories.bounds[:-1] + np.maximum(done - RING_SIZE, 0)
    last = histories.bounds[:-1] + until
    plays = between(first, last)
    fold_from = np.minimum(done, RING_SIZE)
    columns = (histories.track_keys, histories.played_at_ms, histories.contexts, histories.repeats)
    part = Histories(bounds_of(last - first), *(column[plays] for column in columns))
    return part, fold_from, between(part.bounds[:-1] + fold_from, part.bounds[1:])


def splits(histories: Histories, rng: np.random.Generator, sizes: list[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Split every listener's plays into rounds of random sizes."""
    lengths = np.diff(histories.bounds)
    done = np.zeros_like(lengths)
    while (done < lengths).any():
        until = np.minimum(done + rng.choice(sizes, len(lengths)), lengths)
        yield done, until
        done = until


def step_by_step(
    recommender: Recommender, histories: Histories, seed: int, cuts: list[int]
) -> tuple[np.ndarray, CountMaps, np.ndarray]:
    """Step through histories as a worker would: the last states and counts, and the long-term scores of each play."""
    hidden = np.zeros((histories.num_listeners, recommender.network.config.hidden_size), np.float32)
    counts = CountMaps.empty(histories.num_listeners)
    scores = np.zeros((histories.num_plays, 8), np.float32)
    for done, until in splits(histories, np.random.default_rng(seed), [*cuts, 7]):
        part, fold_from, new = remembered(histories, done, until)
        output = step(recommender, StepInput(hidden, part, fold_from, counts, fold_from, new), sizes=(5, 8))
        hidden, counts = output.hidden, output.counts
        scores[between(histories.bounds[:-1] + done, histories.bounds[:-1] + until)] = output.ranked[1].scores
    return hidden, counts, scores


@example(seed=217, cuts=[1, 40])  # a short taste vector: scores differ by 1.05e-5
@settings(max_examples=examples(5), deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.sampled_from([0, 1, 3, 40, 90]), min_size=1, max_size=12))
def test_any_split_of_the_histories_gives_the_states_and_scores_of_one_fold(
    seed: int,
    cuts: list[int],
    any_network: Network,
    catalogue: Catalogue,
    draw_histories: Callable[..., Histories],
) -> None:
    histories = draw_histories(seed)
    expected = whole(any_network, catalogue, histories)

    hidden, counts, scores = step_by_step(Recommender(any_network, catalogue), histories, seed, cuts)

    np.testing.assert_allclose(hidden, expected.hidden, atol=TOLERANCE)
    np.testing.assert_allclose(scores, expected.ranked[1].scores, atol=SCORE_TOLERANCE)
    np.testing.assert_array_equal(counts.track_keys, expected.counts.track_keys)
    np.testing.assert_array_equal(counts.counts, expected.counts.counts)


@settings(max_examples=examples(8), deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.sampled_from([0, 1, 3, 40, 90]), min_size=1, max_size=12))
def test_any_split_of_the_histories_gives_the_scores_of_one_fold_with_a_second_stage_too(
    seed: int, cuts: list[int], reranked: Recommender, draw_histories: Callable[..., Histories]
) -> None:
    histories = draw_histories(seed)
    everywhere = StepInput.from_nothing(histories, np.arange(histories.num_plays), num_hidden=16)
    expected = step(reranked, everywhere, sizes=(5, 8))

    _, _, scores = step_by_step(reranked, histories, seed, cuts)

    np.testing.assert_allclose(scores, expected.ranked[1].scores, atol=SCORE_TOLERANCE)


@settings(max_examples=examples(3), deadline=None)
@given(seed=st.integers(0, 1000), order=st.permutations(range(4)))
def test_neighbours_and_order_of_listeners_change_nothing(
    seed: int,
    order: list[int],
    any_network: Network,
    catalogue: Catalogue,
    draw_histories: Callable[..., Histories],
) -> None:
    histories = draw_histories(seed)
    expected = whole(any_network, catalogue, histories)
    alone = order[0]

    shuffled = whole(any_network, catalogue, histories.of(np.array(order)))
    single = whole(any_network, catalogue, histories.of(np.array([alone])))

    np.testing.assert_allclose(shuffled.hidden, expected.hidden[order], atol=TOLERANCE)
    np.testing.assert_allclose(single.hidden[0], expected.hidden[alone], atol=TOLERANCE)
    plays = slice(histories.bounds[alone], histories.bounds[alone + 1])
    np.testing.assert_allclose(single.ranked[0].scores, expected.ranked[0].scores[plays], atol=SCORE_TOLERANCE)


def test_the_forward_over_padded_whole_histories_gives_the_states_of_steps(
    any_network: Network, catalogue: Catalogue, draw_histories: Callable[..., Histories]
) -> None:
    histories = draw_histories(3)
    known = known_plays(histories, catalogue, any_network.config)
    lengths = np.diff(known.bounds)
    plays = np.minimum(known.bounds[:-1, None] + np.arange(lengths.max()), known.bounds[1:, None] - 1)

    states = any_network.recur(
        torch.from_numpy(known.rows[plays]),
        torch.from_numpy(play_features(known, plays, any_network.config)),
        torch.zeros(len(plays), any_network.config.hidden_size),
    )

    stepped = whole(any_network, catalogue, histories).hidden
    np.testing.assert_allclose(states[np.arange(len(plays)), lengths - 1], stepped, atol=TOLERANCE)


def test_unknown_plays_leave_the_state_unchanged_are_counted_and_get_an_answer(
    network: TasteNetwork, catalogue: Catalogue
) -> None:
    histories = gather_histories(np.zeros(3, np.int64), track_keys(["x", "y", "x"]), np.arange(3))
    from_nothing = StepInput.from_nothing(histories, np.array([0, 2]), num_hidden=16)
    hidden = np.full((1, 16), 0.5, np.float32)

    output = step(Recommender(network, catalogue), replace(from_nothing, hidden=hidden))

    np.testing.assert_array_equal(output.hidden, hidden)
    counts = counts_by_key(output.counts.track_keys[0], output.counts.counts[0])
    assert counts.keys() == set(histories.track_keys.tolist())
    assert (output.ranked[0].rows != PAD).all()


def test_a_step_may_have_nothing_to_fold_and_no_anchors(network: TasteNetwork, catalogue: Catalogue) -> None:
    nothing = gather_histories(np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.int64))
    idle = replace(nothing, bounds=np.array([0, 0]))
    from_nothing = StepInput.from_nothing(idle, np.zeros(0, np.int64), num_hidden=16)
    hidden = np.ones((1, 16), np.float32)

    output = step(Recommender(network, catalogue), replace(from_nothing, hidden=hidden))

    np.testing.assert_array_equal(output.hidden, hidden)
    assert output.ranked[0].rows.shape == (0, 20)
    assert output.ranked[1].rows.shape == (0, 50)


def test_read_only_states_are_copied_not_changed(
    network: TasteNetwork, catalogue: Catalogue, draw_histories: Callable[..., Histories]
) -> None:
    histories = draw_histories(1, num_listeners=1, num_plays=9)
    step_input = StepInput.from_nothing(histories, np.array([8]), num_hidden=16)
    step_input.hidden.flags.writeable = False

    output = step(Recommender(network, catalogue), step_input)

    assert output.hidden.any()
    assert not step_input.hidden.any()


def test_heard_tracks_are_left_out_of_the_lists_they_are_masked_in(
    network: TasteNetwork, catalogue: Catalogue, draw_histories: Callable[..., Histories]
) -> None:
    histories = draw_histories(5, num_listeners=1, num_plays=90)

    step_input = StepInput.from_nothing(histories, np.array([89]), num_hidden=16)
    output = step(Recommender(network, catalogue), step_input, sizes=(30, 30), heard_masked=(0, 10))

    heard = set(catalogue.rows(histories.track_keys[80:])) - {UNKNOWN}
    assert set(output.ranked[0].rows[0]) == set(range(FIRST_TRACK, FIRST_TRACK + 30))
    assert set(output.ranked[1].rows[0]) == set(output.ranked[0].rows[0]) - heard | {PAD}


def test_an_anchor_whose_state_is_gone_is_rejected(
    network: TasteNetwork, catalogue: Catalogue, draw_histories: Callable[..., Histories]
) -> None:
    histories = draw_histories(5, num_listeners=1, num_plays=90)

    step_input = StepInput.from_nothing(histories, np.array([48]), num_hidden=16)

    with pytest.raises(ValueError, match="anchor 48 of listener 0"):
        step(Recommender(network, catalogue), replace(step_input, fold_from=np.array([50])))
