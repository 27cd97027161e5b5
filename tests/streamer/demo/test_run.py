import dataclasses
import json
import os
import threading
import time

import psutil
import pytest

from streamer.cluster import ClusterError
from streamer.demo.run import run_demo
from streamer.demo.scale import DemoScale

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
TINY = DemoScale(
    num_listeners=40, num_tracks=240, history_plays=6_000, plays_per_s=150.0, train_min_plays=2_000, train_epochs=2,
    bad_share=0.002,
)  # fmt: skip


def kill_first_worker(within_s: float) -> None:
    """Kill the first worker among this process's own descendants."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        for child in psutil.Process().children(recursive=True):
            if child.cmdline()[1:] == ["-m", "streamer", "worker"]:
                child.kill()
                return
        time.sleep(0.05)  # between two looks


def test_a_demo_loses_nothing_and_beats_popularity() -> None:
    summary = run_demo(os.environ, 10.0, TINY)

    assert summary.is_clean, summary.to_text()
    assert summary.balance.answered > 5 * TINY.plays_per_s
    assert summary.balance.dead_letters == summary.bad_sent > 0
    last = json.loads(summary.to_json())
    assert last["hr_at_20"] > last["baselines"]["popularity"]["hr_at_20"]
    assert not [child for child in psutil.Process().children(recursive=True) if "streamer" in " ".join(child.cmdline())]


def test_a_worker_that_dies_ends_the_demo_and_is_named() -> None:
    killer = threading.Thread(target=kill_first_worker, args=(60.0,))
    killer.start()

    with pytest.raises(ClusterError, match=r"worker-\d ended by itself"):
        run_demo(os.environ, 10.0, dataclasses.replace(TINY, history_plays=500))

    killer.join()
