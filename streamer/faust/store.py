"""The listeners' states on disk: one RocksDB per partition, written in whole batches.

A batch is one RocksDB WriteBatch: its states, progress mark and changelog offset are there together or not at all.
There is no write-ahead log: what a crash takes from memory is in the changelog, and the offset to resume from was lost
with it, so recovery reads on from the offset that was kept. Kafka Streams does the same.

So a store is only a copy of the changelog, and two kinds are discarded and rebuilt from it:

- one that is damaged: when it is opened or, if only reading shows the damage, just before the process ends;
- one that is too old, when it is opened. A store that was offline for longer than the changelog keeps tombstones would
  bring forgotten listeners back. Each batch notes the time up to which the store knows the changelog. A partition that
  had no plays for that long is rebuilt too, which only costs time.

Any other disk error, in particular that another process holds the store, says nothing against the copy: the process
ends, and the store is kept.
"""

import gc
import itertools
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import rocksdict
from faust.events import Event
from faust.stores.rocksdb import Store
from faust.types import TP, CollectionT

from streamer.faust.damage import discard, discard_damaged, is_damage
from streamer.faust.recent import Recent
from streamer.faust.schema import ChunkMessage
from streamer.runtime.crash import crash
from streamer.wire.changelog import Item

logger = logging.getLogger(__name__)

#: The time up to which the store knows the changelog, seconds since the epoch. Faust's keys start with "_" as well.
_CURRENT_AT_KEY = b"__refrain\0current_at__"

#: Age at which a store is discarded: a day less than the changelog's delete.retention.ms (kafka.topics.specs).
MAX_AGE_S = 6 * 24 * 3600

#: RocksDB starts a log of 30 kB each time it is opened, which grows as long as it is open. By default it keeps the last
#: thousand, of any size: more than the states of a small deployment.
_MAX_LOGS = 4
_MAX_LOG_BYTES = 1 << 20

#: RocksDB's manifest keeps the first and last key of every file there was until it is written again: by default, never.
_MAX_MANIFEST_BYTES = 16 << 10


class _TooOldError(Exception):
    """Raised when a store was offline for so long that the changelog may have dropped tombstones it never read."""


