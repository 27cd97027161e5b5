"""The chunk consumer: Faust's consumer, yielding one message per partition and fetch instead of one per play.

What it changes, each pinned by a contract test:

- `getmany` yields chunks of the source topic and the changelog; other topics are read as Faust reads them.
- All topics are read committed, in recovery too; if a changelog ends with a marker, an empty chunk says so.
- Offsets are acknowledged chunk by chunk, never past one that is still in progress (Faust issue 606). Once all that was
  read is acknowledged, the commit moves behind the transaction markers that follow: outside tools count them as lag.
- During a rebalance only changelogs are fetched, and only while states are recovered: Faust loses whatever is fetched
  between its seek and its resume (596), plays as well as a standby's changelog.
- A revocation commits first, and only then forgets the acknowledgements (502).
- An assignment takes the fences before recovery starts; after recovery each partition starts at its progress mark.
- From then on, positions move only by reading: if records are deleted before they are read, the process ends.
"""

import gc
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import ConsumerRecord
from aiokafka.consumer.fetcher import OffsetResetStrategy
from aiokafka.errors import IllegalStateError, OffsetOutOfRangeError
from faust.transport.drivers.aiokafka import Consumer, Producer, Transport
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streamer.faust.schema import position_chunk, records_chunk
from streamer.faust.thread import ReadCommittedThread, Records
from streamer.kafka.unreadable import UnreadableError
from streamer.runtime.crash import crash, refuse

if TYPE_CHECKING:
    from streamer.faust.marks import Marks

#: Seconds the fetcher pauses while there is nothing it may fetch.
_REBALANCE_PAUSE_S = 0.05


