import math
import re

import numpy as np
import pytest
from prometheus_client.exposition import generate_latest

from streamer.metrics import STEPS, TRAINER_STAGES, TrainerMetrics, WorkerMetrics
from streamer.metrics.process import ProcessMetrics
from streamer.metrics.register import Metric
from streamer.metrics.trainer import PLAY_AGES


def value(metrics: WorkerMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


PROCESSES = pytest.mark.parametrize("metrics", [WorkerMetrics(), TrainerMetrics()], ids=["worker", "trainer"])


def declared(metrics: ProcessMetrics) -> dict[str, Metric]:
    """What Refrain itself declares, by name: not the metrics of prometheus-client."""
    return {each.name: each for each in metrics.register.metrics if each.name.startswith("refrain_")}


@PROCESSES
def test_the_register_has_all_that_is_served(metrics: ProcessMetrics) -> None:
    families = {family.name: family for family in metrics.registry.collect()}

    assert families.keys() == {metric.name for metric in metrics.register.metrics}
    for name, metric in declared(metrics).items():
        assert (metric.kind, metric.meaning) == (families[name].type, families[name].documentation)


@PROCESSES
def test_a_declaration_says_what_is_counted_and_what_an_operator_does(metrics: ProcessMetrics) -> None:
    for metric in declared(metrics).values():
        assert metric.unit
        assert metric.meaning.endswith(".")
        assert metric.action.endswith(".")
        assert (metric.unit == "seconds since 1970") == metric.name.endswith("_timestamp_seconds")
        assert metric.name.endswith(metric.unit) or metric.unit not in ("seconds", "bytes")


@PROCESSES
def test_metrics_that_are_mentioned_exist(metrics: ProcessMetrics) -> None:
    known = {metric.exposed for process in (WorkerMetrics(), TrainerMetrics()) for metric in process.register.metrics}

    mentioned = {name for metric in metrics.register.metrics for name in re.findall(r"`(refrain_\w+)`", metric.action)}

    assert mentioned - known == set()


@PROCESSES
def test_the_process_and_its_python_are_shown(metrics: ProcessMetrics) -> None:
    assert (metrics.registry.get_sample_value("process_resident_memory_bytes") or 0) > 1e6
    assert {"process_start_time_seconds", "process_open_fds"} <= {each.exposed for each in metrics.register.metrics}


def test_two_workers_in_one_process_count_separately() -> None:
    one, other = WorkerMetrics(), WorkerMetrics()

    one.plays.inc(3)

    assert value(one, "refrain_plays_total") == 3
    assert value(other, "refrain_plays_total") == 0


@pytest.mark.parametrize(
    ("latency_s", "first_bucket"),
    [(0.0005, "0.001"), (0.001, "0.001"), (0.0011, "0.002"), (300.0, "300"), (301.0, "+Inf")],
)
def test_a_latency_is_counted_in_the_bucket_that_holds_it(latency_s: float, first_bucket: str) -> None:
    metrics = WorkerMetrics()

    metrics.latency_seconds.observe(np.array([latency_s]))

    text = generate_latest(metrics.registry).decode()
    name = "refrain_event_to_recommendation_seconds"
    filled = re.findall(rf'{name}_bucket{{le="([^"]+)"}} 1\.0', text)
    assert filled[0] == first_bucket
    assert filled[-1] == "+Inf"
    assert f"{name}_count 1.0" in text
    assert value(metrics, f"{name}_sum") == latency_s


def test_latencies_of_batches_add_up() -> None:
    metrics = WorkerMetrics()

    metrics.latency_seconds.observe(np.array([0.01, 0.02, 4.0]))
    metrics.latency_seconds.observe(np.array([]))
    metrics.latency_seconds.observe(np.array([0.5]))

    assert value(metrics, "refrain_event_to_recommendation_seconds_count") == 4
    assert value(metrics, "refrain_event_to_recommendation_seconds_sum") == pytest.approx(4.53)


def test_each_step_of_a_play_can_be_timed() -> None:
    metrics = WorkerMetrics()

    for step in STEPS:
        with metrics.timed(step):
            pass

    assert [value(metrics, "refrain_step_seconds_count", step=step) for step in STEPS] == [1] * len(STEPS)


def test_partitions_that_moved_away_are_no_longer_shown() -> None:
    metrics = WorkerMetrics()
    metrics.show_partitions({0: 7, 1: 8}, {0: 70, 1: 80}, {2: 6})

    metrics.show_partitions({1: 9}, {1: 90}, {})

    assert value(metrics, "refrain_lag_plays", partition="0") is None
    assert value(metrics, "refrain_lag_plays", partition="1") == 9
    assert value(metrics, "refrain_listeners", partition="1") == 90
    assert value(metrics, "refrain_standby_lag_records", partition="2") is None


def test_while_it_is_not_known_which_partitions_are_owned_the_lag_of_all_is_not_known_either() -> None:
    metrics = WorkerMetrics()
    for lags, ages_s in [({0: 7.0}, {0: 2.5}), ({}, {})]:
        metrics.show_partitions(lags, {}, {})
        metrics.show_ages(ages_s)
        assert metrics.lag_plays_total == sum(lags.values())
        assert metrics.lag_seconds_most == sum(ages_s.values())

    metrics.show_partitions(None, {}, {})
    metrics.show_ages(None)

    assert math.isnan(metrics.lag_plays_total)
    assert math.isnan(metrics.lag_seconds_most)
    assert value(metrics, "refrain_lag_plays", partition="0") is None
    assert value(metrics, "refrain_lag_seconds", partition="0") is None


def test_a_trainer_shows_every_stage_from_its_start() -> None:
    metrics = TrainerMetrics().registry

    assert [metrics.get_sample_value("refrain_trainer_stage", {"stage": stage}) for stage in TRAINER_STAGES] == [0] * 10


def test_a_trainer_is_in_one_stage_at_a_time() -> None:
    metrics = TrainerMetrics()
    metrics.show_stage("network", 2, 6)
    metrics.show_stage("judge")

    shown = {stage: metrics.registry.get_sample_value("refrain_trainer_stage", {"stage": stage})
             for stage in TRAINER_STAGES}  # fmt: skip
    assert [stage for stage, is_shown in shown.items() if is_shown] == ["judge"]
    assert metrics.registry.get_sample_value("refrain_fit_epoch") == 0


def test_a_release_taken_up_shows_when_it_was_created() -> None:
    metrics = WorkerMetrics()

    metrics.count_release(1_700_000_000_500, 17)

    assert value(metrics, "refrain_releases_taken_up_total") == 1
    assert value(metrics, "refrain_release_created_timestamp_seconds") == 1_700_000_000.5
    assert value(metrics, "refrain_catalogue_tracks") == 17


def test_what_a_trainer_has_not_measured_is_nan() -> None:
    metrics = TrainerMetrics().registry

    for name in ("live_hit_rate", "champion_created_timestamp_seconds", "last_fit_passed", "last_fit_seconds"):
        assert math.isnan(metrics.get_sample_value(f"refrain_{name}") or 0)


def test_each_trigger_and_cause_is_counted_from_zero() -> None:
    worker, trainer = WorkerMetrics(causes=["not-json"]), TrainerMetrics(triggers=["drift"])

    assert value(worker, "refrain_dead_letters_total", cause="not-json") == 0
    assert trainer.registry.get_sample_value("refrain_fits_total", {"trigger": "drift"}) == 0


def test_plays_of_the_archive_are_shown_by_their_age() -> None:
    metrics = TrainerMetrics()

    metrics.show_archive({0: 5, 1: 7, 6: 1, 40: 2, 400: 9}, 3)

    ages = {age: metrics.registry.get_sample_value("refrain_archive_plays", {"age": age}) for age in PLAY_AGES}
    assert ages == {"day": 5, "week": 8, "month": 0, "quarter": 2, "older": 9}
    assert metrics.registry.get_sample_value("refrain_plays_since_fit") == 3
