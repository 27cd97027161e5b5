"""The Faust app: group membership, assignment, recovery and commits are Faust's, but it carries whole chunks."""

from collections.abc import Callable
from pathlib import Path

import faust
from aiokafka.errors import IllegalStateError
from faust.exceptions import ConsistencyError
from faust.types import TP

from models.wording import plural
from streamer.errors import ContractError
from streamer.faust.assignor import AddressedAssignor
from streamer.faust.marks import Marks
from streamer.faust.recovery import EagerTables
from streamer.faust.schema import ChunkSchema
from streamer.faust.table import ListenerTable
from streamer.kafka.connection import Connection, connection_of
from streamer.kafka.membership import Membership
from streamer.kafka.offsets import CHANGELOG_REMEDY
from streamer.kafka.topics import PARTITIONS_CHANGED
from streamer.kafka.unreadable import Unreadable
from streamer.runtime.crash import crash, refuse
from streamer.settings import Settings

#: Chunks of a partition that may wait in memory: fetching continues while a batch is computed, up to this limit.
_MAX_WAITING_CHUNKS = 16

#: Seconds between commits of Faust's offsets. They only reveal a lost changelog; the marks say where to continue.
_COMMIT_INTERVAL_S = 1.0

#: Milliseconds between the consumer's requests for the list of partitions: plays on added ones reach the wrong states.
_METADATA_AGE_MS = 10_000

#: Memory of one partition's store: with Faust's defaults, each takes 2 GiB of cache and 192 MiB of buffers. Frequent
#: listeners are read from the recent values: 16 MiB are 5,000 whole states.
_STORE_OPTIONS = {"write_buffer_bytes": 16 << 20, "block_cache_bytes": 8 << 20, "recent_bytes": 16 << 20}


class ChunkApp(faust.App):
    """A Faust app that holds what its consumer needs: connection, membership, marks, fences, what cannot be read.

    `hands_over` says whether the others get its partitions as soon as it stops, though it is a static member, and
    `hold_from_s` how long a broker may hold back a fetch made at a time, to answer it with more records.
    """

    connection: Connection
    marks: Marks
    membership: Membership
    unreadable: Unreadable
    hands_over = False
    hold_from_s: Callable[[float], float] = staticmethod(lambda _: 0.0)

    def _crash(self, reason: BaseException) -> None:
        """End the process: a crashed app would keep sending heartbeats and owning partitions that it does not serve.

        A failing service (fetcher, recovery or consumer) calls this on every service above it; `crash` is called on
        the failing one only.
        """
        if isinstance(reason, ConsistencyError):
            refuse(ContractError(f"the states on disk are ahead of the changelog: it was lost. {CHANGELOG_REMEDY}"))
        crash("the stream processor failed; see the cause", reason)


def create_chunk_app(settings: Settings) -> ChunkApp:
    """Configure Faust for chunks, without starting anything."""
    app = ChunkApp(
        settings.app_id,
        broker="refrain://",  # the transport; the connection says where Kafka is
        store="refrain://",
        PartitionAssignor=AddressedAssignor,
        datadir=Path(settings.state_dir).absolute(),
        Table=ListenerTable,
        TableManager=EagerTables,
        value_serializer="raw",
        consumer_group_instance_id=settings.instance_id or None,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=_METADATA_AGE_MS,
        broker_max_poll_records=settings.max_batch_plays,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        broker_rebalance_timeout=settings.rebalance_timeout_s,
        broker_request_timeout=max(30.0, settings.session_timeout_s),
        broker_commit_interval=_COMMIT_INTERVAL_S,
        stream_buffer_maxsize=_MAX_WAITING_CHUNKS * settings.partitions,
        table_standby_replicas=settings.standbys,
        topic_allow_declare=False,  # kafka/topics.py creates and checks them
        topic_disable_leader=True,
        web_enabled=False,  # runtime/web.py serves before recovery begins, for worker and trainer alike
    )
    app.connection = connection_of(settings)
    app.membership = Membership(app.connection, settings.app_id, settings.session_timeout_s)
    app.unreadable = Unreadable()
    app.hands_over = settings.on_stop == "leave"
    return app


