from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import exp, expm1, log

import numpy as np
import pytest
import torch

from models.analysis.gru4rec import Gru4Rec, Gru4RecConfig
from models.analysis.gru4rec_training import (
    Epoch,
    _Training,
    bpr_max,
    cross_entropy,
    fit_gru4rec,
    session_parallel_batches,
)
from models.plays.split import Plays, Split, split_plays

TINY = Gru4RecConfig(num_units=16, batch_size=16, num_samples=8, epochs=8, learning_rate=0.3)
BRIEF = replace(TINY, epochs=2)


@pytest.fixture(scope="module")
def split() -> Split:
    """Sessions that walk round a circle of twelve tracks, each starting at a random place."""
    rng = np.random.default_rng(1)
    listeners, tracks, times_s = [], [], []
    for listener in range(16):
        for session in range(5):
            first = rng.integers(0, 12)
            for play in range(5 + (listener + session) % 7):
                listeners.append(listener)
                tracks.append((first + play) % 12)
                times_s.append(session * 86_400 + play * 200 + listener)
    ids = [f"t{number}" for number in range(12)]
    return split_plays(Plays(np.array(listeners), np.array(tracks), ids, np.array(times_s) * 1000))


def random_scores() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32))


def test_cross_entropy_follows_its_definition() -> None:
    scores, log_expected = random_scores(), torch.linspace(-2, 1, 7)

    loss = cross_entropy(scores, log_expected)

    rows = (scores - log_expected).tolist()
    expected = [-log(exp(row[place]) / sum(map(exp, row))) for place, row in enumerate(rows)]
    assert float(loss) == pytest.approx(sum(expected) / 3, rel=1e-5)


@pytest.mark.parametrize("elu", [0.0, 0.5])
def test_bpr_max_follows_its_definition(elu: float) -> None:
    scores = random_scores()

    loss = bpr_max(scores, elu=elu, regularisation=0.7)

    losses = []
    for place, row in enumerate(scores.tolist()):
        activated = [score if score > 0 or not elu else elu * expm1(score) for score in row]
        target = activated[place]
        negatives = [score for other, score in enumerate(activated) if other != place]
        total = sum(map(exp, negatives))
        shares = [exp(score) / total for score in negatives]
        above = sum(share / (1 + exp(score - target)) for share, score in zip(shares, negatives, strict=True))
        losses.append(-log(above) + 0.7 * sum(s * r**2 for s, r in zip(shares, negatives, strict=True)))
    assert float(loss) == pytest.approx(sum(losses) / 3, rel=1e-5)


def test_a_track_is_expected_as_a_target_and_as_a_sample(split: Split) -> None:
    config = Gru4RecConfig(num_samples=50, sample_exponent=0.5)
    counts = np.bincount(split.rows[split.histories.played_at_ms < split.t1_ms] - 2)

    expected = _Training.of(Gru4Rec(config, 12), split).expected(np.arange(12), num_targets=8)

    np.testing.assert_allclose(expected, 8 * counts / counts.sum() + 50 * counts**0.5 / (counts**0.5).sum())


def test_every_play_but_the_last_of_a_sequence_is_read_once_with_its_own_state() -> None:
    bounds = np.array([0, 4, 6, 9, 11, 16])
    states, seen = np.empty(0, np.int64), []

    for batch in session_parallel_batches(bounds, np.array([3, 0, 4, 1, 2]), 2):
        states = np.where(batch.fresh, -1, states[batch.previous] if len(states) else -1)
        assert len(batch.plays) <= 2
        for play, before in zip(batch.plays.tolist(), states.tolist(), strict=True):
            assert before == (-1 if play in bounds else play - 1)  # the state is that of the play before
            seen.append(play)
        states = batch.plays

    assert sorted(seen) == [0, 1, 2, 4, 6, 7, 9, 11, 12, 13, 14]


def test_sequences_take_lanes_as_drawn() -> None:
    names = np.array(["a0", "a1", "a2", "b0", "b1", "c0", "c1", "c2", "c3", "d0", "d1"])

    batches = list(session_parallel_batches(np.array([0, 3, 5, 9, 11]), np.arange(4), 3))

    assert [names[batch.plays].tolist() for batch in batches] == [["a0", "b0", "c0"], ["a1", "d0", "c1"], ["c2"]]
    assert [batch.previous.tolist() for batch in batches] == [[0, 1, 2], [0, 1, 2], [2]]
    assert [batch.fresh.tolist() for batch in batches] == [[True] * 3, [False, True, False], [False]]


