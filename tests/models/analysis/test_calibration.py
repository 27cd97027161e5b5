from __future__ import annotations

import numpy as np
import pytest

from models.analysis.calibration import calibrate
from models.evaluation.protocol import evaluate, rank_anchors
from models.networks.network import TasteNetwork
from models.plays.catalogue import Catalogue
from models.plays.split import Plays, Split, split_plays
from models.serving.recommender import Recommender
from models.serving.step import step
from models.serving.step_input import StepInput


@pytest.fixture(scope="module")
def split() -> Split:
    rng = np.random.default_rng(2)
    ids = [f"t{number}" for number in range(30)]
    return split_plays(Plays(rng.integers(0, 9, 900), rng.integers(0, 30, 900), ids, np.arange(900) * 60_000))


def test_bins_hold_the_anchors_and_their_hits(split: Split, network: TasteNetwork, catalogue: Catalogue) -> None:
    recommender = Recommender(network, catalogue)

    bins = calibrate(recommender, split, "test")

    hit_rate = evaluate(split, "test", rank_anchors(recommender, split, "test")).groups["short-term/all"]
    num_anchors = sum(each.num_anchors for each in bins)
    assert num_anchors == hit_rate.num_anchors
    mean = sum(each.hit_rate.mean * each.num_anchors for each in bins) / num_anchors
    assert mean == pytest.approx(hit_rate.metrics["HR@20"].mean)
    assert [each.probability for each in bins] == sorted(each.probability for each in bins)


def test_a_probability_is_the_softmax_of_the_logits_over_the_list(
    split: Split, network: TasteNetwork, catalogue: Catalogue
) -> None:
    bins = calibrate(Recommender(network, catalogue), split, "test", max_anchors=1)

    anchor = split.anchors("test")[:1]
    step_input = StepInput.from_nothing(split.histories, anchor, num_hidden=16)
    scores = step(Recommender(network, catalogue), step_input, sizes=(30, 1)).ranked[0].scores[0]
    exponentials = np.exp(float(network.temperature.detach()) * scores.astype(float))
    assert bins[0].probability == pytest.approx(exponentials[:20].sum() / exponentials.sum(), rel=1e-4)


def test_a_maximum_of_anchors_is_spread_evenly(split: Split, network: TasteNetwork, catalogue: Catalogue) -> None:
    bins = calibrate(Recommender(network, catalogue), split, "test", max_anchors=20)

    assert 10 <= sum(each.num_anchors for each in bins) <= 20
