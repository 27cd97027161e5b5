"""Faults in the steps a worker computes: those of `tests.poison`, and some that need a process of their own."""

from __future__ import annotations

import functools
import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from models.release import Release
from models.serving.step import StepOutput
from models.serving.step_input import StepInput
from streamer.worker.engine import Engine
from tests.poison import Sabotage, broken, in_turn, sound

logger = logging.getLogger(__name__)

#: Logged when the one slow step starts.
BEGINS: Final = "the sabotaged step begins"


@dataclass(frozen=True, slots=True)
class Computing:
    """A fault in the computation of steps.

    Attributes:
        make: builds the sabotage that every step passes through; a module-level function, which the worker's process
            imports by name.
        arguments: of `make`: tracks or numbers.
    """

    make: Callable[..., Sabotage]
    arguments: tuple[str | float, ...] = ()

    def install(self) -> None:
        """Wrap the computation of a step, in this process."""
        sabotage, compute = self.make(*self.arguments), Engine._compute

        @functools.wraps(compute)
        def sabotaged(engine: Engine, release: Release, step_input: StepInput) -> StepOutput:
            return sabotage(step_input, compute(engine, release, step_input))

        Engine._compute = sabotaged  # type: ignore[assignment, method-assign]  # a patch of a method, which no types allow


def broken_after(num_steps: int) -> Sabotage:
    """Break the device for good after some steps."""
    return in_turn(*[sound] * num_steps, broken)


def slow_after(num_steps: int, seconds: float) -> Sabotage:
    """Take long over one step, after some normal ones."""

    def slow(_: StepInput, output: StepOutput) -> StepOutput:
        logger.warning(BEGINS)
        time.sleep(seconds)  # the duration is the fault
        return output

    return in_turn(*[sound] * num_steps, slow, sound)


def exits_after(num_steps: int) -> Sabotage:
    """End the thread in the middle of a step, after some normal ones."""
    steps = itertools.count()

    def exiting(_: StepInput, output: StepOutput) -> StepOutput:
        return output if next(steps) < num_steps else _exit()

    return exiting


def _exit() -> NoReturn:
    raise SystemExit("a library ends the thread")
