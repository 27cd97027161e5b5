r"""The names of tracks on disk: a RocksDB that is a copy of the topic `catalogue`, with an index by words.

    m                       which topic it is a copy of, and the version of this layout
    p  partition            the next offset to read
    t  track key            what the newest record says of the track
    w  word \0 track key     nothing

A portion of the topic is one WriteBatch: names, words and places are there together or not at all. There is no
write-ahead log: what a crash takes from memory is read from the topic again. A store that is damaged, another topic's,
or so old that Kafka may have removed tombstones it never saw is discarded, and filled again.
"""

import itertools
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import msgspec
import numpy as np
import rocksdict
from numpy.typing import NDArray

from models.plays.catalogue import track_key
from streamer.faust.damage import discard, is_damage
from streamer.kafka.topic_identity import TopicIdentity
from streamer.wire.catalogue import TrackRecord
from streamer.worker.name_words import words_of_record

logger = logging.getLogger(__name__)

_VERSION: Final = 1
_META, _PLACE, _TRACK, _WORD = b"m", b"p", b"t", b"w"
_KEY_BYTES: Final = 8

#: Less than a day, for which Kafka keeps tombstones unless told otherwise.
MAX_AGE_S: Final = 20 * 3600
_NOTED_EVERY_S: Final = 3600

_WRITE_BUFFER_BYTES: Final = 4 << 20
_CACHE_BYTES: Final = 8 << 20
_MAX_LOG_BYTES: Final = 1 << 20


