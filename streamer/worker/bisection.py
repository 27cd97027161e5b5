"""The culprits: the plays that cannot be computed, found by halving their batch until each is alone.

A batch whose step fails is answered in halves, the first before the second, each a batch with transactions and marks
of its own: a step comes before anything is written, and batching is invisible (law 2). So what failed for its size
succeeds in parts, and nobody is refused. One culprit among n plays costs some 2 log2(n) steps.

A play is a culprit if it fails alone, twice, and the device computes a play known to be good in between; if the device
does not, the process ends, for a dying device must not empty a topic. That is asked when the first play fails alone,
before any other is tried. What company a play came in does not count, so a redelivery judges alike.

What fails may be no new play but what the listener's state holds: a stored state that is no number, or a remembered
play that a new release folds again. Then each new play of that listener is a culprit, one message each, and the state
stays as it is until a release can go on from it: starting it over would be a reset (law 4).
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

from streamer.errors import StepError
from streamer.metrics import WorkerMetrics
from streamer.wire.messages import Cause
from streamer.worker.intake import Intake

logger = logging.getLogger(__name__)

Intakes = Sequence[Intake]


async def answer_bisecting(
    intakes: Intakes,
    answer: Callable[[Intakes], Awaitable[None]],
    check_device: Callable[[], Awaitable[None]],
    metrics: WorkerMetrics,
) -> None:
    """Answer a batch; refuse the plays that keep it from being answered.

    Args:
        intakes: of the batch, one a partition.
        answer: answers them all, or raises a StepError with nothing written.
        check_device: ends the process unless the device computes what it could before.
        metrics: counts steps that fail.
    """
    if not await _failure(intakes, answer, metrics):
        return
    if _num_records(intakes) > 1:
        for half in halve(intakes):
            await answer_bisecting(half, answer, check_device, metrics)
        return
    await check_device()
    if reason := await _failure(intakes, answer, metrics):
        reason += "; another play was computed, so it is this one: send it again under another release"
        await answer([intake.refused(Cause.UNCOMPUTABLE, reason) for intake in intakes])


def halve(intakes: Intakes) -> tuple[list[Intake], list[Intake]]:
    """Split a batch of two records or more; of the partition that is cut, the first half has what came first."""
    first, second = list[Intake](), list[Intake]()
    room = _num_records(intakes) // 2
    for intake in intakes:
        num = len(intake.records)
        cut = min(room, num)
        room -= cut
        if cut:
            first.append(intake.part(0, cut))
        if cut < num:
            second.append(intake.part(cut, num))
    return first, second


async def _failure(intakes: Intakes, answer: Callable[[Intakes], Awaitable[None]], metrics: WorkerMetrics) -> str:
    """Answer; return how the step failed, if it did.

    Text, for an error would keep alive what it passed through.
    """
    try:
        await answer(intakes)
    except StepError as exc:
        num, place = _num_records(intakes), (intakes[0].partition, intakes[0].records[0].offset)
        logger.warning("step failed records=%d first=%d:%d error=%s", num, *place, exc, exc_info=num == 1)
        metrics.step_failures.inc()
        return str(exc)
    return ""


def _num_records(intakes: Intakes) -> int:
    return sum(len(intake.records) for intake in intakes)
