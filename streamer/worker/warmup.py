"""What is compiled before the first batch: the kernels that read and write bytes take seconds, the first time."""

import numpy as np

from models.config import NetworkConfig
from models.networks.network import TasteNetwork
from models.plays.catalogue import FIRST_TRACK, Catalogue
from models.plays.histories import Histories
from models.plays.track_ids import TrackIds
from models.serving.compiled_attribution import attribute_scores
from models.serving.leaving_out import leave_out
from models.serving.recommender import Recommender
from models.serving.scoring import ScoringWeights
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


def warm_up_views() -> None:
    """Compile the kernels of a listener's view, or load them, by explaining one play to a network of no training."""
    network, catalogue = TasteNetwork(NetworkConfig(embedding_size=1, hidden_size=4), 1).eval(), Catalogue(["t"])
    recommender = Recommender(network.requires_grad_(requires_grad=False), catalogue)
    no, one = np.zeros(1, np.bool_), np.zeros(1, np.int64)
    leave_out(recommender, Histories(np.arange(2), catalogue.keys, one, np.zeros(1, np.uint8), no), one)
    units, four = np.zeros((4, 4), np.float32), np.zeros(4, np.float32)
    weights = ScoringWeights(units, four, units, four, units, units, four)
    attribute_scores(weights, units, four, np.zeros(4, np.int64), np.zeros((2, 1)))
