"""Figure views: seconds as columns -> what goes out as JSON, and back, since workers read each other's.

What is not known is NaN here, which JSON has no word for: it goes out as null, and comes back as None.
"""

from typing import Any, Final

import numpy as np

from streamer.queries.seconds import RATES, SECOND, Seconds, percentile_ms
from streamer.wire.views_figures import CountColumns, Counts, Figures, FiguresHistory

_SHOWN: Final = ("at_ms", *RATES, "lag_plays", "lag_s", "release", "partitions")


def history(seconds: Seconds, member_id: str) -> FiguresHistory:
    """Write seconds column by column, as the worker with a name in the group says them."""
    counts = {name: tuple(seconds[name].tolist()) for name in ("plays", "batches", "step_cpu_us")}
    latencies = tuple(map(tuple, seconds["latencies"].tolist()))
    return FiguresHistory(member_id, **_columns(seconds), counts=CountColumns(**counts, latencies=latencies))


def figures(second: Seconds) -> Figures:
    """Write one second, (1,)."""
    shown = {name: column[0] for name, column in _columns(second).items()}
    plays, batches, step_cpu_us, latencies = (second[name][0].tolist() for name in Counts.__struct_fields__)
    return Figures(**shown, counts=Counts(plays, batches, step_cpu_us, tuple(latencies)))


def read_history(shown: FiguresHistory) -> Seconds:
    """Read what `history` wrote."""
    seconds = np.zeros(len(shown.at_ms), SECOND)
    for name in _SHOWN:
        seconds[name] = getattr(shown, name)
    for name in Counts.__struct_fields__:
        seconds[name] = np.reshape(getattr(shown.counts, name), seconds[name].shape)
    return seconds


def read_figures(shown: Figures) -> Seconds:
    """Read what `figures` wrote."""
    second = np.zeros(1, SECOND)
    for name in _SHOWN:
        second[name] = getattr(shown, name)
    for name in Counts.__struct_fields__:
        second[name] = getattr(shown.counts, name)
    return second


def _columns(seconds: Seconds) -> dict[str, tuple[Any, ...]]:
    """Return the columns that are shown, by name."""
    plays, batches, step_cpu_us = (
        np.where(seconds[name], seconds[name], np.nan) for name in ("plays", "batches", "step_cpu_us")
    )
    derived = {
        "latency_p50_ms": percentile_ms(seconds["latencies"], 0.5),
        "latency_p99_ms": percentile_ms(seconds["latencies"], 0.99),
        "batch_plays": seconds["plays"] / batches,
        "step_cpu_us": step_cpu_us / plays,  # without a release, plays take no step
    }
    given = {name: seconds[name] for name in _SHOWN}
    return {name: tuple(column.tolist()) for name, column in (given | derived).items()}
