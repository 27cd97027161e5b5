"""The one place that builds a worker; everything below it receives the values it needs, not the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamer.faust.app import ChunkApp, create_chunk_app, listener_table
from streamer.faust.marks import Marks
from streamer.faust.stream import consume
from streamer.kafka.connection import connection_of
from streamer.kafka.fences import Fences
from streamer.kafka.follower import Follower
from streamer.kafka.limits import Needs
from streamer.kafka.partitioner import PARTITIONERS
from streamer.kafka.producers import MAX_BATCH_BYTES
from streamer.metrics import WorkerMetrics
from streamer.releases.copies import KeptCopies
from streamer.releases.signing import read_trust
from streamer.releases.store import Store
from streamer.runtime.device import pick_device
from streamer.settings import Settings
from streamer.wire.catalogue import CAUSES
from streamer.wire.letters import DEAD_LETTER_ROOM_BYTES, MAX_DEAD_VALUE_BYTES
from streamer.wire.messages import MAX_ID_BYTES, Cause
from streamer.worker.batch import Batch
from streamer.worker.batching import Drain
from streamer.worker.champion import Releases
from streamer.worker.engine import Engine
from streamer.worker.fresh_letters import FreshLetters
from streamer.worker.live_hits import HitWatch
from streamer.worker.outputs import Topics
from streamer.worker.pace import Pace
from streamer.worker.pipeline import Answering
from streamer.worker.saying import Saying
from streamer.worker.shelf import Shelf
from streamer.worker.withdrawals import MAX_RECORDS, Withdrawals

if TYPE_CHECKING:
    from streamer.worker.traces import Traces

#: The largest records: a state of a network of 3,000 units, a track with the longest id, and an answer without tracks.
_STATE_BYTES = 16 << 10
_TRACK_BYTES = MAX_ID_BYTES + 64
_ANSWER_BYTES = 2 << 10


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker, built but not started.

    Attributes:
        app: Faust's part: membership, assignment, recovery.
        answering: processes each batch.
    """

    app: ChunkApp
    answering: Answering


def needs_of(settings: Settings) -> Needs:
    """Say what a worker needs of brokers and topics."""
    return Needs(
        session_timeout_s=settings.session_timeout_s,
        transaction_timeout_s=settings.transaction_timeout_s,
        record_bytes={
            settings.changelog_topic: _STATE_BYTES + 4 * _saying(settings).num_marks,
            settings.short_term_topic: settings.short_term_size * _TRACK_BYTES + _ANSWER_BYTES,
            settings.long_term_topic: settings.long_term_size * _TRACK_BYTES + _ANSWER_BYTES,
            settings.dead_letter_topic: 2 * DEAD_LETTER_ROOM_BYTES,
        },
    )


def create_worker(
    settings: Settings,
    num_partitions: int,
    engine: Engine | None = None,
    max_batch_bytes: Mapping[str, int] = MappingProxyType({}),
) -> Worker:
    """Build a worker.

    Args:
        settings: of the process.
        num_partitions: of the source topic, which exists.
        engine: computes the steps; None builds the one that the settings describe.
        max_batch_bytes: by topic, the largest record batch that it accepts; topics left out accept Kafka's default.
    """
    app = create_chunk_app(settings)
    table = listener_table(app, num_partitions)
    table.max_batch_bytes = max_batch_bytes
    fences = Fences(connection_of(settings), settings.app_id, settings.transaction_timeout_s)
    app.marks = Marks(connection_of(settings), settings.plays_topic, table, fences)
    metrics = WorkerMetrics(causes=list(Cause), entry_causes=CAUSES)
    partition_of = PARTITIONERS.get(settings.partitioner)
    pace = Pace(settings.target_latency_ms / 1000)
    app.hold_from_s = pace.hold_from_s
    topics = _topics(settings, max_batch_bytes)
    answering = Answering(
        table=table,
        fences=fences,
        engine=engine or create_engine(settings),
        releases=Releases(connection_of(settings), settings.releases_topic, _shelf(settings), metrics),
        withdrawals=_withdrawals(settings, metrics),
        metrics=metrics,
        topics=topics,
        saying=_saying(settings),
        pick_answered=_PICK_ANSWERED[settings.answer],
        belongs_here=partition_of and (lambda partition, key: partition_of(key, num_partitions) == partition),
        drain=Drain(),
        max_plays=settings.max_batch_plays,
        pace=pace,
        letters=FreshLetters(topics),
        hits=HitWatch(metrics),
        traces=_traces(settings, metrics) if settings.traces == "on" else None,
    )
    consume(app, settings.plays_topic, answering.answer_plays)
    return Worker(app, answering)


def create_engine(settings: Settings) -> Engine:
    """Build the engine that the settings describe; `each`, for measuring hit rates, leaves no track out of a list."""
    return Engine(
        sizes=(settings.short_term_size, settings.long_term_size),
        heard_masked=HEARD_MASKED[settings.answer],
        max_step_s=settings.max_step_s,
        num_threads=settings.compute_threads,
    )


def _topics(settings: Settings, max_batch_bytes: Mapping[str, int]) -> Topics:
    room = max_batch_bytes.get(settings.dead_letter_topic, MAX_BATCH_BYTES) - DEAD_LETTER_ROOM_BYTES
    return Topics(
        settings.plays_topic,
        (settings.short_term_topic, settings.long_term_topic),
        settings.dead_letter_topic,
        min(MAX_DEAD_VALUE_BYTES, room),
    )


def _traces(settings: Settings, metrics: WorkerMetrics) -> "Traces":
    from streamer.worker.traces import Traces, create_exporter

    return Traces(
        create_exporter(metrics.spans_lost),
        topic=settings.plays_topic, group_id=settings.app_id, identity=settings.instance_id,
    )  # fmt: skip


def _withdrawals(settings: Settings, metrics: WorkerMetrics) -> Withdrawals:
    follower = Follower(connection_of(settings), settings.catalogue_topic, max_records=MAX_RECORDS)
    return Withdrawals(follower, settings.catalogue_topic, metrics)


def _saying(settings: Settings) -> Saying:
    return Saying(settings.repeat_overlap, (settings.short_term_size, settings.long_term_size))


def _shelf(settings: Settings) -> Shelf:
    return Shelf(
        Store(settings.releases_url),
        pick_device(settings.device),
        settings.releases_max_mb << 20,
        KeptCopies(settings.state_dir / "releases"),
        read_trust(settings.releases_public_keys),
    )


def _every_play(batch: Batch) -> NDArray[np.int64]:
    return np.arange(len(batch.new))


def _last_plays(batch: Batch) -> NDArray[np.int64]:
    return batch.last_plays


_PICK_ANSWERED = {"each": _every_play, "latest": _last_plays}

#: How many of the latest plays each list leaves out: short-term the current track, long-term what was played recently.
HEARD_MASKED = {"each": (0, 0), "latest": (1, 64)}
