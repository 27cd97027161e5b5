from collections.abc import Sequence

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from streamer.demo.trainer_stage import TrainerStage, has_window, in_words
from streamer.local.cluster import Cluster
from streamer.metrics import TRAINER_STAGES, TrainerMetrics


def served(metrics: TrainerMetrics) -> Sequence[Sample]:
    """The samples on a trainer's page, as a scraper reads them."""
    page = generate_latest(metrics.registry).decode()
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples]


def test_a_trainer_that_does_not_answer_says_nothing() -> None:
    assert in_words([]) == ""


def test_a_trainer_that_has_just_started_says_nothing() -> None:
    assert in_words(served(TrainerMetrics())) == ""


@pytest.mark.parametrize("stage", TRAINER_STAGES)
def test_there_are_words_for_every_stage(stage: str) -> None:
    metrics = TrainerMetrics()
    metrics.show_stage("catch-up")
    before = in_words(served(metrics))

    metrics.show_stage(stage)

    assert in_words(served(metrics))
    assert (in_words(served(metrics)) == before) == (stage == "catch-up")


@pytest.mark.parametrize("stage", TRAINER_STAGES)
def test_a_fit_has_its_plays_once_it_learns(stage: str) -> None:
    metrics = TrainerMetrics()
    metrics.show_stage(stage)

    assert has_window(served(metrics)) == (stage not in {"catch-up", "wait", "read"})


def test_a_trainer_that_does_not_answer_has_read_nothing() -> None:
    assert not has_window([])


def test_the_epoch_of_a_fit_is_shown() -> None:
    metrics = TrainerMetrics()
    metrics.show_stage("second-stage", 2, 4)

    assert in_words(served(metrics)) == "training the second stage, epoch 2 of 4"


def test_refusals_of_the_gate_are_shown_while_the_trainer_waits() -> None:
    metrics = TrainerMetrics()
    metrics.releases_refused.inc()
    metrics.plays_new.set(12)
    metrics.plays_for_fit.set(20_000)
    metrics.show_stage("wait")

    assert in_words(served(metrics)) == "collecting plays, 12 of 20,000; the gate refused 1 so far"


def test_no_more_plays_are_shown_than_a_fit_needs() -> None:
    metrics = TrainerMetrics()
    metrics.plays_new.set(46_616)
    metrics.plays_for_fit.set(12_000)
    metrics.show_stage("wait")

    assert in_words(served(metrics)) == "collecting plays, 12,000 of 12,000"


def test_a_stage_or_epoch_is_a_step_once_and_waiting_is_none() -> None:
    trainer, metrics = TrainerStage(Cluster({})), TrainerMetrics()
    trainer.note([])
    for stage, epoch in (("wait", 0), ("read", 0), ("network", 1), ("network", 2), ("wait", 0), ("network", 1)):
        metrics.plays_new.inc()
        metrics.show_stage(stage, epoch, 2)
        trainer.note(served(metrics))

    assert len(trainer.steps) == 3
    assert trainer.words == "training the network, epoch 1 of 2"
    assert trainer.has_window
