"""The thread that talks to Kafka: Faust's own, reading committed records only."""

import time
from collections.abc import Collection, Mapping
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Transport
from faust.types import TP

from streamer.kafka.commits import Commit
from streamer.kafka.consumers import create_group_member
from streamer.kafka.identity import IdentityWatch
from streamer.kafka.leaving import leave_at_the_end
from streamer.kafka.unreadable import UnreadableError, naming_unreadable

Records = Mapping[TP, list[ConsumerRecord[bytes, bytes]]]

#: Milliseconds a broker may wait for records before it answers a fetch. Any other request on the same connection waits
#: as long, and recovery makes five in a row for the first and last offsets of changelogs: with Faust's 1,500 ms, a
#: rebalance of empty partitions with standbys took 6 s.
_FETCH_MAX_WAIT_MS = 100

#: A fetch that is held back is answered earlier if it has as many bytes: some hundred plays.
_ENOUGH_BYTES = 64 << 10

#: Records that a fetch has to gain by being held back: fewer would cost their readers time and save little.
_WORTH_HOLDING = 2


def fetch_limits(records_per_s: float, hold_s: float) -> tuple[int, int]:
    """Return the fewest bytes for which a broker answers at once, and how many milliseconds it may wait for them."""
    if records_per_s * hold_s >= _WORTH_HOLDING:
        return _ENOUGH_BYTES, min(int(hold_s * 1000), _FETCH_MAX_WAIT_MS)
    return 1, _FETCH_MAX_WAIT_MS


class ReadCommittedThread(AIOKafkaConsumerThread):
    """The thread that talks to Kafka, reading committed records only."""

    _fetched_s = 0.0  # when the last fetch ended
    _records_per_s = 0.0  # lately

    def _create_worker_consumer(self, _: Transport) -> AIOKafkaConsumer:
        conf = self.app.conf
        self._assignor = self.app.assignor
        return create_group_member(
            self.app.connection,
            group_id=conf.id,
            assignor=self._assignor,
            group_instance_id=conf.consumer_group_instance_id,
            auto_offset_reset=conf.consumer_auto_offset_reset,
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=_FETCH_MAX_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
        )

    async def _fetch_records(self, consumer: AIOKafkaConsumer, *args: Any, **kwargs: Any) -> Records:
        """Fetch; if a record cannot be read, leave every partition where it was.

        Raises:
            UnreadableError: there is such a record. aiokafka has lost what it had taken from other partitions.
        """
        before = {tp: self.reached(tp) for tp in consumer.assignment()}
        try:
            with naming_unreadable(consumer):
                records: Records = await super()._fetch_records(consumer, *args, **kwargs)
                self._hold_fetches(consumer, sum(map(len, records.values())) if records else 0)
                return records
        except UnreadableError:
            for tp in consumer.assignment():
                if (position := before.get(tp)) is not None:
                    consumer.seek(tp, position)
            raise

    def _hold_fetches(self, consumer: AIOKafkaConsumer, num_records: int) -> None:
        """Let brokers hold back the next fetches, if records come so fast that each would bring only a few.

        Otherwise every play is a fetch of its own, which takes half a millisecond of CPU on its way through Faust.
        """
        now_s = time.monotonic()
        rate = num_records / max(now_s - self._fetched_s, 1e-3)
        self._fetched_s, self._records_per_s = now_s, 0.8 * self._records_per_s + 0.2 * rate
        fetcher = consumer._fetcher  # noqa: SLF001  it has no public setters
        min_bytes, wait_ms = fetch_limits(self._records_per_s, self.app.hold_from_s(now_s))
        fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms = min_bytes, wait_ms  # noqa: SLF001

    async def on_start(self) -> None:
        """Start the consumer; watch its membership, and its identity if it has one."""
        await super().on_start()
        self.app.membership.install(self._ensure_consumer())
        if (identity := self.app.conf.consumer_group_instance_id) is not None:
            IdentityWatch(identity, self.app.conf.broker_session_timeout).install(self._ensure_consumer())
            if self.app.hands_over:
                leave_at_the_end(self._ensure_consumer(), identity)

    def highwater(self, tp: TP) -> int | None:
        """Return the last stable offset: the end of what can be read, beyond which transactions are open.

        None before the first fetch, and for a partition that is no longer assigned.
        """
        try:
            end: int | None = self._ensure_consumer().last_stable_offset(tp)
        except AssertionError:  # aiokafka's way to say that it is not assigned
            return None
        return end

    def end(self, tp: TP) -> int | None:
        """Return the end of a partition, open transactions included; None where `highwater` is."""
        try:
            end: int | None = self._ensure_consumer().highwater(tp)
        except AssertionError:
            return None
        return end

    def reached(self, tp: TP) -> int | None:
        """Return the offset after all that was fetched, records and markers; None if it is unknown."""
        subscription = self._ensure_consumer()._subscription.subscription  # noqa: SLF001  `position` is asynchronous
        assignment = subscription and subscription.assignment
        state = assignment and assignment.state_value(TopicPartition(*tp))
        return None if state is None or not state.has_valid_position else int(state.position)

    async def commits_of(self, tps: Collection[TP]) -> dict[TP, Commit | None]:
        """Read the group's commits; Faust reads their offsets only."""
        return cast("dict[TP, Commit | None]", await self.call_thread(self._commits_of, tps))

    async def _commits_of(self, tps: Collection[TP]) -> dict[TP, Commit | None]:
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001  the public `committed` drops the note
        committed = await coordinator.fetch_committed_offsets([TopicPartition(*tp) for tp in tps])
        found = {TP(*partition): Commit.read(offset) for partition, offset in committed.items()}
        return {tp: found.get(tp) for tp in tps}

    async def commit_all(self, commits: Mapping[TP, Commit]) -> bool:
        """Commit, with notes; return False if the partitions went to another worker."""
        return bool(await self.call_thread(self._commit_all, commits))

    async def _commit_all(self, commits: Mapping[TP, Commit]) -> bool:
        assigned = self.assignment()
        self.tp_last_committed_at.update(dict.fromkeys(commits, time.monotonic()))  # else Faust logs that none was made
        try:
            await self._ensure_consumer().commit(
                {TopicPartition(*tp): commit.write() for tp, commit in commits.items() if tp in assigned}
            )
        except CommitFailedError:  # the next rebalance came in between: its owner commits
            return False
        except Exception as exc:  # noqa: BLE001  Faust's `crash` ends the process, and logs the cause
            await self.crash(exc)
            return False
        return True

    def num_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has according to this consumer's metadata; 0 before there is any."""
        return len(self._ensure_consumer().partitions_for_topic(topic) or ())

    def member_id(self) -> str:
        """Return the name that the group has given this member; empty while it is none."""
        coordinator = getattr(self._consumer, "_coordinator", None)  # it has no public name, and none before the start
        return coordinator.member_id if coordinator else ""

    def set_reset_strategy(self, strategy: int) -> None:
        """Set what happens to a position whose record is gone: EARLIEST jumps ahead, NONE fails the fetch."""
        self._ensure_consumer()._fetcher._default_reset_strategy = strategy  # noqa: SLF001  has no public setter
