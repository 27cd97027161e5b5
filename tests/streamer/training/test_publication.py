"""Refused candidates; `test_trainer` publishes those that pass, on a real broker."""

import logging
from pathlib import Path

import pytest

from models.evaluation.gate import Verdict
from streamer.kafka.connection import Connection
from streamer.metrics import TrainerMetrics
from streamer.releases.registry import Refusal, Registry
from streamer.releases.store import Store
from streamer.training.publication import Publisher
from streamer.training.triggers import Trigger
from tests.builders import NOON_MS, tiny_release

WORSE = Verdict(may_be_released=False, reason="worse", paragraph="Refused: worse.")


def publisher(directory: Path, metrics: TrainerMetrics) -> Publisher:
    return Publisher(
        Registry(Store(str(directory))),
        Connection.parse("127.0.0.1:1"),
        "releases",
        metrics,
        clock=lambda: NOON_MS / 1000,
    )


async def test_a_refusal_is_counted_and_recorded_with_what_it_was_compared_with(tmp_path: Path) -> None:
    metrics, champion = TrainerMetrics(), tiny_release()

    await publisher(tmp_path, metrics).refuse(Trigger.PLAYS, champion, WORSE)

    assert Registry(Store(str(tmp_path))).refusals() == [
        Refusal(NOON_MS, "plays", champion.release_id, "worse", "Refused: worse.")
    ]
    assert metrics.registry.get_sample_value("refrain_releases_refused_total") == 1
    assert metrics.registry.get_sample_value("refrain_last_fit_passed") == 0


async def test_a_refusal_that_cannot_be_recorded_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "refused").write_text("no directory can be made here")

    with caplog.at_level(logging.INFO, "streamer"):
        await publisher(tmp_path, TrainerMetrics()).refuse(Trigger.TIME, None, WORSE)

    assert "verdict: Refused: worse." in caplog.text
    assert "refusal not recorded" in caplog.text


async def test_without_kafka_nothing_is_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await publisher(tmp_path, TrainerMetrics()).prune(num_kept=0)

    assert "old releases not removed" in caplog.text
