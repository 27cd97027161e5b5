from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from models.config import RING_SIZE
from models.evaluation.baselines import BASELINES
from models.evaluation.protocol import compare, evaluate, rank_anchors, rank_anchors_as_served, rank_anchors_rebuilt
from models.networks.network import TasteNetwork
from models.plays.catalogue import PAD, Catalogue
from models.plays.counts import CountMaps
from models.plays.histories import Histories
from models.plays.split import Lists, Plays, Split, long_term_truths, split_plays
from models.serving.recommender import Recommender
from models.serving.step import step
from models.serving.step_input import StepInput

REAL_PLAYS = Path(__file__).parents[3] / "shared/data/30music-s10/events.parquet"


@pytest.fixture(scope="module")
def split() -> Split:
    """Forty listeners of the same 30 tracks, and two tracks that appear after T1."""
    rng = np.random.default_rng(0)
    tracks = rng.integers(0, 30, 4000)
    tracks[3300::10] = 30 + rng.integers(0, 2, 70)
    ids = [f"t{number}" for number in range(32)]
    return split_plays(Plays(rng.integers(0, 40, 4000), tracks, ids, np.arange(4000) * 600_000))


def lists_of(split: Split, short_term: np.ndarray, long_term: np.ndarray) -> Lists:
    anchors = split.anchors("test")
    full = Lists(np.full((len(anchors), 20), PAD), np.full((len(anchors), 100), PAD))
    full.short_term[:, : short_term.shape[1]] = short_term
    full.long_term[:, : long_term.shape[1]] = long_term
    return full


def targets(split: Split) -> np.ndarray:
    return split.rows[split.anchors("test") + 1]


def test_a_clairvoyant_is_perfect(split: Split) -> None:
    truths = long_term_truths(split, "test", stride=1)
    places = np.searchsorted(split.anchors("test"), truths.anchors)
    weeks = np.full((len(targets(split)), 100), PAD)
    for place, begin, end in zip(places, truths.bounds[:-1], truths.bounds[1:], strict=True):
        weeks[place, : end - begin] = truths.rows[begin:end]

    report = evaluate(split, "test", lists_of(split, targets(split)[:, None], weeks), long_term_stride=1)

    for name in ("HR@20", "MRR@20", "nDCG@10"):
        assert report.groups["short-term/all"].metrics[name].mean == 1
    assert report.groups["long-term/all"].metrics["recall@100"].mean == 1
    assert report.groups["long-term/all"].metrics["nDCG@100"].mean == pytest.approx(1)
    assert report.coverage == 1


def test_the_place_of_a_hit_counts(split: Split) -> None:
    third = np.column_stack([np.full_like(targets(split), PAD)] * 2 + [targets(split)])

    metrics = evaluate(split, "test", lists_of(split, third, third)).groups["short-term/all"].metrics

    assert metrics["MRR@20"].mean == pytest.approx(1 / 3)
    assert metrics["nDCG@10"].mean == pytest.approx(0.5)
    assert metrics["HR@20"].low == metrics["HR@20"].high == 1


def test_a_report_can_be_written_as_json(split: Split) -> None:
    report = evaluate(split, "test", BASELINES["markov"].fit(split).rank(split, "test"))

    fields = json.loads(json.dumps(report.to_dict()))

    mean = fields["groups"]["short-term/all"]["metrics"]["HR@20"]["mean"]
    assert mean == report.groups["short-term/all"].metrics["HR@20"].mean


def test_groups_partition_the_anchors(split: Split) -> None:
    groups = evaluate(split, "test", BASELINES["markov"].fit(split).rank(split, "test")).groups

    every = groups["short-term/all"].num_anchors
    assert groups["short-term/repeat"].num_anchors + groups["short-term/discovery"].num_anchors == every
    assert groups["short-term/in-session"].num_anchors + groups["short-term/session-start"].num_anchors == every


def test_a_comparison_has_the_sign_of_the_better_lists(split: Split) -> None:
    good = lists_of(split, targets(split)[:, None], np.zeros((1, 1)))
    bad = lists_of(split, np.zeros((1, 1)), np.zeros((1, 1)))

    better, worse = compare(split, "test", good, bad), compare(split, "test", bad, good)

    assert better["HR@20"].low == better["MRR@20"].mean == 1
    assert worse["HR@20"].high == -1
    assert better["recall@100"].mean == 0


def test_an_anchor_counts_the_mean_of_its_seeds(split: Split) -> None:
    nothing = lists_of(split, np.zeros((1, 1)), np.zeros((1, 1)))
    everything = lists_of(split, targets(split)[:, None], np.zeros((1, 1)))

    report = evaluate(split, "test", [nothing, everything, nothing, everything])
    difference = compare(split, "test", [nothing, everything], nothing)["HR@20"]

    assert report.groups["short-term/all"].metrics["HR@20"].mean == 0.5
    assert report.groups["short-term/all"].metrics["HR@20"].high == 0.5  # each anchor's own mean is
    assert report.coverage == evaluate(split, "test", everything).coverage / 2
    assert (difference.low, difference.mean, difference.high) == (0.5, 0.5, 0.5)


