import numpy as np
import pytest
from aiokafka import ConsumerRecord

from models.plays.catalogue import Catalogue
from models.plays.track_ids import TrackIds
from models.serving.step import Ranked
from streamer.metrics import WorkerMetrics
from streamer.wire.recommendations import ListEncoder
from streamer.wire.state import States, decode
from streamer.worker.batch import merge, plan
from streamer.worker.batch_metrics import count_batch
from streamer.worker.events import join
from streamer.worker.intake import take_in
from streamer.worker.outputs import Answers, Outcome
from streamer.worker.saying import Said
from tests.builders import NOON_MS, TRACK_IDS, play, random_states, record, tombstone
from tests.cases.observations import Observe


def counted(
    *records: ConsumerRecord[bytes, bytes], states: States | None = None, has_release: bool = True
) -> WorkerMetrics:
    """The metrics of a worker that has done one batch, 2 s after it arrived."""
    intake = take_in(0, records, None)
    events, listeners = join([intake.plays], [intake.offsets])
    is_known = np.zeros(len(listeners.users), np.bool_)
    batch = plan(events, states or decode([None] * (len(listeners.users) + 1), 6), 9)
    answered = batch.last_plays
    ranked = Ranked(np.full((len(answered), 1), 2), np.zeros((len(answered), 1), np.float32))
    said = Said(np.arange(2 * len(answered)).reshape(2, -1) != 0, batch.base.said)  # all lists but one
    lists = ListEncoder(TrackIds.of(TRACK_IDS))
    answers = Answers(answered, (ranked, ranked), said, lists, "r1", 77) if has_release else None
    merged = merge(batch, batch.hidden, batch.count_plays(), release_key=9, promoted_at_ms=1)
    metrics = WorkerMetrics()
    outcome = Outcome(events, listeners, is_known, batch, merged, answers)
    count_batch(metrics, [intake], outcome, NOON_MS + 2000, Catalogue(TRACK_IDS) if has_release else None)
    return metrics


def value(metrics: WorkerMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_plays_answers_tombstones_and_dead_letters_are_counted() -> None:
    metrics = counted(
        play(1, "u", "t1"), play(2, "u", "t2"), play(3, "v", "t1"), tombstone(4, "w"),
        record(5, b"u", b"{"), record(6, None, b""),
    )  # fmt: skip

    assert value(metrics, "refrain_plays_total") == 3
    assert value(metrics, "refrain_plays_unanswered_total") == 0
    assert value(metrics, "refrain_recommendations_total", horizon="short-term") == 1
    assert value(metrics, "refrain_lists_unsaid_total", horizon="short-term") == 1
    assert value(metrics, "refrain_lists_unsaid_total", horizon="long-term") == 0
    assert value(metrics, "refrain_recommendations_total", horizon="long-term") == 2
    assert value(metrics, "refrain_listeners_forgotten_total") == 1
    assert value(metrics, "refrain_dead_letters_total", cause="not-json") == 1
    assert value(metrics, "refrain_dead_letters_total", cause="null-key") == 1
    assert value(metrics, "refrain_batch_plays_sum") == 3


def test_latency_is_measured_from_the_records_to_their_commit() -> None:
    metrics = counted(play(1, "u", "t1"), play(2, "u", "t2"))

    name = "refrain_event_to_recommendation_seconds"
    assert value(metrics, f"{name}_count") == 2
    assert value(metrics, f"{name}_sum") == pytest.approx(4.0)


@pytest.mark.kind(7)
@pytest.mark.parametrize(
    ("written", "timestamp_ms"),
    [
        ("without a timestamp", -1),
        ("in seconds", NOON_MS // 1000),
        ("in microseconds", NOON_MS * 1000),
        ("by a clock 5 s fast", NOON_MS + 7_000),
        ("a week ago, by a backfill", NOON_MS - 7 * 86_400_000),
    ],
)
def test_a_timestamp_that_says_nothing_leaves_the_latencies_alone(
    written: str, timestamp_ms: int, observe: Observe
) -> None:
    odd = record(2, b"v", play(2, "v", "t2").value, timestamp_ms=timestamp_ms)

    metrics = counted(play(1, "u", "t1"), odd)

    name = "refrain_event_to_recommendation_seconds"
    assert value(metrics, f"{name}_count") == 1
    assert value(metrics, f"{name}_sum") == pytest.approx(2.0)
    assert value(metrics, "refrain_latency_unknown_total") == 1
    observe(f"written {written}: counted in refrain_latency_unknown_total, in no bucket")


def test_dead_letters_and_tombstones_have_no_latency() -> None:
    metrics = counted(play(1, "u", "t1"), record(2, b"u", b"{"), tombstone(3, "v"))

    assert value(metrics, "refrain_event_to_recommendation_seconds_count") == 1
    assert value(metrics, "refrain_latency_unknown_total") == 0


def test_without_answers_there_is_no_latency() -> None:
    metrics = counted(play(1, "u", "t1"), has_release=False)

    assert value(metrics, "refrain_plays_total") == 1
    assert value(metrics, "refrain_plays_unanswered_total") == 1
    assert value(metrics, "refrain_event_to_recommendation_seconds_count") == 0
    assert value(metrics, "refrain_recommendations_total", horizon="short-term") == 0


def test_rebuilt_states_are_counted_and_new_listeners_are_not() -> None:
    metrics = counted(play(1, "u", "t1"), play(2, "v", "t1"), states=random_states([5, 0, 0], release_key=8))

    assert value(metrics, "refrain_states_rebuilt_total") == 1


def test_plays_out_of_order_are_counted() -> None:
    metrics = counted(play(1, "u", "t1", NOON_MS), play(2, "u", "t1", NOON_MS - 1))

    assert value(metrics, "refrain_negative_gaps_total") == 1


def test_plays_of_tracks_that_the_release_does_not_know_are_counted() -> None:
    metrics = counted(play(1, "u", "t1"), play(2, "u", "new"), play(3, "v", "new"))

    assert value(metrics, "refrain_unknown_track_plays_total") == 2
