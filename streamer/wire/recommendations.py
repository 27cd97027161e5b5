"""The lists of a batch, written as JSON from prepared fragments.

Encoding lists object by object costs more than everything before it. So the JSON of each track and each score is
prepared, numpy picks the fragments of a whole batch, and a list is one join of them (1.3 us per list of 20; 4.8 us if
Python picks them). Scores lie between 0 and 1, so all have a prepared text. The bytes are those of
`msgspec.json.encode(Recommendation(...))`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.plays.catalogue import FIRST_TRACK, PAD
from streamer.wire.messages import Horizon

_TICKS: Final = 10_000  # scores are rounded to 1e-4, but never to 0, so that readers can take logarithms


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where each of A answers comes from.

    Attributes:
        users: the listeners' ids in UTF-8.
        plays_seen: plays of the listener up to and including the source play.
        source_offsets: offset of the source play.
        played_at_ms: time of the source play, ms since the epoch.
        source_partition: the same for all: answers are committed per partition.
        release: the release that ranked the tracks.
        emitted_at_ms: when the batch was written, ms since the epoch.
    """

    users: Sequence[bytes]
    plays_seen: Sequence[int]
    source_offsets: Sequence[int]
    played_at_ms: Sequence[int]
    source_partition: int
    release: str
    emitted_at_ms: int


class ListEncoder:
    """Writes answers over one catalogue."""

    def __init__(self, track_ids: Sequence[str]) -> None:
        """Prepare the fragments of a catalogue whose row r is `track_ids[r - FIRST_TRACK]`."""
        fragments = [b'{"track_id":' + msgspec.json.encode(track_id) + b',"score":' for track_id in track_ids]
        self._fragments = np.array([b""] * FIRST_TRACK + fragments, np.object_)  # (M + FIRST_TRACK,)
        texts = [msgspec.json.encode(ticks / _TICKS) + b"}," for ticks in range(1, _TICKS + 1)]
        self._score_texts = np.array([b"", *texts], np.object_)  # the first is the text of an empty place

    def encode(
        self, horizon: Horizon, rows: NDArray[np.int64], scores: NDArray[np.float32], lineage: Lineage
    ) -> list[bytes]:
        """Write one recommendation per answer.

        Args:
            horizon: of all the lists.
            rows: int64 (A, k), rows of the catalogue, best first; PAD marks an empty place and is left out.
            scores: float32 (A, k), 0 to 1, written with four decimals, at least 0.0001; any value at empty places.
            lineage: of the A answers.
        """
        head = b'{"user_id":%b,"horizon":"' + horizon.encode() + b'","tracks":[%b],"release":'
        head += msgspec.json.encode(lineage.release).replace(b"%", b"%%")
        head += b',"plays_seen":%d,"source_partition":' + b"%d" % lineage.source_partition
        template = head + b',"source_offset":%d,"played_at":%d,"emitted_at":' + b"%d}" % lineage.emitted_at_ms
        encode_json = msgspec.json.encode
        return [
            template % (encode_json(user.decode()), tracks, plays_seen, source_offset, played_at_ms)
            for user, tracks, plays_seen, source_offset, played_at_ms in zip(
                lineage.users,
                self._encode_tracks(rows, scores),
                lineage.plays_seen,
                lineage.source_offsets,
                lineage.played_at_ms,
                strict=True,
            )
        ]

    def _encode_tracks(self, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> list[bytes]:
        ticks = np.rint(scores.astype(np.float64) * _TICKS).clip(1).astype(np.int64)  # (A, k)
        pieces = np.empty((len(rows), 2 * rows.shape[1]), np.object_)  # (A, 2k): track, score, track, score, ...
        pieces[:, 0::2] = self._fragments[rows]
        pieces[:, 1::2] = self._score_texts[ticks * (rows != PAD)]
        return [b"".join(of_list)[:-1] for of_list in pieces.tolist()]  # less the last comma