def listener_table(app: ChunkApp, partitions: int) -> ListenerTable:
    """Declare the table of the listeners' states."""
    table = app.Table(
        "listeners",
        key_type=bytes,
        value_type=bytes,
        partitions=partitions,
        schema=ChunkSchema(key_type=bytes, value_type=bytes),
        recovery_buffer_size=8,  # chunks of thousands of records each
        standby_buffer_size=1,  # so that everything a standby has read is on disk when it takes over its partition
        options=dict(_STORE_OPTIONS),
    )
    assert isinstance(table, ListenerTable)
    return table


async def stop_app(app: ChunkApp) -> None:
    """Stop between two batches: commit what is done, and leave fetched chunks to the partitions' next owner.

    Faust would wait without limit for the acknowledgement of chunks that no batch will process.
    """
    await app.consumer.commit()
    app.conf.stream_wait_empty = False
    await app.stop()


def advertise(app: ChunkApp, url: str) -> None:
    """Set the address that the other members of the group learn when this worker joins."""
    app.conf.canonical_url = url


def member_id(app: ChunkApp) -> str:
    """Return the name that the group has given this worker; empty while it is no member."""
    return str(app.consumer.member_id()) if app.started else ""


def owned_partitions(app: ChunkApp, topic: str) -> list[TP]:
    """Return the partitions of `topic` this worker owns; none before the first assignment."""
    return sorted(tp for tp in app.assignor.assigned_actives() if tp.topic == topic)


async def num_left(app: ChunkApp, tp: TP, mark_offset: int) -> int:
    """Count the offsets after a mark that may hold plays not yet applied; transaction markers do not count.

    Raises:
        LookupError: the partition now belongs to another worker.
    """
    try:
        left: int = await app.consumer.num_left(tp, mark_offset)
    except IllegalStateError as exc:
        raise LookupError(f"partition {tp.partition} belongs to another worker") from exc
    return left


def ends_of(app: ChunkApp, tp: TP) -> tuple[int, int]:
    """Return the end of what can be read of a partition, and its end with open transactions; 0 before a fetch."""
    ends: tuple[int, int] = app.consumer.ends(tp)
    return ends


def check_partitions(app: ChunkApp, topic: str, expected: int) -> None:
    """End the process if partitions of the plays were added: static members do not always rebalance then.

    In aiokafka only the group's leader requests it, and a leader that came back under its identity believes that it is
    a follower.
    """
    if is_ready(app) and (num_partitions := app.consumer.num_partitions(topic)) > expected:
        refuse(
            ContractError(
                f"{topic} has {plural(num_partitions, 'partition')}, and had {expected}: {PARTITIONS_CHANGED}"
            )
        )


def remaining_records(app: ChunkApp) -> int:
    """Return how many changelog records recovery still has to read."""
    return max(0, int(app.tables.recovery.active_remaining_total())) if app.in_recovery else 0


def standby_lags(app: ChunkApp) -> dict[int, int]:
    """Return how many changelog records each partition's standby has not read; unknown before its first fetch."""
    if not is_ready(app):
        return {}
    recovery, consumer = app.tables.recovery, app.consumer
    offsets = {tp: recovery.standby_offsets[tp] for tp in recovery.standby_tps & consumer.assignment()}
    ends = {tp: consumer.highwater(tp) for tp in offsets}
    return {tp.partition: max(0, end - 1 - offsets[tp]) for tp, end in ends.items() if end is not None}


def is_ready(app: ChunkApp) -> bool:
    """Whether recovery is over and plays are being answered."""
    return bool(app.tables.actives_ready and not app.rebalancing and not app.in_recovery)