def test_a_comparison_uses_the_anchors_of_an_evaluation(split: Split) -> None:
    markov = BASELINES["markov"].fit(split).rank(split, "test")
    nothing = lists_of(split, np.zeros((1, 1)), np.zeros((1, 1)))

    groups = evaluate(split, "test", markov, short_term_stride=4, long_term_stride=12).groups
    differences = compare(split, "test", markov, nothing, short_term_stride=4, long_term_stride=12)

    assert differences["HR@20"] == groups["short-term/all"].metrics["HR@20"]
    assert differences["recall@100"] == groups["long-term/all"].metrics["recall@100"]


def test_lists_as_served_are_those_of_a_worker_that_answers_every_play(
    split: Split, network: TasteNetwork, catalogue: Catalogue
) -> None:
    histories = split.served
    streamed = [np.zeros((histories.num_plays, size), np.int64) for size in (20, 100)]
    nothing = np.zeros((1, 16), np.float32), CountMaps.empty(1)
    for listener in range(histories.num_listeners):
        hidden, counts = nothing
        for play in range(histories.bounds[listener], histories.bounds[listener + 1]):
            first = max(histories.bounds[listener], play - RING_SIZE)
            part, bounds = slice(first, play + 1), np.array([0, play + 1 - first])
            ring = Histories(
                bounds, histories.track_keys[part], histories.played_at_ms[part], histories.contexts[part],
                histories.repeats[part],
            )  # fmt: skip
            new = np.array([play - first])
            step_input = StepInput(hidden, ring, new, counts, new, new)
            output = step(Recommender(network, catalogue), step_input, sizes=(20, 100))
            hidden, counts = output.hidden, output.counts
            for lists, ranked in zip(streamed, output.ranked, strict=True):
                lists[play] = ranked.rows[0]
        if listener == 3:
            break

    served = rank_anchors_as_served(Recommender(network, catalogue), split, "test")

    anchors = split.served_anchors("test")
    early = anchors < histories.bounds[4]
    assert early.sum() > 20
    to_rows = np.concatenate([[0, 1], split.catalogue.rows(catalogue.keys)])
    for lists, as_served in zip(streamed, (served.short_term, served.long_term), strict=True):
        np.testing.assert_array_equal(as_served[early], to_rows[lists[anchors[early]]])


def test_without_cold_plays_both_ways_of_ranking_agree(network: TasteNetwork, catalogue: Catalogue) -> None:
    rng = np.random.default_rng(2)
    ids = [f"t{number}" for number in range(30)]
    warm = split_plays(Plays(rng.integers(0, 9, 900), rng.integers(0, 30, 900), ids, np.arange(900) * 60_000))

    protocol = rank_anchors(Recommender(network, catalogue), warm, "validation")
    served = rank_anchors_as_served(Recommender(network, catalogue), warm, "validation")

    np.testing.assert_array_equal(protocol.short_term, served.short_term)


def test_states_rebuilt_from_the_ring_answer_short_histories_as_whole_ones_do(
    network: TasteNetwork, catalogue: Catalogue
) -> None:
    rng = np.random.default_rng(2)
    ids = [f"t{number}" for number in range(30)]
    listeners = np.sort(rng.integers(0, 30, 900) * (rng.random(900) > 0.3))  # one of them plays a lot
    split = split_plays(Plays(listeners, rng.integers(0, 30, 900), ids, rng.permutation(900)))
    recommender = Recommender(network, catalogue)

    rebuilt, whole = rank_anchors_rebuilt(recommender, split, "test"), rank_anchors(recommender, split, "test")

    anchors, listeners = split.anchors("test"), split.histories.listeners()
    is_short = anchors - split.histories.bounds[listeners[anchors]] < RING_SIZE
    assert 0 < is_short.sum() < len(anchors)
    np.testing.assert_array_equal(rebuilt.short_term[is_short], whole.short_term[is_short])


@pytest.mark.slow
@pytest.mark.skipif(not REAL_PLAYS.exists(), reason="the 30Music sample is not beside this checkout")
def test_markov_on_30music_has_the_published_figures() -> None:
    table = pq.read_table(REAL_PLAYS)
    columns = {name: table[name].to_numpy().astype(np.int64) for name in table.column_names}
    tracks, places = np.unique(columns["track"], return_inverse=True)
    ids = [str(track) for track in tracks]
    real = split_plays(Plays(columns["user"], places, ids, columns["ts"] * 1000, sessions=columns["session"]))

    report = evaluate(real, "test", BASELINES["markov"].fit(real).rank(real, "test"))

    assert (len(real.rows), real.histories.num_listeners, len(real.catalogue)) == (342_244, 14_257, 9_957)
    assert report.groups["short-term/all"].num_anchors == 32_712
    assert report.groups["long-term/all"].num_anchors == 7_440
    assert report.groups["short-term/all"].metrics["HR@20"].mean == pytest.approx(0.332, abs=5e-4)
    assert report.groups["short-term/all"].metrics["MRR@20"].mean == pytest.approx(0.258, abs=5e-4)
    assert report.groups["long-term/all"].metrics["recall@100"].mean == pytest.approx(0.168, abs=1e-3)
