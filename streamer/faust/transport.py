"""The chunk consumer: Faust's consumer, handing over one message per partition and fetch instead of one per play.

What it changes, each pinned by a contract test:

- `getmany` yields chunks for the source topic and the changelog; other topics go Faust's way.
- All topics are read committed, in recovery too; where a changelog ends in a marker, an empty chunk says so.
- Offsets are acknowledged chunk by chunk, never past one that is still in work (Faust issue 606).
- During a rebalance only changelogs are fetched, and only while states are recovered: what is fetched between Faust's
  seek and its resume is lost (596), of plays as of a standby's changelog.
- A revocation commits first, and only then forgets what was acknowledged (502).
- An assignment takes the fences before recovery begins; after recovery each partition starts at its progress mark.
- From there no position moves but by reading: where records are deleted before they were read, the process ends.
"""

import gc
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.consumer.fetcher import OffsetResetStrategy
from aiokafka.errors import IllegalStateError, OffsetOutOfRangeError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streamer.faust.schema import position_chunk, records_chunk
from streamer.kafka.identity import IdentityWatch
from streamer.runtime.crash import crash

if TYPE_CHECKING:
    from streamer.faust.marks import Marks

Records = Mapping[TP, list[ConsumerRecord[bytes, bytes]]]

#: Pause of the fetcher while only changelogs may be fetched and there are none, or nothing at all, seconds.
_REBALANCE_PAUSE_S = 0.05

#: How long a broker may wait for records to come before it answers a fetch. Whatever else is asked for on the same
#: connection waits as long, and recovery asks five times, one after the other, where changelogs begin and end: with
#: Faust's 1,500 ms a rebalance of empty partitions with standbys took 6 s.
_FETCH_MAX_WAIT_MS = 100


