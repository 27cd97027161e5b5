"""The listeners' states on disk: one RocksDB a partition, written whole batches at a time.

A batch is one RocksDB WriteBatch: states, progress mark and the changelog offset they stand at are there together or
not at all. There is no write-ahead log: what a crash takes from memory stands in the changelog, whose offset was lost
with it, and recovery reads on from the offset that was kept. Kafka Streams does the same.

A store that was away for longer than the changelog keeps its tombstones would bring forgotten listeners back: each
batch notes the time, and a store too old is discarded when it is opened, to be rebuilt from the changelog.
"""

import gc
import logging
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import rocksdict
from faust.events import Event
from faust.stores.rocksdb import Store
from faust.types import TP, CollectionT

from streamer.chunks.schema import ChunkMessage
from streamer.crash import crash

logger = logging.getLogger(__name__)

#: When the store was last written, seconds since the epoch; Faust's own keys begin with an underscore too.
_CURRENT_AT_KEY = b"__refrain\0current_at__"

#: Age at which a store is discarded: a day less than the changelog's delete.retention.ms (topics.specs).
MAX_AGE_S = 6 * 24 * 3600

#: Keys and values as they go to the changelog; None deletes.
Item = tuple[bytes, bytes | None]


class ChunkStore(Store):
    """Faust's RocksDB store, with whole batches in place of single keys.

    Opened by the URL scheme `refrain://` (entry point `faust.stores`). Options: `write_buffer_bytes`,
    `block_cache_bytes`, both per partition.
    """

    def multi_get(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read many keys at once; the interpreter's lock is free meanwhile."""
        values: list[bytes | None] = self._db_for_partition(partition).get(list(keys))
        return values

    def write_batch(self, partition: int, items: Iterable[Item], changelog_offset: int) -> None:
        """Write states, mark and changelog offset, all or nothing.

        Args:
            partition: the partition they belong to.
            items: keys and values; None deletes.
            changelog_offset: offset of the last changelog record among the items.
        """
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in items:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.offset_key, str(changelog_offset).encode())
        batch.put(_CURRENT_AT_KEY, str(int(time.time())).encode())
        self._db_for_partition(partition).write(batch, write_opt=_without_log())

    def apply_changelog_batch(self, batch: Iterable[Event], to_key: object, to_value: object) -> None:  # noqa: ARG002
        """Apply what recovery or a standby read: chunk by chunk, each with the offset it ends at.

        Faust logs an error here and goes on as if the records had been applied, hence the crash.
        """
        items: dict[int, list[Item]] = defaultdict(list)
        offsets: dict[int, int] = {}
        for event in batch:
            message: ChunkMessage = event.message
            if message.partition in self._dbs:  # a chunk of a partition that has since moved on is nobody's
                items[message.partition] += [(record.key, record.value) for record in message.records]
                offsets[message.partition] = message.offset
        for partition, offset in offsets.items():
            try:
                self.write_batch(partition, items[partition], offset)
            except Exception as exc:  # noqa: BLE001  any failure leaves a state unknown
                crash(f"changelog of partition {partition} could not be written to {self.path}; check the disk", exc)

    def iterate(self, partition: int, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Walk through the items of a partition whose keys begin with `prefix`, in key order."""
        for key, value in self._db_for_partition(partition).items(from_key=prefix):
            if not key.startswith(prefix):
                return
            yield key, value

    def estimate_num_keys(self, partition: int) -> int:
        """Estimate how many keys a partition has: RocksDB counts overwritten ones twice until it compacts."""
        return self._db_for_partition(partition).property_int_value("rocksdb.estimate-num-keys") or 0

    def revoke_partitions(self, table: CollectionT, tps: set[TP]) -> None:
        """Close the databases of partitions that moved on; Faust leaves that to the garbage collector."""
        for tp in tps:
            if tp.topic in table.changelog_topic.topics and (db := self._dbs.pop(tp.partition, None)) is not None:
                db.close()

    async def stop(self) -> None:
        """Flush and close every database."""
        for db in self._dbs.values():
            db.flush()
            db.close()
        self._dbs.clear()
        gc.collect()

    def _open_for_partition(self, partition: int) -> rocksdict.Rdict:
        path: Path = self.partition_path(partition)
        db = rocksdict.Rdict(str(path), options=_options(**self.options))
        current_at = db.get(_CURRENT_AT_KEY)
        if current_at is None or time.time() - int(current_at) < MAX_AGE_S:
            return db
        logger.warning("store discarded: too old path=%s current_at=%s", path, current_at.decode())
        db.close()
        shutil.rmtree(path)
        return rocksdict.Rdict(str(path), options=_options(**self.options))


def _without_log() -> rocksdict.WriteOptions:
    options = rocksdict.WriteOptions()
    options.disable_wal = True  # type: ignore[assignment, method-assign]  # a property; its stub says method
    return options


def _options(*, write_buffer_bytes: int, block_cache_bytes: int) -> rocksdict.Options:
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(write_buffer_bytes)
    table = rocksdict.BlockBasedOptions()
    table.set_block_cache(rocksdict.Cache(block_cache_bytes))
    table.set_bloom_filter(10, block_based=False)
    options.set_block_based_table_factory(table)
    return options
