"""Bots: accounts that play a few lists over and over, day and night, of tracks that no listener plays."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

from streamer.local.simulator import SimulatedPlay

LIST_TRACKS: Final = 15
TRACK_MS: Final = 216_000
_PREFIX: Final = "bot-"


@dataclass(frozen=True, slots=True)
class Bots:
    """A group of bots.

    Attributes:
        num_bots: number of accounts.
        num_lists: number of lists, assigned to the accounts in turn.
        from_ms: when they start, ms since the epoch.
        until_ms: when they end, ms since the epoch.
    """

    num_bots: int
    num_lists: int
    from_ms: float
    until_ms: float

    @property
    def user_ids(self) -> tuple[str, ...]:
        """The ids of the accounts."""
        return tuple(f"{_PREFIX}{bot:03}" for bot in range(self.num_bots))

    @property
    def track_ids(self) -> tuple[str, ...]:
        """The ids of the tracks of all lists, list by list."""
        return tuple(f"promoted-{track:03}" for track in range(self.num_lists * LIST_TRACKS))

    def plays(self) -> Iterator[SimulatedPlay]:
        """Yield their plays in order of time."""
        lag_ms, users, tracks = TRACK_MS / self.num_bots, self.user_ids, self.track_ids
        for number in count():
            turn, bot = divmod(number, self.num_bots)
            at_ms = self.from_ms + turn * TRACK_MS + bot * lag_ms
            if at_ms >= self.until_ms:
                return
            track = tracks[bot % self.num_lists * LIST_TRACKS + turn % LIST_TRACKS]
            yield SimulatedPlay(users[bot], track, int(at_ms), "playlist", TRACK_MS, TRACK_MS, False)


def is_bot(user_id: str) -> bool:
    """Return whether a user is a bot."""
    return user_id.startswith(_PREFIX)
