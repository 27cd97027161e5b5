"""A release goes without a map rather than not at all."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from models.plays.histories import gather_histories
from models.training.loop import Progress
from models.training.shards import Shard
from streamer.training.mapping import map_if_possible
from streamer.training.progress import FitStopped
from tests.builders import tiny_release

RELEASE = tiny_release()
SHARD = Shard(gather_histories(np.zeros(12, np.int64), RELEASE.catalogue.keys, np.arange(12)))


def test_progress_is_reported_step_by_step() -> None:
    reports: list[Progress] = []

    track_map = map_if_possible(RELEASE.recommender, [SHARD], None, reports.append)

    assert track_map is not None
    assert {(each.stage, each.epoch, each.num_batches) for each in reports} == {("map", 0, 500)}
    assert [each.batch for each in reports] == [*range(1, 501)]


def test_the_next_map_takes_fewer_steps() -> None:
    reports: list[Progress] = []
    earlier = replace(RELEASE, track_map=map_if_possible(RELEASE.recommender, [SHARD], None, lambda _: None))

    map_if_possible(RELEASE.recommender, [SHARD], earlier, reports.append)

    assert len(reports) == 200


def test_a_failure_costs_the_map_alone(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Progress) -> None:
        raise MemoryError("1 TB")

    with caplog.at_level(logging.WARNING):
        assert map_if_possible(RELEASE.recommender, [SHARD], None, fail) is None

    assert "no map of the tracks; the release goes without: MemoryError: 1 TB" in caplog.text


def test_a_stop_ends_the_fit() -> None:
    def stop(_: Progress) -> None:
        raise FitStopped

    with pytest.raises(FitStopped):
        map_if_possible(RELEASE.recommender, [SHARD], None, stop)
