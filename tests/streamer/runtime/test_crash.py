import subprocess
import sys

import pytest

from streamer.runtime.crash import ClockWatch
from streamer.runtime.statuses import Status

_START = "import logging; logging.basicConfig(); from streamer.runtime.crash import crash, refuse\n"
_END = "\nfinally:\n    print('unwound')"


def ended(body: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", _START + body], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_crash_ends_the_process_at_once_and_says_why() -> None:
    process = ended(f"try:\n    crash('batch of partition 3', ValueError('disk full')){_END}")

    assert process.returncode == Status.CRASHED
    assert process.stdout == ""
    assert "crash: batch of partition 3" in process.stderr
    assert "ValueError: disk full" in process.stderr


def test_a_refusal_ends_the_process_with_a_status_of_its_own() -> None:
    process = ended(
        f"from streamer.errors import ContractError\ntry:\n    refuse(ContractError('the topic was recreated')){_END}"
    )

    assert process.returncode == Status.REFUSED
    assert process.stdout == ""
    assert "refused: the topic was recreated" in process.stderr


def test_a_crash_ends_the_process_from_any_thread() -> None:
    process = ended("import threading, time\nthreading.Thread(target=crash, args=('there',)).start()\ntime.sleep(30)")

    assert process.returncode == Status.CRASHED


@pytest.mark.parametrize(("jump_s", "frozen_s"), [(0.25, None), (10.0, None), (10.5, 10.5), (3600.0, 3600.0)])
def test_a_clock_that_jumped_by_more_than_the_limit_means_a_freeze(jump_s: float, frozen_s: float | None) -> None:
    times_s = iter([100.0, 100.25, 100.25 + jump_s])
    watch = ClockWatch(10.0, lambda: next(times_s))

    assert watch.check() is None
    assert watch.check() == frozen_s


def test_a_freeze_is_reported_once() -> None:
    times_s = iter([0.0, 60.0, 60.25])
    watch = ClockWatch(10.0, lambda: next(times_s))

    assert watch.check() == 60.0
    assert watch.check() is None


def test_a_running_machine_reports_no_freeze() -> None:
    assert ClockWatch(10.0).check() is None
