"""The listeners of a measurement: their states as in a store, and the next play of each as a producer sends it."""

from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.config import RING_SIZE
from models.plays.catalogue import FIRST_TRACK, Catalogue
from models.plays.histories import Histories
from models.serving.step_input import StepInput
from streamer.wire.state import BIT_REPEATS, States, encode

_Kind = TypeVar("_Kind", bound=np.generic)

_PLAYS_SEEN: Final = 500


@dataclass(frozen=True, slots=True)
class Audience:
    """L listeners, all of whom have listened for long.

    Attributes:
        users: their ids in UTF-8.
        states: their state records.
        plays: the JSON of their next plays.
    """

    users: list[bytes]
    states: list[bytes]
    plays: list[bytes]

    def __len__(self) -> int:
        """Return L."""
        return len(self.users)


def make_audience(listeners: StepInput, catalogue: Catalogue, release_key: int, num_listeners: int) -> Audience:
    """Make listeners of those that `world.make_listeners` made; several share a state and a play.

    Args:
        listeners: each with a full ring, full counts and one new play.
        catalogue: of their tracks.
        release_key: of the release that made their states.
        num_listeners: L.
    """
    users = [b"listener-%08d" % number for number in range(num_listeners)]
    records = [record for record in encode(_states(listeners, release_key)).to_list() if record is not None]
    rows, last = catalogue.rows(listeners.histories.track_keys), listeners.histories.bounds[1:] - 1
    track_ids = [catalogue.track_ids[row - FIRST_TRACK] for row in rows[last].tolist()]
    played_at_ms, encoder = listeners.histories.played_at_ms[last].tolist(), msgspec.json.Encoder()
    plays = [
        encoder.encode(
            {
                "user_id": user.decode(),
                "track_id": track_ids[number % len(records)],
                "played_at": played_at_ms[number % len(records)],
                "context": "playlist",
            }
        )
        for number, user in enumerate(users)
    ]
    return Audience(users, [records[number % len(records)] for number in range(num_listeners)], plays)


def _states(listeners: StepInput, release_key: int) -> States:
    """Return the states before the new plays."""
    num, histories = len(listeners.hidden), listeners.histories
    played_at_ms = _rings(histories, histories.played_at_ms)
    return States(
        release_key=np.full(num, release_key, np.uint64),
        promoted_at_ms=np.ones(num, np.int64),
        plays_folded=np.full(num, _PLAYS_SEEN),
        plays_seen=np.full(num, _PLAYS_SEEN),
        repeats_seen=_rings(histories, histories.repeats).sum(axis=1),
        source_offset=np.full(num, -1),
        played_at_ms=played_at_ms[:, -1],
        ring_track_keys=_rings(histories, histories.track_keys),
        ring_played_at_ms=played_at_ms,
        ring_contexts=_rings(histories, histories.contexts),
        ring_bits=_rings(histories, histories.repeats) * np.uint8(BIT_REPEATS),
        counted_track_keys=listeners.counts.track_keys,
        counts=listeners.counts.counts,
        hidden=listeners.hidden,
        said=np.zeros((num, 0), np.uint32),
    )


def _rings(histories: Histories, column: NDArray[_Kind]) -> NDArray[_Kind]:
    """Return the remembered plays of each listener, (B, RING_SIZE): all but the new one."""
    return column.reshape(histories.num_listeners, RING_SIZE + 1)[:, :RING_SIZE]
