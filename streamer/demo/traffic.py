"""The traffic: plays of the listeners of a simulated world, and occasionally a message that no worker can read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from streamer.local.simulator import SimulatedPlay, simulate
from streamer.local.world import World

#: 2001-01-01: listeners live some thousand times as fast as the clock, and a play from the future would be rejected.
START_MS: Final = 978_307_200_000


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send.

    Attributes:
        key: of the record.
        value: of the record.
        play: its content; None if no worker can read it.
    """

    key: bytes
    value: bytes
    play: SimulatedPlay | None


def make_traffic(world: World, rng: np.random.Generator, bad_share: float) -> Iterator[Message]:
    """Yield the listeners' messages forever, in the order of their time.

    Args:
        world: listeners and music.
        rng: of the listening.
        bad_share: bad messages per play, sent in addition to the plays.
    """
    num_bad = 0
    for play in simulate(world, rng, START_MS):
        if rng.random() < bad_share:
            yield _DAMAGES[num_bad % len(_DAMAGES)](play)
            num_bad += 1
        yield Message(play.user_id.encode(), msgspec.json.encode(play), play)


def _cut_off(play: SimulatedPlay) -> Message:
    return Message(play.user_id.encode(), msgspec.json.encode(play)[:40], None)


def _without_track(play: SimulatedPlay) -> Message:
    return Message(play.user_id.encode(), msgspec.json.encode({"user_id": play.user_id, "played_at": 0}), None)


def _in_seconds(play: SimulatedPlay) -> Message:
    changed = msgspec.structs.replace(play, played_at=play.played_at // 1000)
    return Message(play.user_id.encode(), msgspec.json.encode(changed), None)


def _of_another(play: SimulatedPlay) -> Message:
    return Message(b"somebody-else", msgspec.json.encode(play), None)


#: Typical producer errors, sent in turn: not JSON, a missing field, the unit of the time, the key.
_DAMAGES: Final[Sequence[Callable[[SimulatedPlay], Message]]] = (_cut_off, _without_track, _in_seconds, _of_another)
