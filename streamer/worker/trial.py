"""A trial: one play that any release should compute, and what a step may return."""

from typing import Final

import numpy as np

from models.plays.catalogue import track_key
from models.plays.histories import Histories
from models.release import Release
from models.serving.step import StepOutput, step
from models.serving.step_input import StepInput

_MANY: Final = 16  # listeners: more than go a way of their own where there are few


def try_out(release: Release) -> None:
    """Compute the first play of one new listener with a release, then of many, so that kernels of both are compiled.

    Raises:
        FloatingPointError: a state or a score is not finite.
        Exception: it cannot be computed.
    """
    key = np.uint64(track_key(release.catalogue.track_ids[0]))
    for num_listeners in (1, _MANY):
        require_numbers(step(release.recommender, first_plays(release, key, num_listeners), sizes=(1, 1)))


def require_numbers(output: StepOutput) -> None:
    """Check that every state and score is finite.

    Raises:
        FloatingPointError: one is not.
    """
    if not np.isfinite(output.hidden).all():
        raise FloatingPointError("a state is not finite")
    if not all(np.isfinite(ranked.scores).all() for ranked in output.ranked):
        raise FloatingPointError("a score is not finite")


def first_plays(release: Release, track_key: np.uint64, num_listeners: int = 1) -> StepInput:
    """Lay out the first plays of new listeners, all of one track, to be answered."""
    anchors, keys = np.arange(num_listeners), np.full(num_listeners, track_key)
    contexts, repeats = np.zeros(num_listeners, np.uint8), np.zeros(num_listeners, np.bool_)
    histories = Histories(np.arange(num_listeners + 1), keys, np.zeros_like(anchors), contexts, repeats)
    return StepInput.from_nothing(histories, anchors, num_hidden=release.network.config.hidden_size)
