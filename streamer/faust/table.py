"""The listeners' table: states, answers, dead letters and progress mark of a batch and partition, in one transaction.

The order that keeps law 1:

    1. one Kafka transaction holds all answers and states of the batch in this partition;
    2. once it is committed, one RocksDB WriteBatch holds the states;
    3. only then may the chunk be acknowledged.

A failure or an unknown outcome anywhere in 1 and 2 ends the process: recovery reads the committed changelog and drops
what the mark covers.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import faust
from aiokafka.errors import InvalidTimestampError, MessageSizeTooLargeError, RecordListTooLargeError

from streamer.errors import ContractError
from streamer.faust.store import ChunkStore
from streamer.kafka.fence import Fence
from streamer.kafka.producers import MAX_BATCH_BYTES
from streamer.kafka.transaction import Records, Writes, fit, write
from streamer.runtime.crash import crash, refuse
from streamer.wire.blobs import Blobs
from streamer.wire.changelog import COUNT_KEY, KIND_LISTENER, MARK_KEY, NO_MARK, Item, Mark, decode_count, encode_count

_WRONG_CLOCK = (
    "Kafka refuses records because of their time (message.timestamp.before.max.ms or after.max.ms of a topic): the "
    "clock of this machine is wrong; set it, e.g. with NTP"
)


class ListenerTable(faust.Table):
    """Faust's table for group membership, assignment and recovery, with whole batches in place of single keys.

    `max_batch_bytes` says how large record batches of a topic may be.
    """

    max_batch_bytes: Mapping[str, int] = MappingProxyType({})

    @property
    def store(self) -> ChunkStore:
        """The store underneath."""
        store = self.data
        assert isinstance(store, ChunkStore)
        return store

    def mark(self, partition: int) -> Mark:
        """Return how far a partition has come; NO_MARK before its first batch."""
        (value,) = self.store.multi_get(partition, [MARK_KEY])
        return NO_MARK if value is None else Mark.decode(value)

    def num_listeners(self, partition: int) -> int:
        """Return how many listeners have a state in a partition, exactly."""
        (value,) = self.store.multi_get(partition, [COUNT_KEY])
        return 0 if value is None else decode_count(value)

    def count_listeners(self, partition: int) -> None:
        """Count a partition's listeners if its states were written by a version that did not.

        That takes seconds for a million listeners, and only until the count is in the changelog. Call it after recovery
        and before the partition's first batch.
        """
        mark, count = self.store.multi_get(partition, [MARK_KEY, COUNT_KEY])
        if mark is not None and count is None:
            self.store.put(partition, COUNT_KEY, encode_count(self.store.count_keys(partition, KIND_LISTENER)))

    async def commit(self, fence: Fence, writes: Writes) -> Mapping[str, int]:
        """Write a batch's part of one partition, exactly once; return by topic the offset behind its last record.

        Args:
            fence: the partition's producer at the time the batch was gathered.
            writes: what to write.
        """
        extras = [*self._count(writes), (MARK_KEY, writes.mark.encode())]
        items = [*zip(writes.state_keys, writes.states.to_list(), strict=True), *extras]
        try:
            ends = await self._commit_transaction(fence, writes, extras)
            self.store.write_batch(writes.partition, items, ends[self.changelog_topic_name] - 1)
        except ContractError as exc:
            refuse(exc)
        except (MessageSizeTooLargeError, RecordListTooLargeError) as exc:
            crash(f"max.message.bytes of a topic was lowered; the next start fits its batches to it: {exc}")
        except InvalidTimestampError:
            refuse(ContractError(_WRONG_CLOCK))
        except BaseException as exc:  # noqa: BLE001  whatever it was, the outcome is unknown
            crash(
                f"the batch of partition {writes.partition} up to offset {writes.mark.offset} was not committed, "
                "or its outcome is unknown; recovery will find out",
                exc,
            )
        return ends

    def _count(self, writes: Writes) -> list[Item]:
        """Return the new number of listeners, if it changes."""
        if not writes.num_added:
            return []
        return [(COUNT_KEY, encode_count(self.num_listeners(writes.partition) + writes.num_added))]

    async def _commit_transaction(self, fence: Fence, writes: Writes, extras: Sequence[Item]) -> Mapping[str, int]:
        """Return by topic the offset behind the last record; the mark goes last, but nothing depends on it."""
        keys = Blobs.of([*writes.state_keys, *(key for key, _ in extras)])
        states = writes.states.followed_by([value for _, value in extras])
        changelog = {self.changelog_topic_name: Records.without_headers(keys, states)}
        batches = {
            topic: fit(topic, records, self.max_batch_bytes.get(topic, MAX_BATCH_BYTES))
            for topic, records in {**writes.outputs, **changelog}.items()
            if len(records)
        }
        return await write(fence, batches)
