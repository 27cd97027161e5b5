import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from streamer.local.child import ChildProcess, describe_end, last_words

ROOT = Path(__file__).parents[3]

#: A child that says when it is ready, and ends in order on SIGTERM.
OBEDIENT = """
import signal, sys, time
def stop(*_):
    print("stopped", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(600)
"""

OWNER = f"""
import sys, time
from pathlib import Path
from streamer.local.child import ChildProcess
child = ChildProcess([sys.executable, "-c", {OBEDIENT!r}], Path(sys.argv[1]))
time.sleep(600)
"""


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@contextmanager
def running(program: str, log: Path) -> Iterator[ChildProcess]:
    """Run a Python program as a child, from its first line on."""
    child = ChildProcess([sys.executable, "-c", program], log)
    try:
        wait_until(lambda: child.read_output().endswith(b"\n"))
        yield child
    finally:
        child.kill()


def test_a_child_stops_in_order(tmp_path: Path) -> None:
    with running(OBEDIENT, tmp_path / "log") as child:
        assert child.status is None

        child.stop()

    assert child.status == 3
    assert child.read_output() == b"ready\nstopped\n"


def test_a_killed_child_does_nothing_more(tmp_path: Path) -> None:
    with running(OBEDIENT, tmp_path / "log") as child:
        child.kill()

    assert child.status == 128 + signal.SIGKILL
    assert child.read_output() == b"ready\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells a child that its parent was killed")
def test_whoever_kills_the_watchdog_kills_the_child(tmp_path: Path) -> None:
    with running(OBEDIENT, tmp_path / "log") as child:
        watchdog = next(each for each in psutil.Process().children() if OBEDIENT in each.cmdline())
        (watched,) = watchdog.children()

        watchdog.kill()

        wait_until(lambda: not watched.is_running())
        assert describe_end(child.wait()) == "was killed by signal 9 (SIGKILL)"


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_an_end_by_a_signal_is_described_by_its_name(tmp_path: Path, sign: signal.Signals) -> None:
    program = f"import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.kill(os.getpid(), {sign})"
    child = ChildProcess([sys.executable, "-c", program], tmp_path / "log")

    assert describe_end(child.wait()) == f"was killed by signal {sign.value} ({sign.name})"
    child.stop()


@pytest.mark.parametrize("status", [0, 70, 255])
def test_an_end_by_itself_is_described_by_its_status(tmp_path: Path, status: int) -> None:
    child = ChildProcess([sys.executable, "-c", f"import sys; sys.exit({status})"], tmp_path / "log")

    assert describe_end(child.wait()) == f"ended by itself with status {status}"
    child.stop()


def test_children_stop_at_the_same_time(tmp_path: Path) -> None:
    with running(OBEDIENT, tmp_path / "one") as one, running(OBEDIENT, tmp_path / "two") as two:
        one.request_stop()
        two.request_stop()

        assert (one.wait(), two.wait()) == (3, 3)


def test_a_child_that_ended_by_itself_has_a_status_and_may_be_ended_again(tmp_path: Path) -> None:
    child = ChildProcess([sys.executable, "-c", "import sys; sys.exit('enough')"], tmp_path / "log")

    assert child.wait() == 1
    child.stop()
    child.kill()

    assert child.status == 1
    assert child.last_words() == f"The end of {tmp_path / 'log'} says:\nenough\n"


def test_a_log_keeps_what_earlier_children_wrote_and_a_child_reads_its_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for number in range(2):
        child = ChildProcess([sys.executable, "-c", f"print({number})"], log)
        child.wait()
        child.stop()

    assert log.read_text() == "0\n1\n"
    assert child.read_output() == b"1\n"


def test_last_words_are_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"%d\n" % number for number in range(100)) + b"\xff")

    lines = last_words(log).splitlines()

    assert lines[:2] == [f"The end of {log} says:", "76"]
    assert lines[-2:] == ["99", "\N{REPLACEMENT CHARACTER}"]


def test_a_child_has_the_environment_it_is_given(tmp_path: Path) -> None:
    program = "import os; print(os.environ['TUNE'])"
    child = ChildProcess([sys.executable, "-c", program], tmp_path / "log", {**os.environ, "TUNE": "la"})

    assert child.wait() == 0
    child.stop()

    assert child.read_output() == b"la\n"


@pytest.mark.long
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_is_stopped_when_its_owner_ends(tmp_path: Path, sign: signal.Signals) -> None:
    log = tmp_path / "log"
    with subprocess.Popen([sys.executable, "-c", OWNER, str(log)], cwd=ROOT) as owner:
        wait_until(lambda: log.exists() and log.read_bytes() == b"ready\n")
        watchdog, child = psutil.Process(owner.pid).children(recursive=True)

        owner.send_signal(sign)
        owner.wait()

        wait_until(lambda: not watchdog.is_running() and not child.is_running())
    assert log.read_bytes() == b"ready\nstopped\n"