def test_the_loss_of_an_epoch_comes_from_states_that_start_from_zero(split: Split) -> None:
    num = split.histories.num_listeners
    config = Gru4RecConfig(
        sequences="listener", num_units=8, num_samples=0, batch_size=num, learning_rate=0.0, epochs=1
    )
    losses: list[float] = []

    model = fit_gru4rec(split, config, progress=lambda epoch: losses.append(epoch.loss))

    histories, _ = split.training_histories()
    tracks, bounds = split.catalogue.rows(histories.track_keys) - 2, histories.bounds
    assert len(set(np.diff(bounds).tolist())) > 1  # some end before others
    total = 0.0
    with torch.no_grad():
        scores = model.states(tracks, bounds) @ model.outputs.T + model.biases
    for step in range(int(np.diff(bounds).max()) - 1):
        plays = bounds[:-1][np.diff(bounds) > step + 1] + step
        total += len(plays) * float(cross_entropy(scores[plays][:, tracks[plays + 1]], torch.zeros(len(plays))))
    assert losses[0] == pytest.approx(total / (np.diff(bounds) - 1).sum(), rel=1e-5)


def test_states_start_each_sequence_from_zero() -> None:
    model = Gru4Rec(TINY, 12).eval()
    tracks, bounds = np.array([3, 1, 4, 1, 5, 9]), np.array([0, 2, 2, 5, 6])

    with torch.no_grad():
        states = model.states(tracks, bounds)

        for begin, end in pairwise(bounds.tolist()):
            hidden = torch.zeros(1, TINY.num_units)
            for play in range(begin, end):
                hidden = model.cell(model.inputs[tracks[[play]]], hidden)
                np.testing.assert_allclose(states[[play]], hidden, atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        pytest.param({"logq": 1.0}, marks=pytest.mark.long),
        pytest.param({"loss": "bpr-max", "elu": 0.5, "regularisation": 0.1}, marks=pytest.mark.long),
        pytest.param({"embedding_size": 10, "momentum": 0.2}, marks=pytest.mark.long),
        pytest.param({"sequences": "listener"}, marks=pytest.mark.long),
        pytest.param({"embedding_dropout": 0.1, "hidden_dropout": 0.1}, marks=pytest.mark.long),
    ],
)
def test_it_learns_to_walk_round_a_circle(split: Split, settings: dict[str, object]) -> None:
    config = Gru4RecConfig(**{name: getattr(TINY, name) for name in TINY.__slots__} | settings)

    lists = fit_gru4rec(split, config).rank(split, split.anchors("test"))

    anchors = split.anchors("test")
    inside = ~split.session_starts[anchors + 1]
    is_hit = lists.short_term[:, 0] == split.rows[anchors + 1]
    assert is_hit[inside].mean() > 0.9
    assert lists.short_term.shape == (len(anchors), 20)
    np.testing.assert_array_equal(lists.short_term, lists.long_term[:, :20])


def test_a_session_forgets_the_one_before_and_a_listener_does_not(split: Split) -> None:
    session, listener = (
        fit_gru4rec(split, Gru4RecConfig(sequences=sequences, num_units=8, num_samples=8, epochs=1))
        for sequences in ("session", "listener")
    )
    begins = np.flatnonzero(split.session_starts)  # states after one play of the session, or after all plays before

    forgetful, mindful = ({tuple(row) for row in model.rank(split, begins).long_term} for model in (session, listener))

    assert len(forgetful) == 12
    assert len(mindful) > 12


def test_only_plays_before_t1_are_learned(split: Split) -> None:
    early = split_plays(
        Plays(
            split.histories.listeners(),
            np.where(split.histories.played_at_ms < split.t1_ms, split.rows - 2, 0),
            split.catalogue.track_ids,
            split.histories.played_at_ms,
        ),
        t1_ms=split.t1_ms,
        t2_ms=split.t2_ms,
    )

    weights, weights_of_early = (fit_gru4rec(each, BRIEF).state_dict() for each in (split, early))

    assert all(torch.equal(weights[name], weights_of_early[name]) for name in weights)


def test_epochs_are_reported_and_a_seed_determines_the_model(split: Split) -> None:
    epochs: list[tuple[int, float]] = []

    def record(epoch: Epoch) -> None:
        assert not epoch.model.training
        epochs.append((epoch.number, epoch.loss))

    first, second = fit_gru4rec(split, BRIEF, progress=record), fit_gru4rec(split, BRIEF)

    assert [number for number, _ in epochs] == [1, 2]
    assert epochs[-1][1] < epochs[0][1]
    assert all(torch.equal(weights, second.state_dict()[name]) for name, weights in first.state_dict().items())


def test_a_learning_rate_that_diverges_is_rejected(split: Split) -> None:
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        fit_gru4rec(split, Gru4RecConfig(num_units=8, num_samples=8, learning_rate=1e38, epochs=2))
