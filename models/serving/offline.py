"""Offline serving: the lists that a step produces after any plays of whole histories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.config import LONG_TERM_SIZE, SHORT_TERM_SIZE
from models.plays.catalogue import PAD
from models.plays.histories import Histories
from models.plays.split import Lists
from models.serving.recommender import Recommender
from models.serving.step import step
from models.serving.step_input import StepInput

_MAX_STEP_PLAYS: Final = 1 << 14  # plays of one step of evaluation


def answer(recommender: Recommender, histories: Histories, anchors: NDArray[np.int64]) -> Lists:
    """Answer after some plays, a batch of listeners at a time, each from their first play on.

    Args:
        recommender: the lists hold rows of its catalogue.
        histories: P plays, of tracks known to the recommender or not.
        anchors: int64 (A,), rising indices into them.
    """
    short_term = np.full((len(anchors), SHORT_TERM_SIZE), PAD, np.int64)
    long_term = np.full((len(anchors), LONG_TERM_SIZE), PAD, np.int64)
    for part, step_input in steps_to(histories, anchors, recommender.network.config.hidden_size):
        output = step(recommender, step_input, sizes=(SHORT_TERM_SIZE, LONG_TERM_SIZE))
        short_term[part], long_term[part] = (ranked.rows for ranked in output.ranked)
    return Lists(short_term, long_term)


def steps_to(histories: Histories, anchors: NDArray[np.int64], hidden_size: int) -> Iterator[tuple[slice, StepInput]]:
    """Lay out the steps that lead to some anchors, a batch of listeners at a time, each from their first play on.

    A step has the plays of its own listeners only, so its anchors are shifted. Three listeners, b without an anchor:

        histories      a0  a1 | b0  b1 | c0  c1         anchors 1 and 5: after a1 and c1
        one step       a0  a1 | c0  c1                  anchors 1 and 3: c begins 2 plays earlier

    Args:
        histories: P plays.
        anchors: int64 (A,), rising indices into them.
        hidden_size: floats of a state.

    Yields:
        The slice of the anchors that a step answers, and the step.
    """
    listeners = np.searchsorted(histories.bounds, anchors, side="right") - 1  # (A,)
    for batch in _listener_batches(histories, np.unique(listeners)):
        part = histories.of(batch)
        begin, end = np.searchsorted(listeners, [batch[0], batch[-1] + 1])
        shifts = part.bounds[np.searchsorted(batch, listeners[begin:end])] - histories.bounds[listeners[begin:end]]
        yield slice(begin, end), StepInput.from_nothing(part, anchors[begin:end] + shifts, num_hidden=hidden_size)


def _listener_batches(histories: Histories, listeners: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Cut rising listeners into batches of about _MAX_STEP_PLAYS plays."""
    if not len(listeners):
        return
    plays = np.cumsum(np.diff(histories.bounds)[listeners])
    yield from np.split(listeners, np.flatnonzero(np.diff(plays // _MAX_STEP_PLAYS)) + 1)
