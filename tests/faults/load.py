"""The load: a stream of plays determined by a seed, including producers' mistakes and tombstones."""

from __future__ import annotations

import json
import random
from binascii import crc32
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from models.config import CONTEXTS

TRACKS: Final = tuple(f"t{number}" for number in range(60))
EPOCH_MS: Final = 1_600_000_000_000

#: About 10,000 plays; then their times start over, because plays ahead of the broker's clock are rejected.
_SPAN_MS: Final = 150_000_000_000
NUM_PARTITIONS: Final = 4

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GAPS_MS: Final = (-4_000, 0, 30_000, 200_000, 200_000, 5_000_000, 100_000_000)
_SHARE_FORGOTTEN: Final = 0.02
_SHARE_BAD: Final = 0.03


@dataclass(frozen=True, slots=True)
class Event:
    """One record of the topic of plays, and its correct reading.

    Attributes:
        partition: of the record.
        key: of the record.
        value: of the record.
        track_id: what was played; empty if it is no valid play.
        played_at_ms: when, ms since the epoch.
        context: index of CONTEXTS.
        skipped: whether the listener skipped the track.
    """

    partition: int
    key: bytes | None
    value: bytes | None
    track_id: str = ""
    played_at_ms: int = 0
    context: int = 0
    skipped: bool = False

    @property
    def is_play(self) -> bool:
        """Whether it is a valid play."""
        return bool(self.track_id)

    @property
    def forgets(self) -> bool:
        """Whether it is a tombstone."""
        return self.value is None and self.key is not None

    @property
    def is_bad(self) -> bool:
        """Whether it belongs in the dead letters."""
        return not self.is_play and not self.forgets


def draw_events(seed: int, *, num_partitions: int = NUM_PARTITIONS, num_listeners: int = 40) -> Iterator[Event]:
    """Draw records forever: repeats, unknown tracks, late plays, both time formats, tombstones, bad plays."""
    rng = random.Random(seed)
    users = [f"u{number}" for number in range(num_listeners)]
    clock_ms = EPOCH_MS
    while True:
        user = users[min(int(rng.expovariate(6 / num_listeners)), num_listeners - 1)]
        partition = crc32(user.encode()) % num_partitions
        clock_ms = EPOCH_MS + (clock_ms - EPOCH_MS + rng.choice(_GAPS_MS)) % _SPAN_MS
        lot = rng.random()
        if lot < _SHARE_FORGOTTEN:
            yield Event(partition, user.encode(), None)
        elif lot < _SHARE_FORGOTTEN + _SHARE_BAD:
            yield _bad(rng, partition, user, clock_ms)
        else:
            yield _play(rng, partition, user, clock_ms)


def _play(rng: random.Random, partition: int, user: str, played_at_ms: int) -> Event:
    track_id = TRACKS[min(int(rng.expovariate(1 / 15)), len(TRACKS) - 1)]
    context = rng.randrange(len(CONTEXTS))
    skipped = rng.random() < 0.2
    value = {"user_id": user, "track_id": track_id, "played_at": _written(rng, played_at_ms), "skipped": skipped}
    if context:
        value["context"] = CONTEXTS[context]
    return Event(partition, user.encode(), json.dumps(value).encode(), track_id, played_at_ms, context, skipped)


def _written(rng: random.Random, at_ms: int) -> int | str:
    if rng.random() < 0.7:
        return at_ms
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")


def _bad(rng: random.Random, partition: int, user: str, at_ms: int) -> Event:
    play = {"user_id": user, "track_id": TRACKS[0], "played_at": at_ms}
    key, value = rng.choice(
        [
            (user.encode(), b"\xff not json"),
            (user.encode(), json.dumps(play | {"track_id": ""}).encode()),
            (user.encode(), json.dumps(play | {"played_at": at_ms // 1000}).encode()),
            (user.encode(), json.dumps({"user_id": user}).encode()),
            (b"somebody else", json.dumps(play).encode()),
            (None, json.dumps(play).encode()),
        ]
    )
    return Event(partition, key, value)
