from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from models.config import NetworkConfig, TrainingConfig
from models.plays.catalogue import UNKNOWN, Catalogue, track_keys
from models.plays.histories import Histories
from models.training.criterion import SampledCriterion
from models.training.shards import (
    EarlierShards,
    Questions,
    Shard,
    ShardSentences,
    newest_plays,
    occurring_tracks,
    sha256_of,
    survey_of,
)

CONFIG = TrainingConfig(batch_plays=64, max_full_softmax_tracks=1)


@pytest.fixture(scope="module")
def whole(draw_histories: Callable[..., Histories]) -> Histories:
    return draw_histories(3, num_listeners=8)


@pytest.fixture(scope="module")
def halves(whole: Histories) -> list[Shard]:
    return [Shard(whole.of(np.arange(4))), Shard(whole.of(np.arange(4, 8)))]


def test_the_statistics_of_shards_are_those_of_all_plays(
    whole: Histories, halves: list[Shard], catalogue: Catalogue
) -> None:
    of_all, of_halves = survey_of([Shard(whole)], catalogue, CONFIG), survey_of(halves, catalogue, CONFIG)

    assert of_halves.num_plays == of_all.num_plays == whole.num_plays
    assert of_halves.track_counts.tolist() == of_all.track_counts.tolist()
    assert of_all.plays_sha256 == sha256_of([Shard(whole)]) != of_halves.plays_sha256 == sha256_of(halves)


def test_negatives_are_drawn_as_popular_as_they_are_among_all_plays(halves: list[Shard], catalogue: Catalogue) -> None:
    survey = survey_of(halves, catalogue, CONFIG)
    questions = Questions(halves, catalogue, (NetworkConfig(), CONFIG), survey)

    criteria = [questions.of(number)[1] for number in (0, 1)]
    first, second = (each.popularity.frequencies for each in criteria if isinstance(each, SampledCriterion))

    assert first.tolist() == pytest.approx((survey.track_counts**0.5 / (survey.track_counts**0.5).sum()).tolist())
    assert first.tolist() == second.tolist()


def test_sessions_the_source_knows_are_those_of_the_sentences(whole: Histories, catalogue: Catalogue) -> None:
    sessions = np.arange(whole.num_plays) // 3

    ((rows, of_rows),) = ShardSentences([[Shard(whole, sessions)]], catalogue, NetworkConfig())

    known = catalogue.rows(whole.track_keys) > 1
    assert rows.tolist() == catalogue.rows(whole.track_keys)[known].tolist()
    assert of_rows.tolist() == sessions[known].tolist()


def test_earlier_shards_hold_the_plays_before_a_time_and_their_listeners(whole: Histories, halves: list[Shard]) -> None:
    end_ms = int(np.median(whole.played_at_ms))

    earlier = EarlierShards(halves, end_ms)

    assert len(earlier) == 2
    kept = whole.played_at_ms < end_ms
    assert np.concatenate([shard.histories.track_keys for shard in earlier]).tolist() == whole.track_keys[kept].tolist()
    num_listeners = len(np.unique(whole.listeners()[kept]))
    assert sum(shard.histories.num_listeners for shard in earlier) == num_listeners < whole.num_listeners


def test_sessions_are_cut_with_their_plays(whole: Histories) -> None:
    end_ms = int(np.median(whole.played_at_ms))

    cut = Shard(whole, np.arange(whole.num_plays)).before(end_ms)

    assert cut.sessions is not None
    assert cut.sessions.tolist() == np.flatnonzero(whole.played_at_ms < end_ms).tolist()


@pytest.mark.parametrize("num_plays", [1, 90, 10_000])
def test_the_newest_plays_are_those_of_all_shards(
    whole: Histories, halves: list[Shard], catalogue: Catalogue, num_plays: int
) -> None:
    plays = newest_plays(halves, catalogue, num_plays)

    oldest = np.sort(whole.played_at_ms)[-min(num_plays, whole.num_plays)]
    kept = (whole.played_at_ms >= oldest) & (catalogue.rows(whole.track_keys) != UNKNOWN)
    assert plays.played_at_ms.tolist() == whole.played_at_ms[kept].tolist()
    assert track_keys(plays.track_ids)[plays.tracks].tolist() == whole.track_keys[kept].tolist()
    assert plays.listeners.tolist() == whole.listeners()[kept].tolist()


def test_tracks_without_plays_do_not_occur(halves: list[Shard], catalogue: Catalogue) -> None:
    known = Catalogue([*catalogue.track_ids, "never played"])

    assert list(occurring_tracks(halves, known).track_ids) == list(catalogue.track_ids)
    with pytest.raises(ValueError, match="no listener plays a catalogue track"):
        occurring_tracks(halves, Catalogue(["never played"]))
