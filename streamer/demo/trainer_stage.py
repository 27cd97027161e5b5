"""What the trainer is doing, in a few words, read from the metrics it serves."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client.samples import Sample

from streamer.local.cluster import Cluster

_PERIOD_S: Final = 0.5

#: A fit has not read its plays yet.
_BEFORE_WINDOW: Final = ("", "wait", "catch-up", "read")

_WORDS: Final = {
    "catch-up": "archiving the plays so far",
    "read": "reading the plays to learn from",
    "items": "learning item vectors",
    "network": "training the network, epoch {epoch:.0f} of {epochs:.0f}",
    "candidates": "finding candidates for the second stage",
    "second-stage": "training the second stage, epoch {epoch:.0f} of {epochs:.0f}",
    "judge": "judging the new weights",
    "map": "drawing the map of tracks",
    "publish": "publishing the release",
}


class TrainerStage:
    """Follows the trainer of a cluster.

    Args:
        cluster: its trainer need not be running yet.

    Attributes:
        words: what the trainer is doing.
        steps: the stages and epochs that it has reached so far, in words: one more is progress.
        has_window: whether a fit has read its plays, so that later ones are left to the next.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.words = "starting"
        self.steps: set[str] = set()
        self.has_window = False

    async def run(self) -> None:
        """Keep the words up to date forever; they stay unchanged while the trainer does not answer."""
        while True:
            samples = await asyncio.to_thread(self._cluster.samples, "trainer")
            self.note(samples)
            await asyncio.sleep(_PERIOD_S)

    def note(self, samples: Sequence[Sample]) -> None:
        """Note what the trainer's metrics show."""
        self.words = in_words(samples) or self.words
        self.has_window = self.has_window or has_window(samples)
        if _stage(samples) in _WORDS:
            self.steps.add(self.words)


def in_words(samples: Sequence[Sample]) -> str:
    """Describe what a trainer with these metrics is doing; empty if they do not show it."""
    if not (stage := _stage(samples)):
        return ""
    values = {each.name: each.value for each in samples if not each.labels}
    if stage == "wait":
        return _waiting(values)
    return _WORDS[stage].format(epoch=values["refrain_fit_epoch"], epochs=values["refrain_fit_epochs"])


def has_window(samples: Sequence[Sample]) -> bool:
    """Tell whether a trainer with these metrics is in a fit that has read its plays."""
    return _stage(samples) not in _BEFORE_WINDOW


def _stage(samples: Sequence[Sample]) -> str:
    shown = (each.labels["stage"] for each in samples if each.name == "refrain_trainer_stage" and each.value)
    return next(shown, "")


def _waiting(values: Mapping[str, float]) -> str:
    words, num_refused = "collecting plays", int(values["refrain_releases_refused_total"])
    if (num_needed := values["refrain_plays_for_fit"]) > 0:  # NaN until known
        words += f", {min(values['refrain_plays_since_fit'], num_needed):,.0f} of {num_needed:,.0f}"
    return words + (f"; the gate refused {num_refused} so far" if num_refused else "")
