"""Figures: what a worker did in each of the latest seconds, as JSON."""

from typing import Annotated

import msgspec
from msgspec import Meta

from streamer.metrics.latencies import LATENCY_SECONDS
from streamer.wire.views_members import Said

NUM_BUCKETS = len(LATENCY_SECONDS) + 1

_AtMs = Annotated[int, Meta(description="When the second ended, milliseconds since 1970-01-01T00:00:00Z.")]
_Buckets = Annotated[
    tuple[int, ...],
    Meta(
        min_length=NUM_BUCKETS,
        max_length=NUM_BUCKETS,
        description="Plays by latency, in the buckets of `refrain_event_to_recommendation_seconds`.",
    ),
]


class Counts(msgspec.Struct, frozen=True):
    """What means and percentiles are made of, so that those of several workers can be computed exactly."""

    plays: int
    batches: int
    step_cpu_us: float
    latencies: _Buckets


class Figures(msgspec.Struct, frozen=True):
    """One second. null where nothing is known, or nothing was played."""

    at_ms: _AtMs
    plays_per_s: float
    answers_per_s: Annotated[float, Meta(description="Lists written, of both horizons together.")]
    dead_letters_per_s: float
    lag_plays: Annotated[float | None, Meta(description="Records that are not yet applied, in all partitions owned.")]
    lag_s: Annotated[float | None, Meta(description="Of the partition that is furthest behind.")]
    latency_p50_ms: Annotated[float | None, Meta(description="From a play's Kafka timestamp to its committed answer.")]
    latency_p99_ms: float | None
    batch_plays: Annotated[float | None, Meta(description="Plays in a batch, in the mean.")]
    step_cpu_us: Annotated[float | None, Meta(description="CPU of the compute thread, microseconds a play.")]
    release: Annotated[str | None, Meta(description="That answers; null without one, and where workers differ.")]
    partitions: Annotated[int, Meta(description="How many are answered.")]
    counts: Counts


class CountColumns(msgspec.Struct, frozen=True):
    """`Counts` of each second."""

    plays: tuple[int, ...]
    batches: tuple[int, ...]
    step_cpu_us: tuple[float, ...]
    latencies: tuple[_Buckets, ...]


class FiguresHistory(Said, frozen=True):
    """`Figures` of each of the latest seconds, oldest first, column by column; a second may be missing."""

    at_ms: tuple[_AtMs, ...]
    plays_per_s: tuple[float, ...]
    answers_per_s: tuple[float, ...]
    dead_letters_per_s: tuple[float, ...]
    lag_plays: tuple[float | None, ...]
    lag_s: tuple[float | None, ...]
    latency_p50_ms: tuple[float | None, ...]
    latency_p99_ms: tuple[float | None, ...]
    batch_plays: tuple[float | None, ...]
    step_cpu_us: tuple[float | None, ...]
    release: tuple[str | None, ...]
    partitions: tuple[int, ...]
    counts: CountColumns


class FiguresQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose figures."""

    all: Annotated[bool, Meta(description="Of all workers that can be reached, added up; else of this one alone.")] = (
        True
    )


class FiguresEvent(msgspec.Struct, frozen=True):
    """The second that has just ended."""

    merged: Annotated[Figures, Meta(description="All workers that can be reached, added up.")]
    workers: Annotated[dict[str, Figures], Meta(description="Each of them, by `identity`.")]


class ReleaseEvent(msgspec.Struct, frozen=True):
    """The release that answers from now on."""

    release: Annotated[str | None, Meta(description="null: none does.")]
