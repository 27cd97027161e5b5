"""Engines that fail: on plays of certain tracks, or when there is too much to fold."""

from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import pairwise

import numpy as np

from models.plays.catalogue import track_key
from models.release import Release
from models.serving.step import Ranked, StepOutput
from models.serving.step_input import StepInput
from streamer.worker.engine import Engine
from tests.offline import SIZES

#: From a step's input and its correct output to the output it gives: the same, or a sabotaged one.
Sabotage = Callable[[StepInput, StepOutput], StepOutput]


class SabotagedEngine(Engine):
    """An engine whose every step passes through the sabotage; `num_steps` counts them."""

    def __init__(self, sabotage: Sabotage, *, max_step_s: float = 20.0) -> None:
        super().__init__(sizes=SIZES, heard_masked=(0, 0), max_step_s=max_step_s, num_threads=1)
        self.sabotage = sabotage
        self.num_steps = 0

    def _compute(self, release: Release, step_input: StepInput) -> StepOutput:
        self.num_steps += 1
        return self.sabotage(step_input, super()._compute(release, step_input))


def sound(_: StepInput, output: StepOutput) -> StepOutput:
    return output


def broken(_: StepInput, __: StepOutput) -> StepOutput:
    raise RuntimeError("CUDA error: device-side assert triggered")


def in_turn(*sabotages: Sabotage) -> Sabotage:
    """Apply the sabotages one per step, in order; the last one to all later steps."""
    remaining = iter(sabotages[:-1])

    def sabotage(step_input: StepInput, output: StepOutput) -> StepOutput:
        current = next(remaining, sabotages[-1])
        return current(step_input, output)

    return sabotage


def raises_over(*tracks: str) -> Sabotage:
    def sabotage(step_input: StepInput, output: StepOutput) -> StepOutput:
        if has_poison(step_input, tracks):
            raise ZeroDivisionError("a kernel went wrong")
        return output

    return sabotage


def no_state_of(*tracks: str) -> Sabotage:
    def sabotage(step_input: StepInput, output: StepOutput) -> StepOutput:
        hidden = output.hidden.copy()
        hidden[-1, 0] = np.nan if has_poison(step_input, tracks) else hidden[-1, 0]
        return replace(output, hidden=hidden)

    return sabotage


def no_score_of(*tracks: str) -> Sabotage:
    def sabotage(step_input: StepInput, output: StepOutput) -> StepOutput:
        short, long = output.ranked
        scores = long.scores.copy()
        scores[-1, 0] = np.nan if has_poison(step_input, tracks) else scores[-1, 0]
        return replace(output, ranked=(short, Ranked(long.rows, scores)))

    return sabotage


def out_of_memory_above(num_plays: int) -> Sabotage:
    def sabotage(step_input: StepInput, output: StepOutput) -> StepOutput:
        if len(folded_keys(step_input)) > num_plays:
            raise MemoryError
        return output

    return sabotage


def has_poison(step_input: StepInput, tracks: Collection[str]) -> bool:
    return not {track_key(track) for track in tracks}.isdisjoint(folded_keys(step_input))


def folded_keys(step_input: StepInput) -> list[int]:
    """The track keys of the plays that a step folds: those its states do not include yet."""
    keys, bounds = step_input.histories.track_keys.tolist(), step_input.histories.bounds.tolist()
    rows = zip(pairwise(bounds), step_input.fold_from.tolist(), strict=True)
    return [key for (first, last), num_held in rows for key in keys[first + num_held : last]]
