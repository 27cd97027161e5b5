import contextlib
import json
import os
import threading
import urllib.request
from collections.abc import Callable, Iterator

import psutil
import pytest

from streamer.demo.run import run_demo
from streamer.demo.scale import DemoScale
from streamer.errors import KafkaUnavailableError
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
    """Find this process's own descendants that run `mark`, but for some and for the watchdogs."""
    commands = {child: command_of(child) for child in descendants() - others}
    return [child for child, command in commands.items() if mark in command and "-c" not in command]


def answering(name: str, others: set[psutil.Process]) -> psutil.Process | None:
    """Find a worker once it has taken up a release."""
    for worker in running("worker", others):
        with contextlib.suppress(psutil.NoSuchProcess, OSError):  # it has just ended, or serves nothing yet
            its = worker.environ()
            url = f"http://127.0.0.1:{its['REFRAIN_WEB_PORT']}/metrics"
            if its["REFRAIN_INSTANCE_ID"] == name and b"refrain_releases_taken_up_total 1.0" in _read(url):
                return worker
    return None


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as page:
        content: bytes = page.read()
        return content


@contextlib.contextmanager
def killing(find: Callable[[set[psutil.Process]], psutil.Process | None]) -> Iterator[None]:
    """Kill a process of this demo, and of no other test, as soon as it is found."""
    others = descendants()

    def kill() -> None:
        found = wait_until(lambda: find(others), "there is a process to kill", deadline_s=600.0)
        assert found is not None, "it was waited for"
        found.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    yield
    killer.join()


def test_a_demo_loses_nothing_and_beats_popularity() -> None:
    summary = run_demo(os.environ, 10.0, TINY)

    assert summary.is_clean, summary.to_text()
    assert summary.balance.answered > 5 * TINY.plays_per_s
    assert summary.balance.dead_letters == summary.bad_sent > 0
    last = json.loads(summary.to_json())
    assert last["hr_at_20"] > last["baselines"]["popularity"]["hr_at_20"]
    assert not [child for child in psutil.Process().children(recursive=True) if "streamer" in " ".join(child.cmdline())]


@pytest.mark.parametrize("name", ["worker-0", "worker-1"])
def test_a_worker_that_is_killed_while_it_answers_is_started_again_and_nothing_is_lost(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with killing(lambda others: answering(name, others)):
        summary = run_demo(os.environ, 20.0, TINY)

    assert summary.is_clean, summary.to_text()
    assert summary.restarts == {name: 1}
    assert capsys.readouterr().err.count(f"{name} was killed by signal 9 (SIGKILL); starting it again\n") == 1


def test_a_trainer_that_is_killed_before_the_first_release_makes_it_all_the_same() -> None:
    with killing(lambda others: next(iter(running("trainer", others)), None)):
        summary = run_demo(os.environ, 5.0, TINY)

    assert summary.is_clean, summary.to_text()
    assert summary.restarts == {"trainer": 1}


def test_a_kafka_that_dies_ends_the_demo_and_is_named() -> None:
    with (
        killing(lambda others: next(iter(running("kafka.Kafka", others)), None) if running("worker", others) else None),
        pytest.raises(KafkaUnavailableError, match=r"Kafka was killed by signal 9 \(SIGKILL\)"),
    ):
        run_demo(os.environ, 10.0, TINY)
