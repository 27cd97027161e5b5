from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from models.catalogue import Catalogue
from models.config import NetworkConfig, TrainingConfig
from models.histories import Histories
from models.shards import Questions, Sentences, Shard, sha256_of, survey_of

CONFIG = TrainingConfig(batch_plays=64, max_full_softmax_tracks=1)


@pytest.fixture(scope="module")
def whole(draw_histories: Callable[..., Histories]) -> Histories:
    return draw_histories(3, num_listeners=8)


@pytest.fixture(scope="module")
def halves(whole: Histories) -> list[Shard]:
    return [Shard(whole.of(np.arange(4))), Shard(whole.of(np.arange(4, 8)))]


def test_what_is_counted_of_shards_is_what_is_counted_of_all(
    whole: Histories, halves: list[Shard], catalogue: Catalogue
) -> None:
    of_all, of_halves = survey_of([Shard(whole)], catalogue, CONFIG), survey_of(halves, catalogue, CONFIG)

    assert of_halves.num_plays == of_all.num_plays == whole.num_plays
    assert of_halves.track_counts.tolist() == of_all.track_counts.tolist()
    assert of_all.plays_sha256 == sha256_of([Shard(whole)]) != of_halves.plays_sha256 == sha256_of(halves)


def test_negatives_are_drawn_as_popular_as_they_are_among_all_plays(halves: list[Shard], catalogue: Catalogue) -> None:
    survey = survey_of(halves, catalogue, CONFIG)
    questions = Questions(halves, catalogue, (NetworkConfig(), CONFIG), survey)

    first, second = (questions.of(number)[1].frequencies for number in (0, 1))

    assert first is not None
    assert first.tolist() == pytest.approx((survey.track_counts**0.5 / (survey.track_counts**0.5).sum()).tolist())
    assert second is not None
    assert first.tolist() == second.tolist()


def test_sessions_the_source_knows_are_those_of_the_sentences(whole: Histories, catalogue: Catalogue) -> None:
    sessions = np.arange(whole.num_plays) // 3

    ((rows, of_rows),) = Sentences([[Shard(whole, sessions)]], catalogue, NetworkConfig())

    known = catalogue.rows(whole.track_keys) > 1
    assert rows.tolist() == catalogue.rows(whole.track_keys)[known].tolist()
    assert of_rows.tolist() == sessions[known].tolist()
