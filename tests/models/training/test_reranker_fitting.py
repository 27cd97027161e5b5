from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.config import NetworkConfig, RerankerConfig, RerankerTraining
from models.networks.network import TasteNetwork
from models.plays.catalogue import FIRST_TRACK
from models.plays.split import Plays, Split, split_plays
from models.serving.recommender import Recommender
from models.serving.step import step
from models.serving.step_input import StepInput
from models.training.loop import Progress
from models.training.reranker_counts import counted_reranker
from models.training.reranker_fitting import _log_softmax, _newest, fit_reranker

NUM_TRACKS = 40
SIZES = RerankerConfig(num_first_stage=12, num_counted=6, num_neighbours=8, hidden_units=8)
TRAINING = RerankerTraining(epochs=6, batch_anchors=16, learning_rate=0.03, long_term_stride=1)


def walks(num_listeners: int = 30, num_plays: int = 40) -> Split:
    """Listeners who go to the next track or, one time in ten, anywhere: counts predict it, an untrained network not."""
    rng = np.random.default_rng(0)
    tracks = np.empty((num_listeners, num_plays), np.int64)
    tracks[:, 0] = rng.integers(0, NUM_TRACKS, num_listeners)
    for play in range(1, num_plays):
        lost = rng.random(num_listeners) < 0.1
        tracks[:, play] = np.where(
            lost, rng.integers(0, NUM_TRACKS, num_listeners), (tracks[:, play - 1] + 1) % NUM_TRACKS
        )
    times_ms = 1_400_000_000_000 + 200_000 * np.arange(num_plays) + rng.integers(0, 1000, tracks.shape)
    listeners = np.repeat(np.arange(num_listeners), num_plays)
    names = [f"t{track}" for track in range(NUM_TRACKS)]
    return split_plays(Plays(listeners, tracks.ravel(), names, times_ms.ravel()))


@pytest.fixture(scope="module")
def split() -> Split:
    return walks()


def untrained_network(num_tracks: int) -> TasteNetwork:
    torch.manual_seed(1)
    network = TasteNetwork(NetworkConfig(embedding_size=8, hidden_size=8), num_tracks).eval()
    return network.requires_grad_(requires_grad=False)


def untrained(split: Split) -> Recommender:
    network = untrained_network(len(split.catalogue))
    reranker = counted_reranker(split.training_histories()[0], split.catalogue, network.config, SIZES)
    return Recommender(network, split.catalogue, reranker)


def hit_rate(recommender: Recommender, split: Split) -> float:
    """Compute the hit rate of the first place, at the test part's anchors."""
    anchors = split.anchors("test")
    step_input = StepInput.from_nothing(split.histories, anchors, num_hidden=recommender.network.config.hidden_size)
    output = step(recommender, step_input, sizes=(1, 1))
    return float((output.ranked[0].rows[:, 0] == split.rows[anchors + 1]).mean())


def test_a_second_stage_learns_to_trust_the_counts_where_the_first_knows_nothing(split: Split) -> None:
    recommender = untrained(split)
    before = hit_rate(recommender, split)

    fitted = fit_reranker(recommender, split, TRAINING)

    assert before < 0.2
    assert hit_rate(replace(recommender, reranker=fitted), split) > 0.75


def test_the_same_seed_gives_the_same_weights_and_leaves_the_counts_alone(split: Split) -> None:
    counts = untrained(split).reranker
    first, second = (fit_reranker(untrained(split), split, TRAINING) for _ in range(2))

    assert counts is not None
    for name, weights in first.state_dict().items():
        assert torch.equal(weights, second.state_dict()[name])
    assert torch.equal(first.sources.followers.weights, counts.sources.followers.weights)
    assert not first.first_layer.weight.requires_grad


def test_a_fit_reports_its_progress_and_ends_where_it_is_stopped(split: Split) -> None:
    reports: list[Progress] = []

    def stop_in_the_second_epoch(progress: Progress) -> None:
        reports.append(progress)
        if progress.epoch == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit_reranker(untrained(split), split, TRAINING, stop_in_the_second_epoch)

    num_asked = len(split.anchors("validation"))
    assert (reports[0].epoch, reports[0].batch, reports[0].num_batches) == (0, num_asked, num_asked)
    assert [progress.batch for progress in reports[1:-1]] == list(range(1, reports[1].num_batches + 1))
    assert {(progress.stage, progress.num_epochs) for progress in reports} == {("second stage", TRAINING.epochs)}


def test_the_newest_anchors_are_used(split: Split) -> None:
    newest = _newest(split, split.anchors("validation"), 40)

    next_at_ms = split.histories.played_at_ms[split.anchors("validation") + 1]
    assert (split.histories.played_at_ms[newest + 1] >= np.sort(next_at_ms)[-40]).all()
    assert len(newest) == 40
    assert (np.diff(newest) > 0).all()


def test_counts_are_those_of_the_plays_before_t1(split: Split) -> None:
    reranker = untrained(split).reranker
    assert reranker is not None

    train = split.histories.played_at_ms < split.t1_ms
    counts = np.bincount(split.rows[train] - FIRST_TRACK, minlength=NUM_TRACKS) + 0.5
    np.testing.assert_allclose(reranker.sources.log_popularity.exp(), counts / counts.sum(), rtol=1e-5)
    followers = reranker.sources.followers.rows(torch.arange(NUM_TRACKS), 1)[0]
    assert (followers[:, 0] == (torch.arange(NUM_TRACKS) + 1) % NUM_TRACKS).float().mean() > 0.9


def test_a_validation_part_without_anchors_is_an_error() -> None:
    split = walks(num_listeners=2, num_plays=10)
    tracks, names = split.rows - FIRST_TRACK, split.catalogue.track_ids
    columns = Plays(split.histories.listeners(), tracks, names, split.histories.played_at_ms)
    silent = split_plays(columns, t1_ms=split.t2_ms, t2_ms=split.t2_ms)

    with pytest.raises(ValueError, match="nothing to fit"):
        fit_reranker(untrained(silent), silent, TRAINING)


def test_scores_are_normalised_within_an_anchor() -> None:
    scores, anchors = torch.randn(7, 2) * 30, torch.tensor([0, 0, 0, 1, 2, 2, 2])

    logs = _log_softmax(scores, anchors, 3)

    expected = torch.cat([part.log_softmax(0) for part in torch.split(scores, [3, 1, 3])])
    torch.testing.assert_close(logs, expected)
