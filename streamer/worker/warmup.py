"""What is compiled before the first batch: the kernels that read and write bytes take seconds, the first time."""

import numpy as np

from models.plays.catalogue import FIRST_TRACK
from models.plays.track_ids import TrackIds
from streamer.kafka.record_batch import record_batches
from streamer.kafka.transaction import Record, Records
from streamer.wire.blobs import Blobs
from streamer.wire.recommendations import Lineage, ListEncoder
from streamer.wire.state import decode, encode
from streamer.worker.saying import choose_lists


def warm_up() -> None:
    """Compile the kernels, or load them from their cache, by writing one answer and one state, and finding a track."""
    users, ones = Blobs.of([b"u", None]).take(np.zeros(1, np.int64)), np.ones(1, np.int64)
    lineage = Lineage(users, ones, ones, ones, ones, "warm-up", 0)
    rows, scores = np.full((1, 1), FIRST_TRACK), np.ones((1, 1), np.float32)
    ListEncoder(TrackIds.of(["t"])).encode("short-term", rows, scores, lineage)
    TrackIds.of(["t"]).hold("t")
    decode(encode(decode([None], 1)).to_list(), 1)
    published, marks = np.ones(1, np.bool_), np.ones((1, 1), np.uint32)
    choose_lists(published, marks.copy(), 0, 1, np.zeros(1, np.int64), marks, 1.0)
    records = Records.of([Record(b"key", b"value")])
    for batch in record_batches(records.keys, records.values, records.headers, timestamp_ms=0, max_bytes=1):
        batch.encode(-1, -1, 0)
