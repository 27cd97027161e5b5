"""How large the day is: who listens to what, how fast, when the bots come, and what calls for a fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from typing import Final

import msgspec
import numpy as np

from streamer.demo.scale import DemoScale
from streamer.demo.traffic import START_MS, Message
from streamer.local.simulator import SimulatedPlay, simulate
from streamer.local.world import DAY_MS, Debuts, World
from tests.bench.day.bots import Bots

_SETTINGS: Final = {
    "TRAIN_WINDOW_PLAYS": 36_000,  # two weeks: what a fit takes stays the same
    "TRAIN_DRIFT_PLAYS": 4_000,
    "TRAIN_FRESH_AFTER_S": 60,
    "LONG_TERM_SIZE": 20,  # nobody looks at it here
}


@dataclass(frozen=True, slots=True)
class DayScale:
    """Sizes and rates; the defaults suit two cores, and take a quarter of an hour.

    Attributes:
        demo: listeners, tracks, their first days, the rate, and what is enough for a fit.
        num_days: of the listeners' time, from the first play to the last.
        debut_share: of the albums come out evenly between the end of the first week and the last day.
        bots: who plays lists over and over.
    """

    demo: DemoScale = field(
        default_factory=lambda: DemoScale(
            num_listeners=120,
            num_tracks=1_200,
            history_plays=16_000,
            plays_per_s=110.0,
            train_min_plays=14_000,
            num_workers=1,
            bad_share=0.0,
        )
    )
    num_days: float = 45.0
    debut_share: float = 0.5
    bots: Bots = field(
        default_factory=lambda: Bots(30, num_lists=6, from_ms=START_MS + 25 * DAY_MS, until_ms=START_MS + 25.5 * DAY_MS)
    )

    @property
    def until_ms(self) -> float:
        """When the last play is."""
        return START_MS + self.num_days * DAY_MS

    def world(self) -> World:
        """Make up the world."""
        demo = self.demo
        debuts = Debuts(self.debut_share, START_MS + 7 * DAY_MS, self.until_ms)
        return World.build(np.random.default_rng(demo.seed), demo.num_listeners, demo.num_tracks, debuts=debuts)

    def messages(self, world: World) -> Iterator[Message]:
        """Yield what listeners and bots send, in the order of their time, to the last day's end."""
        listeners = simulate(world, np.random.default_rng(self.demo.seed), START_MS)
        for play in merge(listeners, self.bots.plays(), key=_time):
            if play.played_at >= self.until_ms:
                return
            yield Message(play.user_id.encode(), msgspec.json.encode(play), play)

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of the processes: a demo's, but for what is said here."""
        own = {f"REFRAIN_{name}": str(value) for name, value in _SETTINGS.items()}
        return self.demo.environment(inherited) | own


def _time(play: SimulatedPlay) -> int:
    return play.played_at
