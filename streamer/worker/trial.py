"""A trial: one play that any release should compute, and what a step may return."""

import numpy as np

from models.plays.catalogue import track_key
from models.plays.histories import Histories
from models.release import Release
from models.serving.step import StepOutput, step
from models.serving.step_input import StepInput


def try_out(release: Release) -> None:
    """Compute the first play of a new listener with a release.

    Raises:
        FloatingPointError: a state or a score is not finite.
        Exception: it cannot be computed.
    """
    key = np.uint64(track_key(release.catalogue.track_ids[0]))
    require_numbers(step(release.recommender, first_play(release, key), sizes=(1, 1)))


def require_numbers(output: StepOutput) -> None:
    """Check that every state and score is finite.

    Raises:
        FloatingPointError: one is not.
    """
    if not np.isfinite(output.hidden).all():
        raise FloatingPointError("a state is not finite")
    if not all(np.isfinite(ranked.scores).all() for ranked in output.ranked):
        raise FloatingPointError("a score is not finite")


def first_play(release: Release, track_key: np.uint64) -> StepInput:
    """Lay out the first play of a new listener, to be answered."""
    first = np.zeros(1, np.int64)
    history = Histories(np.array([0, 1]), np.array([track_key]), first, np.zeros(1, np.uint8), np.zeros(1, np.bool_))
    return StepInput.from_nothing(history, first, num_hidden=release.network.config.hidden_size)
