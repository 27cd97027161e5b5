"""The one place that builds a worker; everything below it receives the values it needs, not the settings."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.release import Release
from streamer.faust.app import ChunkApp, create_chunk_app, is_ready, listener_table, member_id, owned_partitions
from streamer.faust.marks import Marks
from streamer.faust.stream import consume
from streamer.kafka.connection import connection_of
from streamer.kafka.fences import Fences
from streamer.kafka.follower import Follower
from streamer.kafka.limits import Needs
from streamer.kafka.partitioner import PARTITIONERS
from streamer.kafka.producers import MAX_BATCH_BYTES
from streamer.kafka.rights import (
    letter_reader_rights,
    letter_remover_rights,
    letter_sender_rights,
    promoter_rights,
    release_reader_rights,
)
from streamer.letters.desk import desk_of
from streamer.metrics import WorkerMetrics
from streamer.page import BUILT
from streamer.queries.access import access_routes, openapi_routes
from streamer.queries.assets import Assets
from streamer.queries.calls import Calls
from streamer.queries.door import Door
from streamer.queries.errands import Errands
from streamer.queries.events import Streams
from streamer.queries.feed import Feed, feed_routes
from streamer.queries.figures import figure_routes
from streamer.queries.letters import LetterQueries, LetterRights, letter_routes
from streamer.queries.listeners import listener_routes
from streamer.queries.owners import Owners
from streamer.queries.peers import Peers
from streamer.queries.releases import ReleaseQueries, ReleaseRights, release_routes
from streamer.queries.sampling import Sampling
from streamer.queries.server import Queries
from streamer.queries.tracks import track_routes
from streamer.queries.workers import worker_routes
from streamer.releases.copies import KeptCopies, UnnamedCopies
from streamer.releases.promotion import Promoter
from streamer.releases.signing import read_signer, read_trust
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
from streamer.worker.listening import Listening
from streamer.worker.live_hits import HitWatch
from streamer.worker.names import MAX_RECORDS as NAMED_AT_ONCE
from streamer.worker.names import Names
from streamer.worker.outputs import Topics
from streamer.worker.pace import Pace
from streamer.worker.pipeline import Answering
from streamer.worker.saying import Saying
from streamer.worker.shelf import Shelf
from streamer.worker.tracks import Tracks
from streamer.worker.withdrawals import MAX_RECORDS, Withdrawals

if TYPE_CHECKING:
    from streamer.worker.traces import Traces

#: Seconds that the store of the releases has to answer whoever looks on; a worker itself is more patient.
_STORE_S = 5.0

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
    answering = Answering(
        table=table,
        fences=fences,
        engine=engine or create_engine(settings),
        releases=Releases(connection_of(settings), settings.releases_topic, _shelf(settings), metrics),
        withdrawals=_withdrawals(settings, metrics),
        metrics=metrics,
        topics=_topics(settings, max_batch_bytes),
        saying=_saying(settings),
        pick_answered=_PICK_ANSWERED[settings.answer],
        belongs_here=partition_of and (lambda partition, key: partition_of(key, num_partitions) == partition),
        drain=Drain(),
        max_plays=settings.max_batch_plays,
        pace=pace,
        hits=HitWatch(metrics),
        traces=_traces(settings, metrics) if settings.traces == "on" else None,
    )
    consume(app, settings.plays_topic, answering.answer_plays)
    return Worker(app, answering)


def create_listening(settings: Settings, worker: Worker, num_partitions: int) -> Listening:
    """Build what answers questions about listeners, beside a worker's plays."""
    app, answering = worker.app, worker.answering
    partitioners = [PARTITIONERS[settings.partitioner]] if settings.partitioner else list(PARTITIONERS.values())

    def answered() -> list[int]:
        return [tp.partition for tp in owned_partitions(app, settings.plays_topic)] if is_ready(app) else []

    def champion() -> Release | None:
        return answering.releases.champion.release if answering.releases.champion else None

    return Listening(
        table=answering.table,
        champion=champion,
        withdrawn=lambda: answering.withdrawals.keys,
        sizes=(settings.short_term_size, settings.long_term_size),
        heard_masked=_HEARD_MASKED[settings.answer],
        homes=lambda key: sorted({partition_of(key, num_partitions) for partition_of in partitioners}),
        answered=answered,
        latest=lambda: answering.latest.users,
    )


