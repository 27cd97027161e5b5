"""What the metrics of workers say, against counts of what they were sent."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from models.config import HORIZONS
from streamer.metrics import STEPS
from streamer.wire.messages import Cause
from tests.cases.observations import Observe
from tests.faults.conftest import TinyRelease
from tests.faults.harness import Deployment, start
from tests.faults.load import NUM_PARTITIONS
from tests.faults.process import WorkerProcess
from tests.faults.selfreport import metric
from tests.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.kind(23)]

_LATENCY = "refrain_event_to_recommendation_seconds"


def total(workers: list[WorkerProcess], name: str) -> float:
    """Add up a metric over all labels and workers."""
    return sum(value for worker in workers for _, value in metric(worker, name))


def by_label(worker: WorkerProcess, name: str, label: str) -> dict[str, float]:
    return {labels[label]: value for labels, value in metric(worker, name)}


def num_listeners(deployment: Deployment) -> dict[str, float]:
    """Count the listeners of each partition whose latest event is a play and not a tombstone."""
    counts = Counter({str(number): 0 for number in range(NUM_PARTITIONS)})
    for number, events in deployment.sent.items():
        latest = {event.key: event for _, event in sorted(events.items()) if not event.is_bad}
        counts[str(number)] = sum(event.is_play for event in latest.values())
    return dict(counts)


def assert_counts(deployment: Deployment, workers: list[WorkerProcess]) -> None:
    """Compare the counters of all workers with what was sent to them."""
    events = [event for sent in deployment.sent.values() for event in sent.values()]
    num_plays, num_bad = sum(event.is_play for event in events), sum(event.is_bad for event in events)
    assert total(workers, "refrain_plays_total") == total(workers, "refrain_batch_plays_sum") == num_plays
    assert total(workers, "refrain_recommendations_total") == len(HORIZONS) * num_plays
    assert total(workers, "refrain_dead_letters_total") == num_bad > 0
    assert total(workers, "refrain_listeners_forgotten_total") == sum(event.forgets for event in events) > 0
    latencies = total(workers, f"{_LATENCY}_count"), total(workers, "refrain_latency_unknown_total")
    assert latencies == (num_plays, 0)
    assert total(workers, f"{_LATENCY}_sum") >= 0
    assert total(workers, "refrain_duplicates_dropped_total") == 0
    assert total(workers, "refrain_unknown_track_plays_total") < num_plays


def gauges_are_right(deployment: Deployment, workers: list[WorkerProcess]) -> bool:
    """Return whether lag, listeners and partitions of all workers are what was sent to them."""
    shown = Counter[str]()
    for worker in workers:
        shown.update(by_label(worker, "refrain_listeners", "partition"))
    return (
        dict(shown) == num_listeners(deployment)
        and len([labels for worker in workers for labels, _ in metric(worker, "refrain_lag_plays")]) == NUM_PARTITIONS
        and total(workers, "refrain_lag_plays") == total(workers, "refrain_lag_seconds") == 0
        and total(workers, "refrain_partitions_owned") == NUM_PARTITIONS
    )


async def test_a_worker_shows_every_label_from_its_start_and_nothing_it_has_not_measured(
    deployment: Deployment, observe: Observe
) -> None:
    (worker,) = await start(deployment, "a")
    await until(lambda: len(metric(worker, "refrain_listeners")) == NUM_PARTITIONS, "partitions are shown")

    assert by_label(worker, "refrain_dead_letters_total", "cause") == {str(cause): 0 for cause in Cause}
    assert by_label(worker, "refrain_recommendations_total", "horizon") == dict.fromkeys(HORIZONS, 0)
    assert by_label(worker, "refrain_step_seconds_count", "step") == dict.fromkeys(STEPS, 0)
    assert total([worker], "refrain_listeners") == 0
    assert math.isnan(total([worker], "refrain_release_created_timestamp_seconds"))
    assert math.isnan(total([worker], "refrain_catalogue_tracks"))
    assert by_label(worker, "refrain_crashes_total", "cause") == {"killed": 0, "ProducerFenced": 0}
    assert by_label(worker, "refrain_build_info", "process") == {"worker": 1}
    assert total([worker], "refrain_plays_partitions") == NUM_PARTITIONS
    assert total([worker], "refrain_plays_retention_seconds") > 0
    assert total([worker], "refrain_directory_bytes") > 0
    observe("all causes, horizons and steps are 0; the time of the release is NaN")


async def test_counts_of_plays_letters_and_listeners_are_those_of_what_was_sent_also_after_a_rebalance(
    deployment: Deployment, first_release: TinyRelease, observe: Observe
) -> None:
    await deployment.announce(first_release.saved)
    workers = await start(deployment, "a")
    await until(lambda: metric(workers[0], "refrain_releases_taken_up_total")[0][1] == 1, "the release is taken up")

    await deployment.feed(1000)
    await deployment.all_done()
    await until(lambda: gauges_are_right(deployment, workers), "gauges are right")
    assert_counts(deployment, workers)

    workers += await start(deployment, "b")
    await until(lambda: all(worker.partitions for worker in workers), "two workers share the partitions")
    await deployment.feed(1000)
    await deployment.all_done()
    await until(lambda: gauges_are_right(deployment, workers), "gauges are right after the rebalance")
    assert_counts(deployment, workers)
    observe("2,000 records on one worker, then on two: each counter and gauge equals what was sent")
