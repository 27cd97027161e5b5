import math

import msgspec
import numpy as np
import pytest

from streamer.queries.figure_views import figures, history, read_figures, read_history
from streamer.queries.figures import merge
from streamer.queries.seconds import SECOND, Seconds, together
from streamer.wire.views_figures import Figures, FiguresHistory


def busy_and_idle() -> Seconds:
    seconds = np.zeros(2, SECOND)
    seconds["at_ms"], seconds["release"] = [1000, 2000], ["r1", None]
    seconds["plays_per_s"], seconds["plays"], seconds["batches"] = [40.5, 0], [40, 0], [16, 0]
    seconds["step_cpu_us"], seconds["lag_plays"], seconds["lag_s"] = [9000, 0], [7, math.nan], [0.5, math.nan]
    seconds["latencies"][0, 6] = 40  # 50 to 100 ms
    return seconds


def test_figures_go_through_json_and_back() -> None:
    seconds = busy_and_idle()

    shown = msgspec.json.decode(msgspec.json.encode(figures(seconds[:1])), type=Figures)
    columns = msgspec.json.decode(msgspec.json.encode(history(seconds, "worker-0")), type=FiguresHistory)

    assert repr(read_figures(shown)) == repr(seconds[:1])
    assert repr(read_history(columns)) == repr(seconds)


def test_means_and_percentiles_are_of_the_plays_of_a_second() -> None:
    shown = figures(busy_and_idle()[:1])

    assert (shown.batch_plays, shown.step_cpu_us, shown.lag_plays, shown.release) == (2.5, 225, 7, "r1")
    assert shown.latency_p50_ms == 75
    assert shown.latency_p99_ms == pytest.approx(99.5)


def test_what_nobody_knows_of_an_idle_second_is_null() -> None:
    shown = msgspec.json.decode(msgspec.json.encode(figures(busy_and_idle()[1:])), type=Figures)

    unknown = {name for name in Figures.__struct_fields__ if getattr(shown, name) is None}

    assert unknown == {
        "lag_plays", "lag_s", "latency_p50_ms", "latency_p99_ms", "batch_plays", "step_cpu_us", "release",
    }  # fmt: skip
    assert shown.plays_per_s == 0


def test_plays_that_took_no_step_have_no_cost_of_one() -> None:
    seconds = busy_and_idle()
    seconds["step_cpu_us"] = 0

    assert np.isnan(figures(seconds[:1]).step_cpu_us or 0)


def test_one_worker_alone_has_the_figures_that_adding_up_would_give() -> None:
    for number in range(2):
        second = busy_and_idle()[number : number + 1]
        alone = msgspec.json.encode(merge([figures(second)], num_partitions=0))

        assert alone == msgspec.json.encode(figures(together([second])))


def test_every_column_of_a_history_is_that_of_the_figures() -> None:
    seconds = busy_and_idle()
    columns = history(seconds, "worker-0")

    for place in (0, 1):
        shown = figures(seconds[place : place + 1])
        for name in Figures.__struct_fields__:
            if name != "counts":
                assert repr(getattr(columns, name)[place]) == repr(getattr(shown, name))
