"""The size of a demo, and the settings of its processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from models.config import LONG_TERM_SIZE, SHORT_TERM_SIZE

_PREFIX: Final = "REFRAIN_"


@dataclass(frozen=True, slots=True)
class DemoScale:
    """Sizes and rates; the defaults suit two cores.

    Attributes:
        num_listeners: few, so that each has a history worth learning from when the first release is fitted.
        num_tracks: size of the catalogue.
        first_plays: sent at once; the first release is fitted on them, which takes seconds.
        history_plays: sent in all before the rate applies: the rest follows while that fit runs, for the next one.
        plays_per_s: rate after that; a day of the listeners' time then takes a quarter of a minute.
        train_min_plays: new plays that trigger another release; no more than the first plays.
        train_epochs: of the first release, enough to beat popularity by far; later ones start from the one before.
        num_workers: processes that answer.
        num_partitions: of the topic of plays, shared by the workers.
        bad_share: share of messages that no worker can read: one every dozen seconds.
        seed: of the world and the listening.
    """

    num_listeners: int = 250
    num_tracks: int = 2_000
    first_plays: int = 12_000
    history_plays: int = 40_000
    plays_per_s: float = 300.0
    train_min_plays: int = 12_000
    train_epochs: int = 2
    num_workers: int = 2
    num_partitions: int = 4
    bad_share: float = 0.000_3
    seed: int = 1

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of the processes.

        The operator's own `REFRAIN_` variables are dropped: a demo must not touch the Kafka they name.
        """
        settings = {
            "APP_ID": "refrain-demo",
            "PARTITIONS": self.num_partitions,
            "REPLICATION": 1,  # there is one broker
            "PARTITIONER": "murmur2",  # the sender's
            "ANSWER": "each",  # so that every answer can be scored
            "SHORT_TERM_SIZE": SHORT_TERM_SIZE,
            "LONG_TERM_SIZE": LONG_TERM_SIZE,
            "SESSION_TIMEOUT_S": 45,  # no worker takes over here, and a busy laptop lets one freeze while all start
            "TARGET_LATENCY_MS": 60,  # even a small batch costs some ms, and two cores have other work to do
            "TRAIN_MIN_PLAYS": self.train_min_plays,
            "TRAIN_WINDOW_PLAYS": max(self.history_plays, self.train_min_plays),  # later fits take as long as the first
            "TRAIN_EPOCHS": self.train_epochs,
            "TRAIN_DRIFT_PLAYS": self.train_min_plays,  # a check takes seconds, and plays trigger a fit soon enough
            "TRAIN_FRESH_AFTER_S": 60,  # four days of the listeners' time
        }
        own = {name: value for name, value in inherited.items() if not name.startswith(_PREFIX)}
        return own | {_PREFIX + name: str(value) for name, value in settings.items()}
