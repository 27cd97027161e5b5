import json
import os
import threading

import psutil
import pytest

from streamer.demo.run import run_demo
from streamer.demo.scale import DemoScale
from streamer.errors import KafkaUnavailableError, RefrainError
from streamer.local.cluster import ClusterError
from tests.until import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
TINY = DemoScale(
    num_listeners=40, num_tracks=240, first_plays=3_000, history_plays=6_000, plays_per_s=150.0, train_min_plays=2_000,
    train_epochs=2, bad_share=0.002,
)  # fmt: skip


def command_of(process: psutil.Process) -> list[str]:
    """Return a command line; empty if the process has just ended."""
    try:
        command: list[str] = process.cmdline()
    except psutil.NoSuchProcess:
        return []
    return command


def descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def running(mark: str, others: set[psutil.Process]) -> list[psutil.Process]:
    """Find this process's own descendants that run `mark`, but for some; none before there are workers."""
    commands = {child: command_of(child) for child in descendants() - others}
    if not any(command[1:] == ["-m", "streamer", "worker"] for command in commands.values()):
        return []
    return [child for child, command in commands.items() if mark in command and "-c" not in command]


def kill_once_workers_run(mark: str, others: set[psutil.Process]) -> None:
    wait_until(lambda: running(mark, others), f"there are workers and a {mark}")[0].kill()


def test_a_demo_loses_nothing_and_beats_popularity() -> None:
    summary = run_demo(os.environ, 10.0, TINY)

    assert summary.is_clean, summary.to_text()
    assert summary.balance.answered > 5 * TINY.plays_per_s
    assert summary.balance.dead_letters == summary.bad_sent > 0
    last = json.loads(summary.to_json())
    assert last["hr_at_20"] > last["baselines"]["popularity"]["hr_at_20"]
    assert not [child for child in psutil.Process().children(recursive=True) if "streamer" in " ".join(child.cmdline())]


@pytest.mark.parametrize(
    ("mark", "error", "message"),
    [
        ("worker", ClusterError, r"worker-\d ended by itself"),
        ("kafka.Kafka", KafkaUnavailableError, "Kafka ended by itself"),
    ],
)
def test_a_process_that_dies_ends_the_demo_and_is_named(mark: str, error: type[RefrainError], message: str) -> None:
    killer = threading.Thread(target=kill_once_workers_run, args=(mark, descendants()))  # not the Kafka of other tests
    killer.start()

    with pytest.raises(error, match=message):
        run_demo(os.environ, 10.0, TINY)

    killer.join()
