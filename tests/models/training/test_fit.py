from __future__ import annotations

import numpy as np
import pytest
import torch

from models.config import NetworkConfig, TrainingConfig
from models.networks.network import Network
from models.plays.catalogue import Catalogue, track_keys
from models.plays.histories import Histories, gather_histories
from models.serving.recommender import Recommender
from models.serving.step import step
from models.serving.step_input import StepInput
from models.training.context import FitContext
from models.training.fit import fit
from models.training.loop import Progress

IDS = [f"t{number}" for number in range(20)]
CATALOGUE = Catalogue(IDS)
SMALL = NetworkConfig(embedding_size=8, hidden_size=16, contexts=())
QUICK = TrainingConfig(epochs=8, batch_plays=128, item_epochs=2)


def rounds(num_listeners: int = 30, num_plays: int = 40, unknown: tuple[int, ...] = ()) -> Histories:
    """All listeners play the tracks in the same circle, each from another start."""
    starts = np.arange(num_listeners)[:, None]
    ids = [*IDS, "unknown"]
    tracks = (starts + np.arange(num_plays)) % len(IDS)
    tracks[:, unknown] = len(IDS)
    times_ms = np.tile(np.arange(num_plays) * 200_000, num_listeners)
    listeners = np.repeat(np.arange(num_listeners), num_plays)
    return gather_histories(listeners, track_keys(ids)[tracks.ravel()], times_ms)


def hit_rate(network: Network, histories: Histories) -> float:
    """Compute how often the circle's next track is ranked first, after every listener's last play."""
    lasts = histories.bounds[1:] - 1
    step_input = StepInput.from_nothing(histories, lasts, num_hidden=network.config.hidden_size)
    ranked = step(Recommender(network, CATALOGUE), step_input, sizes=(1, 1)).ranked[0]
    current = CATALOGUE.rows(histories.track_keys[lasts]) - 2
    return float((ranked.rows[:, 0] - 2 == (current + 1) % len(IDS)).mean())


@pytest.mark.long
@pytest.mark.parametrize("max_full_softmax_tracks", [100, 1])
def test_a_trained_network_knows_what_comes_next(max_full_softmax_tracks: int) -> None:
    config = TrainingConfig(
        epochs=8,
        batch_plays=128,
        item_epochs=2,
        num_negatives=64,
        long_term_weight=0.1,
        max_full_softmax_tracks=max_full_softmax_tracks,
    )

    network = fit(rounds(), CATALOGUE, config, network_config=SMALL)

    assert hit_rate(network, rounds(num_plays=33)) > 0.9
    assert not network.training


def test_training_is_repeatable_and_leaves_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()

    once, again = (fit(rounds(5), CATALOGUE, TrainingConfig(epochs=1), network_config=SMALL) for _ in range(2))

    assert torch.equal(once.embedding.weight, again.embedding.weight)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_progress_is_reported_after_every_pass_and_every_batch() -> None:
    reports: list[Progress] = []

    fit(rounds(10), CATALOGUE, QUICK, network_config=SMALL, context=FitContext(progress=reports.append))

    passes, reports = reports[:2], reports[2:]
    assert [(progress.epoch, progress.batch, progress.num_batches) for progress in passes] == [(0, 1, 2), (0, 2, 2)]
    assert [progress.batch for progress in reports] == list(range(1, reports[0].num_batches + 1)) * 8
    assert {progress.num_epochs for progress in reports} == {8}
    assert reports[-1].loss < reports[0].loss


def test_plays_of_unknown_tracks_are_skipped() -> None:
    network = fit(rounds(10, unknown=(3, 17)), CATALOGUE, QUICK, network_config=SMALL)

    assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())


def test_contexts_that_occur_get_an_input() -> None:
    histories = rounds()
    contexts = (np.arange(histories.num_plays) % 2 * 5).astype(np.uint8)
    mixed = Histories(histories.bounds, histories.track_keys, histories.played_at_ms, contexts, histories.repeats)

    assert fit(mixed, CATALOGUE, TrainingConfig(epochs=1)).config.contexts == ("none", "playlist")
    assert fit(histories, CATALOGUE, TrainingConfig(epochs=1)).config.contexts == ()


def test_nothing_to_learn_from_is_refused() -> None:
    single = gather_histories(np.arange(3), track_keys(IDS[:3]), np.zeros(3, np.int64))

    with pytest.raises(ValueError, match="no listener has two plays of catalogue tracks"):
        fit(single, CATALOGUE, QUICK)


@pytest.mark.long
def test_a_fit_that_starts_from_a_network_knows_more_after_fewer_passes() -> None:
    start = Recommender(fit(rounds(), CATALOGUE, QUICK, network_config=SMALL), CATALOGUE)
    more = Catalogue([*IDS, "unknown"])
    short = TrainingConfig(epochs=1, batch_plays=128)

    warm = fit(rounds(unknown=(3, 17)), more, short, start=start)
    fresh = fit(rounds(unknown=(3, 17)), more, short, network_config=SMALL)

    assert hit_rate(warm, rounds(num_plays=33)) > 0.9 > hit_rate(fresh, rounds(num_plays=33))


def test_a_fit_that_starts_from_a_network_keeps_its_config() -> None:
    start = Recommender(fit(rounds(5), CATALOGUE, TrainingConfig(epochs=1), network_config=SMALL), CATALOGUE)

    assert fit(rounds(5), CATALOGUE, TrainingConfig(epochs=1), start=start).config == SMALL
    with pytest.raises(ValueError, match="needs a fresh fit"):
        fit(rounds(5), CATALOGUE, TrainingConfig(epochs=1), network_config=NetworkConfig(), start=start)