class Naming(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the newest record says of a track.

    Attributes:
        track_id: of the track.
        partition: of the record.
        written_at_ms: Kafka's timestamp.
        record: None if it gives no name: the track is withdrawn, or the record was refused.
    """

    track_id: str
    partition: int
    written_at_ms: int
    record: TrackRecord | None


class _Meta(msgspec.Struct, frozen=True, array_like=True):
    version: int
    topic: str
    topic_id: str
    num_partitions: int
    current_at_s: int


_encode: Final = msgspec.msgpack.Encoder().encode
_read_naming: Final = msgspec.msgpack.Decoder(Naming).decode
_read_meta: Final = msgspec.msgpack.Decoder(_Meta).decode


class NameStore:
    """Keeps names; any thread may call it.

    Args:
        path: of its directory.
        topic: the catalogue's name.

    Raises:
        Exception: RocksDB's, of a disk that fails or is full; each method may raise it.
    """

    def __init__(self, path: Path, topic: str) -> None:
        self._path = path
        self._topic = topic
        self._lock = threading.Lock()
        self._db = _open_current(path)
        meta = _meta_of(self._db)
        self._current_at_s = time.time() if meta is None else meta.current_at_s

    def places(self, topic: TopicIdentity) -> dict[int, int]:
        """Return the next offset of each partition; none if the store is not a copy of this topic."""
        with self._lock:
            meta = _meta_of(self._db)
            if meta is None or (meta.version, meta.topic, meta.topic_id, meta.num_partitions) != self._mark(topic):
                return {}
            found = {number: self._db.get(_place_key(number)) for number in range(topic.num_partitions)}
        return {number: int.from_bytes(value, "big") for number, value in found.items() if value is not None}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._db.close()
            discard(self._path)
            self._db, self._current_at_s = _open(self._path), time.time()

    def apply(
        self, namings: Sequence[Naming], topic: TopicIdentity, places: Mapping[int, int], *, is_current: bool
    ) -> None:
        """Write what records say, and the places behind them, all or nothing.

        Of a track that is in several partitions, the newest record counts; in one partition, the last one.

        Args:
            namings: what the records say, in order.
            topic: which topic they are of.
            places: the next offset of each partition.
            is_current: whether the end was reached; the store notes when that was last so, at intervals if idle.
        """
        now_s = time.time()
        if not namings and not (is_current and now_s - self._current_at_s >= _NOTED_EVERY_S):
            return
        if is_current:
            self._current_at_s = now_s
        batch = rocksdict.WriteBatch(raw_mode=True)
        for number, offset in places.items():
            batch.put(_place_key(number), offset.to_bytes(8, "big"))
        batch.put(_META, _encode(_Meta(*self._mark(topic), int(self._current_at_s))))
        with self._lock:
            for key, (before, naming) in self._newest(namings).items():
                _put(batch, key, before, naming)
            self._db.write(batch, write_opt=_without_log())

    def look_up(self, keys: NDArray[np.uint64]) -> list[Naming | None]:
        """Return what is known of tracks by their keys, uint64 (N,)."""
        with self._lock:
            return self._get(keys.tolist())

    def find(self, word: str, limit: int) -> NDArray[np.uint64]:
        """Return the keys, rising, of tracks with a word that begins like this: of the first ones by the alphabet."""
        prefix = _WORD + word.encode()
        with self._lock:
            keys = cast("Iterator[bytes]", self._db.keys(from_key=prefix))  # 0.3 us each
            of_word = itertools.takewhile(lambda key: key.startswith(prefix), itertools.islice(keys, limit))
            found = b"".join([key[-_KEY_BYTES:] for key in of_word])
        return np.unique(np.frombuffer(found, ">u8").astype(np.uint64))

    def close(self) -> None:
        """Flush and close."""
        with self._lock:
            self._db.flush()
            self._db.close()

    def _mark(self, topic: TopicIdentity) -> tuple[int, str, str, int]:
        return _VERSION, self._topic, topic.topic_id, topic.num_partitions

    def _get(self, keys: Sequence[int]) -> list[Naming | None]:
        values: list[bytes | None] = self._db.get([_TRACK + key.to_bytes(_KEY_BYTES, "big") for key in keys])  # type: ignore[assignment]  # as asked
        return [None if value is None else _read_naming(value) for value in values]

    def _newest(self, namings: Sequence[Naming]) -> dict[bytes, tuple[Naming | None, Naming]]:
        """Return, by key, what is kept of a track, and what shall be."""
        keys = [track_key(naming.track_id) for naming in namings]
        kept = dict(zip(keys, self._get(keys), strict=True))
        newest: dict[int, Naming] = {}
        for key, naming in zip(keys, namings, strict=True):
            before = newest.get(key) or kept[key]
            if before is None or before.partition == naming.partition or before.written_at_ms <= naming.written_at_ms:
                newest[key] = naming
        return {key.to_bytes(_KEY_BYTES, "big"): (kept[key], naming) for key, naming in newest.items()}


def _put(batch: rocksdict.WriteBatch, key: bytes, before: Naming | None, naming: Naming) -> None:
    had = set(words_of_record(before.record)) if before and before.record else set()
    has = set(words_of_record(naming.record)) if naming.record else set()
    for word in had - has:
        batch.delete(_WORD + word.encode() + b"\0" + key)
    for word in has - had:
        batch.put(_WORD + word.encode() + b"\0" + key, b"")
    batch.put(_TRACK + key, _encode(naming))


def _open_current(path: Path) -> rocksdict.Rdict:
    """Open what is there, or an empty store in place of what is damaged or too old."""
    try:
        db = _open(path)
        meta = _meta_of(db)
        if meta is None or time.time() - meta.current_at_s < MAX_AGE_S:
            return db
        db.close()
        logger.info("names discarded, to be read again path=%s: too old", path)
    except Exception as exc:
        if not (is_damage(exc) or isinstance(exc, msgspec.DecodeError)):
            raise
        logger.warning("names discarded, to be read again path=%s error=%s", path, exc)
    discard(path)
    return _open(path)


def _open(path: Path) -> rocksdict.Rdict:
    path.parent.mkdir(parents=True, exist_ok=True)
    return rocksdict.Rdict(str(path), options=_options())


def _meta_of(db: rocksdict.Rdict) -> _Meta | None:
    value = db.get(_META)
    return None if value is None else _read_meta(value)


def _place_key(partition: int) -> bytes:
    return _PLACE + partition.to_bytes(4, "big")


def _without_log() -> rocksdict.WriteOptions:
    options = rocksdict.WriteOptions()
    options.disable_wal = True  # type: ignore[assignment, method-assign]  # a property; its stub says method
    return options


def _options() -> rocksdict.Options:
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_keep_log_file_num(1)
    options.set_max_log_file_size(_MAX_LOG_BYTES)
    table = rocksdict.BlockBasedOptions()
    table.set_block_cache(rocksdict.Cache(_CACHE_BYTES))
    table.set_cache_index_and_filter_blocks(True)  # else they take memory as the catalogue grows
    table.set_bloom_filter(10, block_based=False)
    options.set_block_based_table_factory(table)
    return options