class ChunkStore(Store):
    """Faust's RocksDB store, with whole batches instead of single keys.

    A partition is opened when Faust assigns it or starts to recover or replicate it, and never by a read or a write: a
    late one must not reopen a partition that has gone to another worker.

    Faust finds it by the URL scheme `refrain://` (entry point `faust.stores`). Options: `write_buffer_bytes`,
    `block_cache_bytes` and `recent_bytes`, all per partition.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._num_replayed: dict[int, int] = {}
        self._recent: defaultdict[int, Recent] = defaultdict(lambda: Recent(self.options["recent_bytes"]))

    def multi_get(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read many keys at once: from memory, or else from disk without holding the interpreter's lock.

        Raises:
            LookupError: the partition is not open here.
        """
        db = self._opened(partition)
        values, unknown = self._recent[partition].look_up(keys)
        if unknown:
            with self._guarded(partition):
                read: list[bytes | None] = db.get([keys[place] for place in unknown])  # type: ignore[assignment]  # as asked
            for place, value in zip(unknown, read, strict=True):
                values[place] = value
        return values

    def write_batch(self, partition: int, items: Iterable[Item], changelog_offset: int) -> None:
        """Write states, mark and changelog offset, all or nothing.

        Args:
            partition: the partition they belong to.
            items: keys and values; None deletes.
            changelog_offset: offset of the last changelog record among the items.

        Raises:
            LookupError: the partition is not open here.
        """
        self._write(partition, items, changelog_offset, current_at_s=time.time())

    def apply_changelog_batch(self, batch: Iterable[Event], to_key: object, to_value: object) -> None:  # noqa: ARG002
        """Apply the chunks that recovery or a standby has read, each with the offset it ends at.

        If interrupted, the store knows the changelog up to the time of the last record it read, not up to now; a chunk
        without records leaves that time unchanged. Faust would log an error raised here and continue as if the records
        had been applied: `_write` ends the process instead.
        """
        items: dict[int, list[Item]] = defaultdict(list)
        offsets: dict[int, int] = {}
        times_s: dict[int, float] = {}
        for event in batch:
            message: ChunkMessage = event.message
            if message.partition not in self._dbs:  # the partition has gone to another worker in the meantime
                continue
            items[message.partition] += [(record.key, record.value) for record in message.records]
            self._num_replayed[message.partition] = self.num_replayed(message.partition) + len(message.records)
            offsets[message.partition] = message.offset
            if message.records:
                times_s[message.partition] = message.records[-1].timestamp / 1000
        for partition, offset in offsets.items():
            self._write(partition, items[partition], offset, current_at_s=times_s.get(partition))

    def persisted_offset(self, tp: TP) -> int | None:
        """Return the changelog offset of a partition's store; opens it, because this is recovery's first call."""
        self._num_replayed[tp.partition] = 0
        with self._guarded(tp.partition):
            offset: int | None = super().persisted_offset(tp)
        return offset

    def num_replayed(self, partition: int) -> int:
        """Count the changelog records applied since recovery last asked for the offset of a partition's store."""
        return self._num_replayed.get(partition, 0)

    def count_keys(self, partition: int, prefix: bytes) -> int:
        """Count the keys with a prefix, by reading each.

        Raises:
            LookupError: the partition is not open here.
        """
        db = self._opened(partition)
        with self._guarded(partition):
            keys = cast("Iterator[bytes]", db.keys(from_key=prefix))
            return sum(1 for _ in itertools.takewhile(lambda key: key.startswith(prefix), keys))

    def put(self, partition: int, key: bytes, value: bytes) -> None:
        """Write what the changelog does not hold yet.

        Raises:
            LookupError: the partition is not open here.
        """
        db = self._opened(partition)
        with self._guarded(partition):
            db.put(key, value, write_opt=_without_log())
        self._recent[partition].note([(key, value)])

    def revoke_partitions(self, table: CollectionT, tps: set[TP]) -> None:
        """Close the databases of revoked partitions; Faust leaves that to the garbage collector."""
        for tp in tps:
            self._recent.pop(tp.partition, None)
            if tp.topic in table.changelog_topic.topics and (db := self._dbs.pop(tp.partition, None)) is not None:
                with self._guarded(tp.partition):
                    db.close()

    async def stop(self) -> None:
        """Flush and close every database."""
        for partition, db in self._dbs.items():
            with self._guarded(partition):
                db.flush()
                db.close()
        self._dbs.clear()
        self._recent.clear()
        gc.collect()

    def _opened(self, partition: int) -> rocksdict.Rdict:
        if partition not in self._dbs:
            raise LookupError(f"the store of partition {partition} is not open: it belongs to another worker")
        db: rocksdict.Rdict = self._dbs[partition]
        return db

    def _write(self, partition: int, items: Iterable[Item], changelog_offset: int, current_at_s: float | None) -> None:
        db = self._opened(partition)
        with self._guarded(partition):
            batch, written = rocksdict.WriteBatch(raw_mode=True), list(items)
            for key, value in written:
                if value is None:
                    batch.delete(key)
                else:
                    batch.put(key, value)
            batch.put(self.offset_key, str(changelog_offset).encode())
            if current_at_s is not None:
                batch.put(_CURRENT_AT_KEY, str(int(current_at_s)).encode())
            db.write(batch, write_opt=_without_log())
        self._recent[partition].note(written)

    def _open_for_partition(self, partition: int) -> rocksdict.Rdict:
        self._recent.pop(partition, None)
        path = self.partition_path(partition)
        with self._guarded(partition):
            try:
                return self._open_current(path)
            except Exception as exc:
                if not (isinstance(exc, _TooOldError) or is_damage(exc)):
                    raise
                logger.warning("store discarded, to be rebuilt from the changelog path=%s error=%s", path, exc)
            discard(path)
            return self._open_current(path)

    def _open_current(self, path: Path) -> rocksdict.Rdict:
        """Open a store, unless it is too old to continue from its offset in the changelog."""
        db = rocksdict.Rdict(str(path), options=_options(**self.options))
        try:
            _check_age(db)
        except Exception:
            db.close()
            raise
        return db

    @contextmanager
    def _guarded(self, partition: int) -> Iterator[None]:
        """End the process on any error, and discard a damaged store: otherwise the next start would end here again.

        If it were raised, Faust would retry, log or swallow a disk error, depending on the caller.
        """
        try:
            yield
        except Exception as exc:  # noqa: BLE001  any failure leaves a state unknown
            path = self.partition_path(partition)
            crash(f"store of partition {partition} at {path}: {discard_damaged(path, exc)}", exc)


def _check_age(db: rocksdict.Rdict) -> None:
    current_at = db.get(_CURRENT_AT_KEY)
    if current_at is not None and time.time() - int(current_at) >= MAX_AGE_S:
        raise _TooOldError(f"too old: current_at={current_at.decode()}")


def _without_log() -> rocksdict.WriteOptions:
    options = rocksdict.WriteOptions()
    options.disable_wal = True  # type: ignore[assignment, method-assign]  # a property; its stub says method
    return options


def _options(*, write_buffer_bytes: int, block_cache_bytes: int, **_: int) -> rocksdict.Options:
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(write_buffer_bytes)
    options.set_keep_log_file_num(_MAX_LOGS)
    options.set_max_log_file_size(_MAX_LOG_BYTES)
    options.set_max_manifest_file_size(_MAX_MANIFEST_BYTES)
    options.add_compact_on_deletion_collector_factory(1, 1, 0.0)  # any file with one deletion: forgotten listeners
    table = rocksdict.BlockBasedOptions()
    table.set_block_cache(rocksdict.Cache(block_cache_bytes))
    table.set_bloom_filter(10, block_based=False)
    options.set_block_based_table_factory(table)
    return options
