"""The scale of the day: listeners and tracks, rates, when the bots come, and what triggers a fit."""

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
    "TRAIN_WINDOW_PLAYS": 36_000,  # two weeks: the cost of a fit stays constant
    "TRAIN_DRIFT_PLAYS": 4_000,
    "TRAIN_FRESH_AFTER_S": 60,
    "LONG_TERM_SIZE": 20,  # not judged here
}


@dataclass(frozen=True, slots=True)
class DayScale:
    """Sizes and rates; the defaults suit two cores and take a quarter of an hour.

    Attributes:
        demo: listeners, tracks, their history, the rate, and how many plays a fit needs.
        num_days: of the listeners' time, from the first play to the last.
        debut_share: share of the albums that come out, spread evenly from the end of the first week to the last day.
        bots: accounts that play lists over and over.
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
        """The end of the day, ms since the epoch."""
        return START_MS + self.num_days * DAY_MS

    def world(self) -> World:
        """Build the simulated world."""
        demo = self.demo
        debuts = Debuts(self.debut_share, START_MS + 7 * DAY_MS, self.until_ms)
        return World.build(np.random.default_rng(demo.seed), demo.num_listeners, demo.num_tracks, debuts=debuts)

    def messages(self, world: World) -> Iterator[Message]:
        """Yield the messages of listeners and bots, in order of their time, until the end."""
        listeners = simulate(world, np.random.default_rng(self.demo.seed), START_MS)
        for play in merge(listeners, self.bots.plays(), key=_time):
            if play.played_at >= self.until_ms:
                return
            yield Message(play.user_id.encode(), msgspec.json.encode(play), play)

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of the processes: a demo's, with the settings above."""
        own = {f"REFRAIN_{name}": str(value) for name, value in _SETTINGS.items()}
        return self.demo.environment(inherited) | own


def _time(play: SimulatedPlay) -> int:
    return play.played_at