class ChunkConsumer(Consumer):
    """Faust's consumer, in chunks. `app.marks` says where partitions continue, and holds their fences."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ends: defaultdict[TP, deque[int]] = defaultdict(deque)  # last offset of each chunk not yet acknowledged
        self._done: dict[TP, int] = {}  # of source partitions: everything before it is acknowledged
        self._fetched: dict[TP, int] = {}  # of source partitions: after the last record fetched since the mark
        self._reached: dict[TP, int] = {}  # of source partitions: after the last fetch, markers included
        self._reported: dict[TP, int] = {}  # the last changelog offset that recovery knows was read
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
        """Yield one chunk per partition in the fetch."""
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
            if is_source and self.app.rebalancing:  # from a fetch before it; the plays are read again from the mark
                continue
            if self._is_chunked(tp.topic):
                self._reported[tp] = fetched[-1].offset
                if is_source:
                    self._ends[tp].append(fetched[-1].offset)
                yield tp, records_chunk(tp, fetched, generation)
            else:
                single[tp] = fetched
        for tp, record in self.scheduler.iterate(single):
            yield tp, self._to_message(tp, record)

    async def _positions(self, generation: int) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Report to recovery (and standbys) how far changelogs were read that do not end with a record."""
        if not (self.app.in_recovery or (self.app.assignor.assigned_standbys() and not self.app.rebalancing)):
            return
        for tp in sorted(filter(self._is_changelog_tp, self.assignment())):
            try:
                position = await self.position(tp)
            except IllegalStateError:  # the next rebalance came in between
                return
            if position is not None and position - 1 > self._reported.get(tp, -1):
                self._reported[tp] = position - 1
                yield tp, position_chunk(tp, position - 1, generation)

    async def _wait_next_records(self, timeout: float) -> tuple[Records | None, set[TP] | None]:  # noqa: ASYNC109
        """Fetch as soon as there is something to fetch; Faust would look again only after a second."""
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
            timeout = min(timeout, _REBALANCE_PAUSE_S)  # no play is fetched until this fetch of changelogs has ended
        generation = self.app.consumer_generation_id
        if not self.app.rebalancing and self.flow_active and generation != self._marked_generation:
            try:
                await self._start_at_marks()
            except IllegalStateError:  # the next rebalance came in between: it reassigns the partitions
                return {}
            self._marked_generation = generation
            gc.collect()  # each rebalance leaves megabytes in cycles that the rare collector (worker.run) would keep
        unreadable = self.app.unreadable
        active_partitions = {tp for tp in active_partitions or () if not unreadable.waits(tp)}
        if not active_partitions:  # nothing but what cannot be read
            await self.sleep(_REBALANCE_PAUSE_S)
            return {}
        try:
            records: Records = await super()._getmany(active_partitions, timeout)
        except OffsetOutOfRangeError as exc:
            crash(f"records were deleted before they were read, at {_places(exc)}; the next start names the remedy")
        except UnreadableError as exc:
            if exc.partition.topic != self._marks.source_topic:  # without its states a partition cannot be served
                refuse(exc)
            unreadable.add(exc)
            return {}
        for tp in records:
            unreadable.discard(tp)
        self._note(records)
        return records

    def _note(self, records: Records) -> None:
        """Remember, before the next fetch, how far this one has come: a commit must not pass a record under way."""
        for tp in self._done:
            if tp in records:
                self._fetched[tp] = records[tp][-1].offset + 1
            if (reached := self._thread.reached(tp)) is not None:
                self._reached[tp] = reached

    # -- positions

    async def _start_at_marks(self) -> None:
        """Seek, after recovery and before the first fetch of a generation, to the marks instead of the commits.

        Standbys continue after what they have: a chunk that Faust cleared would be missing for good.
        """
        sources = [tp for tp in self.assignment() if tp.topic == self._marks.source_topic]
        self._thread.set_reset_strategy(OffsetResetStrategy.NONE)  # before the seek, which voids what was fetched
        starts: dict[TP, int] = {}
        if sources:
            starts = await self._marks.starts_of(await self._thread.commits_of(sources))
        self._void()
        self._done = dict(starts)
        recovery = self.app.tables.recovery
        copies = recovery.standby_tps & self.assignment()
        behind_copies = {tp: recovery.standby_offsets[tp] + 1 for tp in copies}
        await self.seek_wait(starts | behind_copies)  # in the consumer's own thread, unlike `seek`

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek, and report positions again from there."""
        for tp in partitions:
            self._reported.pop(tp, None)
        await super().seek_wait(partitions)

    async def perform_seek(self) -> None:
        """Seek to the committed offsets; chunks yielded before are void."""
        self._ends.clear()
        self._void()
        await super().perform_seek()

    def _void(self) -> None:
        """Forget how far the source partitions were read."""
        for offsets in (self._done, self._fetched, self._reached):
            offsets.clear()

    # -- group membership

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take the fences of the assigned partitions, then let Faust recover their states."""
        self.app.membership.note_joined()
        with self._ending("assignment"):
            await self._marks.check_assignment(self.app.assignor.assigned_actives())
            await self._marks.fences.take(tp.partition for tp in assigned if tp.topic == self._marks.source_topic)
            await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit what is done, then let Faust wait for what is in progress."""
        with self._ending("revocation"):
            await self.commit()
            await super().on_partitions_revoked(revoked)
        self._thread.set_reset_strategy(OffsetResetStrategy.EARLIEST)  # recovery has no position to start with
        self._marked_generation = None
        self._buffered_partitions.clear()  # their queues are empty, yet Faust would let earlier fetches through
        self._void()
        for tp in revoked:
            self._ends.pop(tp, None)
            self.app.unreadable.discard(tp)

    @contextmanager
    def _ending(self, what: str) -> Iterator[None]:
        """End the process at an error: aiokafka would log it, and count the partitions as served."""
        try:
            yield
        except Exception as exc:
            if self.should_stop:
                raise
            crash(f"the {what} of partitions failed; see the cause", exc)

    async def num_left(self, tp: TP, mark_offset: int) -> int:
        """Count the offsets of a source partition after its mark that may hold plays not yet applied.

        Raises:
            IllegalStateError: the partition no longer belongs to this worker.
        """
        end = self.highwater(tp) or 0
        is_read = (await self.position(tp) or 0) >= end
        left: int = 0 if is_read and not self._ends[tp] else max(0, end - mark_offset - 1)
        return left

    def ends(self, tp: TP) -> tuple[int, int]:
        """Return the end of what can be read of a partition, and its end with open transactions; 0 before a fetch."""
        readable = self.highwater(tp) or 0
        return readable, max(readable, self._thread.end(tp) or 0)

    def num_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has according to this consumer's metadata; 0 before there is any."""
        num_partitions: int = self._thread.num_partitions(topic)
        return num_partitions

    def member_id(self) -> str:
        """Return the name that the group has given this member; empty while it is none."""
        name: str = self._thread.member_id()
        return name

    # -- acknowledgements

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset to commit: after the last chunk up to which all are acknowledged; None if none is new."""
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
            if tp in self._done:
                self._done[tp] = max(new, self._done[tp])
        return self._behind_markers(tp) or new

    def _behind_markers(self, tp: TP) -> int | None:
        """Return the offset after the markers that follow, if everything before them is acknowledged."""
        done, reached = self._done.get(tp), self._reached.get(tp)
        if done is None or reached is None or self._ends[tp] or self._fetched.get(tp, done) > done:
            return None
        return reached if reached > done else None

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        """Consider the source partitions too: a marker may have followed what they have acknowledged."""
        mine = (tp for tp in self._done if topics is None or tp in topics or tp.topic in topics)
        yield from dict.fromkeys([*super()._filter_tps_with_pending_acks(topics), *mine])

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit with notes that say how far the states are."""
        is_committed: bool = await self._thread.commit_all(
            {tp: self._marks.commit_at(tp, offset) for tp, offset in offsets.items()}
        )
        return is_committed

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Record no gaps for chunks: their ends suffice."""
        if not self._is_chunked(tp.topic):
            await super()._add_gap(tp, offset_from, offset_to)

    async def crash(self, reason: BaseException) -> None:
        """End the process: Faust would keep sending heartbeats without consuming."""
        crash("the consumer failed; see the cause, and the broker's log", reason)


def _places(error: OffsetOutOfRangeError) -> str:
    return ", ".join(f"offset {offset} of {tp.topic}-{tp.partition}" for tp, offset in error.args[0].items())


class ConnectedProducer(Producer):
    """Faust's own producer, which sends nothing, with our connection."""

    def _settings_auth(self) -> Mapping[str, Any]:
        options: dict[str, object] = self.app.connection.client_options()
        return options


class ChunkTransport(Transport):
    """Faust's aiokafka transport with the chunk consumer; URL scheme `refrain://` (entry point `faust.transports`)."""

    Consumer = ChunkConsumer
    Producer = ConnectedProducer
