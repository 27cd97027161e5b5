"""How large a demo is, and what its processes are told."""

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
        num_tracks: in the world they listen to.
        history_plays: sent at once, before the trainer starts.
        plays_per_s: from then on; a day of the listeners' time then takes a quarter of a minute.
        train_min_plays: new plays that call for another release: one more after a minute or two.
        train_epochs: enough to beat popularity by far, few enough for a release in half a minute.
        num_workers: processes that answer.
        num_partitions: of the topic of plays, shared by the workers.
        bad_share: of the messages sent, those no worker can read: one in a dozen seconds.
        seed: of world and listening.
    """

    num_listeners: int = 250
    num_tracks: int = 2_000
    history_plays: int = 40_000
    plays_per_s: float = 300.0
    train_min_plays: int = 15_000
    train_epochs: int = 4
    num_workers: int = 2
    num_partitions: int = 4
    bad_share: float = 0.000_3
    seed: int = 1

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of the processes.

        An operator's own `REFRAIN_` variables are left out: a demo must not touch the Kafka they name.
        """
        settings = {
            "APP_ID": "refrain-demo",
            "PARTITIONS": self.num_partitions,
            "PARTITIONER": "murmur2",  # the sender's
            "ANSWER": "each",  # so that every answer can be scored
            "SHORT_TERM_SIZE": SHORT_TERM_SIZE,
            "LONG_TERM_SIZE": LONG_TERM_SIZE,
            "MAX_WAIT_S": 0.02,  # a batch costs some ms however small: two cores have more to do than that
            "TRAIN_MIN_PLAYS": self.train_min_plays,
            "TRAIN_WINDOW_PLAYS": max(self.history_plays, self.train_min_plays),  # later fits take as long as the first
            "TRAIN_EPOCHS": self.train_epochs,
            "TRAIN_DRIFT_PLAYS": self.train_min_plays,  # a look costs seconds, and plays call for a fit soon enough
            "TRAIN_FRESH_AFTER_S": 60,  # four days of the listeners' time
        }
        own = {name: value for name, value in inherited.items() if not name.startswith(_PREFIX)}
        return own | {_PREFIX + name: str(value) for name, value in settings.items()}