class ReadCommittedThread(AIOKafkaConsumerThread):
    """The thread that talks to Kafka, reading nothing of aborted or open transactions."""

    def _create_worker_consumer(self, transport: Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001  Faust ties it to its own exactly_once
        consumer._fetch_max_wait_ms = _FETCH_MAX_WAIT_MS  # noqa: SLF001  Faust has no setting for it
        return consumer

    async def on_start(self) -> None:
        """Start the consumer, and watch its identity if it has one."""
        await super().on_start()
        if (identity := self.app.conf.consumer_group_instance_id) is not None:
            IdentityWatch(identity, self.app.conf.broker_session_timeout).install(self._ensure_consumer())

    def highwater(self, tp: TP) -> int | None:
        """Return the end of what can be read, behind which transactions are open.

        None before the first fetch, and of a partition that has moved on.
        """
        try:
            end: int | None = self._ensure_consumer().last_stable_offset(tp)
        except AssertionError:  # aiokafka's way to say that it is not assigned
            return None
        return end

    def num_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, as far as this consumer has heard; 0 before it has."""
        return len(self._ensure_consumer().partitions_for_topic(topic) or ())

    def set_reset_strategy(self, strategy: int) -> None:
        """Say where a position goes whose record is not there: EARLIEST jumps ahead, NONE fails the fetch."""
        self._ensure_consumer()._fetcher._default_reset_strategy = strategy  # noqa: SLF001  fixed for good elsewhere


class ChunkConsumer(Consumer):
    """Faust's consumer, in chunks. Where partitions go on, and their fences: `app.marks`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ends: defaultdict[TP, deque[int]] = defaultdict(deque)  # last offset of each chunk not yet acknowledged
        self._told: dict[TP, int] = {}  # how far recovery has been told that a changelog was read
        self._marked_generation: int | None = None

    @property
    def _marks(self) -> "Marks":
        marks: Marks = self.app.marks
        return marks

    def _new_consumer_thread(self) -> ReadCommittedThread:
        return ReadCommittedThread(self, loop=self.loop, beacon=self.beacon)

    def _is_chunked(self, topic: str) -> bool:
        return topic == self._marks.source_topic or topic in self.app.tables.changelog_topics

    # -- fetching

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109  Faust's signature
        """Yield a chunk for each partition the fetch brought."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if self.should_stop or not self.flow_active:
            return
        for tp, message in self._messages(records or {}, generation):
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if active is None or tp in active or tp in self._buffered_partitions:
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp) or 0)
                yield tp, message
        async for tp, message in self._positions(generation):
            yield tp, message

    def _messages(self, records: Records, generation: int) -> Iterable[tuple[TP, ConsumerMessage]]:
        single: dict[TP, list[ConsumerRecord[bytes, bytes]]] = {}
        for tp, fetched in records.items():
            is_source = tp.topic == self._marks.source_topic
            if is_source and self.app.rebalancing:  # by a fetch from before it; they are read again from the mark on
                continue
            if self._is_chunked(tp.topic):
                self._told[tp] = fetched[-1].offset
                if is_source:
                    self._ends[tp].append(fetched[-1].offset)
                yield tp, records_chunk(tp, fetched, generation)
            else:
                single[tp] = fetched
        for tp, record in self.scheduler.iterate(single):
            yield tp, self._to_message(tp, record)

    async def _positions(self, generation: int) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Tell recovery (and standbys) how far changelogs were read where no record stands at their end."""
        if not (self.app.in_recovery or (self.app.assignor.assigned_standbys() and not self.app.rebalancing)):
            return
        for tp in sorted(filter(self._is_changelog_tp, self.assignment())):
            try:
                position = await self.position(tp)
            except IllegalStateError:  # the next rebalance came in between
                return
            if position is not None and position - 1 > self._told.get(tp, -1):
                self._told[tp] = position - 1
                yield tp, position_chunk(tp, position - 1, generation)

    async def _wait_next_records(self, timeout: float) -> tuple[Records | None, set[TP] | None]:  # noqa: ASYNC109
        """Fetch as soon as there is something to be fetched; Faust would look again a second later."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        if not self._get_active_partitions():
            await self.sleep(_REBALANCE_PAUSE_S)
            return {}, set()
        fetched: tuple[Records | None, set[TP] | None] = await super()._wait_next_records(timeout)
        return fetched

    async def _getmany(  # Faust's signature
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109
    ) -> Records:
        if self.app.rebalancing:
            active_partitions = set(filter(self._is_changelog_tp, active_partitions or ()))
            if not (active_partitions and self.app.in_recovery):
                await self.sleep(_REBALANCE_PAUSE_S)
                return {}
            timeout = min(timeout, _REBALANCE_PAUSE_S)  # no play is fetched before this fetch of changelogs is over
        generation = self.app.consumer_generation_id
        if not self.app.rebalancing and self.flow_active and generation != self._marked_generation:
            try:
                await self._start_at_marks()
            except IllegalStateError:  # the next rebalance came in between: it deals the partitions out anew
                return {}
            self._marked_generation = generation
            gc.collect()  # each rebalance leaves megabytes in cycles, and the collector rests (worker.spare_collector)
        try:
            records: Records = await super()._getmany(active_partitions, timeout)
        except OffsetOutOfRangeError as exc:
            crash(f"records were deleted before they were read, at {_places(exc)}; the next start says what mends it")
        return records

    # -- positions

    async def _start_at_marks(self) -> None:
        """After recovery, before the first fetch of a generation: the mark says where to go on, not the commit.

        Copies of others' states go on behind what they have: a chunk that Faust cleared would be missing for ever.
        """
        sources = [tp for tp in self.assignment() if tp.topic == self._marks.source_topic]
        self._thread.set_reset_strategy(OffsetResetStrategy.NONE)  # before the seek, which voids what was fetched
        starts: dict[TP, int] = {}
        if sources:
            starts = await self._marks.starts_of({tp: self._committed_offset.get(tp) for tp in sources})
        recovery = self.app.tables.recovery
        copies = recovery.standby_tps & self.assignment()
        behind_copies = {tp: recovery.standby_offsets[tp] + 1 for tp in copies}
        await self.seek_wait(starts | behind_copies)  # in the consumer's own thread, unlike `seek`

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek, and tell positions anew from there."""
        for tp in partitions:
            self._told.pop(tp, None)
        await super().seek_wait(partitions)

    async def perform_seek(self) -> None:
        """Seek to the committed offsets; chunks handed over before are void."""
        self._ends.clear()
        await super().perform_seek()

    # -- group membership

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take the fences of the partitions assigned, then let Faust recover their states."""
        self._marks.check_assignment(self.app.assignor.assigned_actives())
        await self._marks.fences.take(tp.partition for tp in assigned if tp.topic == self._marks.source_topic)
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit what is done, then let Faust wait for what is in work."""
        await self.commit()
        await super().on_partitions_revoked(revoked)
        self._thread.set_reset_strategy(OffsetResetStrategy.EARLIEST)  # recovery has no position to begin with
        self._marked_generation = None
        self._buffered_partitions.clear()  # the queues are empty, and Faust would let through what it had fetched
        for tp in revoked:
            self._ends.pop(tp, None)

    async def num_left(self, tp: TP, mark_offset: int) -> int:
        """Count the offsets of a source partition behind its mark that may hold plays still to be done.

        Raises:
            IllegalStateError: the partition is no longer this worker's.
        """
        end = self.highwater(tp) or 0
        is_read = (await self.position(tp) or 0) >= end
        left: int = 0 if is_read and not self._ends[tp] else max(0, end - mark_offset - 1)
        return left

    def num_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, as far as this consumer has heard; 0 before it has."""
        found: int = self._thread.num_partitions(topic)
        return found

    # -- acknowledgements

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset to commit: behind the last chunk acknowledged without one unacknowledged before it."""
        if not self._is_chunked(tp.topic):
            offset: int | None = super()._new_offset(tp)
            return offset
        ends, acknowledged, new = self._ends[tp], self._acked_index[tp], None
        while ends and ends[0] in acknowledged:
            end = ends.popleft()
            acknowledged.discard(end)
            new = end + 1
        if new is not None:
            self._acked[tp][:] = [offset for offset in self._acked[tp] if offset >= new]
        return new

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Keep no gaps for chunks: their ends say all."""
        if not self._is_chunked(tp.topic):
            await super()._add_gap(tp, offset_from, offset_to)

    async def crash(self, reason: BaseException) -> None:
        """End the process: Faust would go on heart-beating without consuming."""
        crash("the consumer failed; see the cause, and the broker's log", reason)


def _places(gone: OffsetOutOfRangeError) -> str:
    return ", ".join(f"offset {offset} of {tp.topic}-{tp.partition}" for tp, offset in gone.args[0].items())


class ChunkTransport(Transport):
    """Faust's aiokafka transport with the chunk consumer; URL scheme `refrain://` (entry point `faust.transports`)."""

    Consumer = ChunkConsumer
