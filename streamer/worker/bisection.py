"""Bisection: uncomputable plays are found by halving their batch until each is alone.

If the step of a batch fails, its halves are answered one after the other, each as a batch with its own transactions and
marks. This is safe because a step comes before anything is written, and because batching is invisible (law 2). So a
batch that failed because of its size succeeds in parts, and no play is rejected. One uncomputable play among n costs
about 2 log2(n) steps.

A play is uncomputable if it fails alone, twice, and the device computes a known good play in between. If the device
does not, the process ends, because a dying device must not empty a topic. The device is checked when the first play
fails alone, before any other is tried. The verdict does not depend on the rest of the batch, so a redelivery reaches
the same verdict.

The cause may not be a new play but the listener's state: a stored state with a NaN or infinity, or a remembered play
that a new release folds again. Then each new play of that listener is rejected, one message each, and the state stays
as it is until a release can continue from it: starting over would be a reset (law 4).
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
    """Answer a batch, and reject its uncomputable plays.

    Args:
        intakes: of the batch, one per partition.
        answer: answers them all, or raises StepError and writes nothing.
        check_device: ends the process unless the device computes a known good play.
        metrics: count the steps that fail.
    """
    if not await _failure(intakes, answer, metrics):
        return
    if _num_records(intakes) > 1:
        for half in halve(intakes):
            await answer_bisecting(half, answer, check_device, metrics)
        return
    await check_device()
    if reason := await _failure(intakes, answer, metrics):
        reason += "; the device computed another play, so the fault is in this one: re-send it under another release"
        await answer([intake.rejected(Cause.UNCOMPUTABLE, reason) for intake in intakes])


def halve(intakes: Intakes) -> tuple[list[Intake], list[Intake]]:
    """Split a batch of at least two records; if that splits a partition, its earlier records go to the first half."""
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
    """Answer; return how the step failed, or "".

    This is text because an exception would keep alive the frames it passed through.
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