def create_names(settings: Settings) -> Names:
    """Build what keeps the names of tracks on the worker's disk, for whoever looks on."""
    follower = Follower(connection_of(settings), settings.catalogue_topic, max_records=NAMED_AT_ONCE)
    return Names(follower, settings.catalogue_topic, settings.state_dir / "names")


def create_feed(settings: Settings, worker: Worker) -> Feed:
    """Build what samples the figures of a worker, and tells whoever follows them."""
    releases, metrics = worker.answering.releases, worker.answering.metrics

    def release() -> str | None:
        return releases.champion.release.release_id if releases.champion else None

    def partitions() -> int:
        return len(owned_partitions(worker.app, settings.plays_topic)) if is_ready(worker.app) else 0

    return Feed(Sampling(metrics, release, partitions), settings.instance_id or "this worker", release)


def create_peers(settings: Settings, worker: Worker) -> Peers:
    """Build what asks the other workers."""
    token = (settings.read_token or settings.act_token).get_secret_value()
    owners = Owners(connection_of(settings), settings.app_id, settings.plays_topic, settings.changelog_topic)
    return Peers(owners, Calls(), Streams(), lambda: member_id(worker.app), token)


def create_queries(
    settings: Settings, worker: Worker, listening: Listening, *, feed: Feed, peers: Peers, names: Names
) -> Queries:
    """Build what answers questions over HTTP: the table of all routes, and who may ask."""

    def is_settled() -> bool:
        return is_ready(worker.app)

    def release() -> str | None:
        champion = worker.answering.releases.champion
        return champion.release.release_id if champion else None

    tracks = Tracks(listening.champion, listening.withdrawn, names, listening.sideline)
    errands = Errands(connection_of(settings))
    door = Door(settings.read_token.get_secret_value(), settings.act_token.get_secret_value())
    routes = [
        *access_routes(door),
        *peers.forwarding(listener_routes(listening, peers.streams, is_settled)),
        *worker_routes(peers, release, worker.answering.table.partitions),
        *figure_routes(feed.sampling),
        *feed_routes(feed, peers.streams),
        *letter_routes(letter_queries(settings, errands)),
        *release_routes(release_queries(settings, errands)),
        *track_routes(tracks),
    ]
    return Queries(
        routes=[*routes, *openapi_routes(routes)],
        door=door,
        streams=peers.streams,
        assets=Assets.read(BUILT),
        metrics=worker.answering.metrics.queries,
        is_settled=is_settled,
    )


def letter_queries(settings: Settings, errands: Errands) -> LetterQueries:
    """Build what answers questions about dead letters."""
    rights = LetterRights(
        letter_reader_rights(settings), letter_sender_rights(settings), letter_remover_rights(settings)
    )
    return LetterQueries(desk_of(settings), errands, rights)


def release_queries(settings: Settings, errands: Errands) -> ReleaseQueries:
    """Build what answers questions about releases."""
    copies = settings.state_dir / "promoted"
    shutil.rmtree(copies, ignore_errors=True)  # what a crash has left
    promoter = Promoter(
        connection_of(settings),
        settings.releases_topic,
        Store(settings.releases_url, limit_s=_STORE_S),
        read_signer(settings.releases_signing_key.get_secret_value()),
        read_trust(settings.releases_public_keys),
        UnnamedCopies(copies),
        settings.releases_max_mb << 20,
    )
    rights = ReleaseRights(release_reader_rights(settings), promoter_rights(settings))
    return ReleaseQueries(promoter, errands, rights)


def create_engine(settings: Settings) -> Engine:
    """Build the engine that the settings describe; `each`, for measuring hit rates, leaves no track out of a list."""
    return Engine(
        sizes=(settings.short_term_size, settings.long_term_size),
        heard_masked=_HEARD_MASKED[settings.answer],
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
_HEARD_MASKED = {"each": (0, 0), "latest": (1, 64)}
