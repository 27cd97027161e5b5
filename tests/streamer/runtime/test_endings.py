import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError, TopicAuthorizationFailedError

from streamer.errors import ContractError, InUseError, KafkaUnavailableError, RefrainError, SettingsError
from streamer.runtime.endings import describe_end
from streamer.runtime.statuses import Status
from tests.cases.observations import Observe


class CloserError(ContractError):
    pass


def failed(number: int, name: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize(
    ("error", "line", "status"),
    [
        (SettingsError("two\nlines"), "two", Status.MISUSED),
        (CloserError("recreated"), "recreated", Status.REFUSED),
        (InUseError("in use"), "in use", Status.REFUSED),
        (KafkaUnavailableError("silent"), "silent", Status.UNREACHABLE),
        (RefrainError("no such file"), "no such file", Status.FAILED),
        (KafkaConnectionError("refused"), "refused; check that Kafka runs", Status.UNREACHABLE),
        (RequestTimedOutError("slow"), "RequestTimedOutError: ", Status.UNREACHABLE),
        (TopicAuthorizationFailedError("plays"), "TopicAuthorizationFailedError: ", Status.REFUSED),
        (failed(errno.ENOSPC, "/a/file"), "/a/file: No space left on device; free some space", Status.FAILED),
        (failed(errno.EROFS, "/a/file"), "/a/file: Read-only file system; name a place on a disk", Status.FAILED),
        (failed(errno.ENOSPC), "No space left on device; free some space", Status.FAILED),
        (MemoryError(), "out of memory", Status.FAILED),
        (ModuleNotFoundError("no rich", name="rich.console"), "pip install 'refrain[trainer]'", Status.MISUSED),
        (KeyError("offset"), "KeyError: 'offset'; this is an error in Refrain: report it", Status.CRASHED),
        (ModuleNotFoundError("no more", name="streamer.more"), "this is an error in Refrain", Status.CRASHED),
        (BrokenPipeError("of a socket"), "this is an error in Refrain", Status.CRASHED),
    ],
)
def test_an_error_becomes_a_line_and_a_status(error: Exception, line: str, status: Status) -> None:
    ending = describe_end(error)

    assert line in ending.lines[0]
    assert ending.status == status


def run(script: str, **files: object) -> "subprocess.CompletedProcess[str]":
    whole = (
        f"def command():\n    {script}\nfrom streamer.runtime.endings import run_to_the_end\nrun_to_the_end(command)"
    )
    return subprocess.run([sys.executable, "-E", "-c", whole], stderr=subprocess.PIPE, text=True, check=False, **files)  # type: ignore[call-overload,no-any-return]


@pytest.mark.kind(20)
def test_output_that_nobody_reads_is_no_error(observe: Observe) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    many = run("print('x' * 100_000)", stdout=writer)
    few = run("print('x'); raise SystemExit(1)", stdout=writer)
    table = run("from rich.console import Console; Console().print('x')", stdout=writer)

    os.close(writer)
    assert [(done.returncode, done.stderr) for done in (many, few, table)] == [(0, ""), (1, ""), (0, "")]
    observe("`refrain releases list | head -1` ends with status 0 and says nothing")


@pytest.mark.kind(20)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_output_that_does_not_fit_on_the_disk_is_said(observe: Observe) -> None:
    with Path("/dev/full").open("w") as full:
        done = run("print('x')", stdout=full)

    assert (done.returncode, done.stderr) == (Status.FAILED, "refrain: No space left on device; free some space\n")
    observe(f"output to a full disk: {done.stderr.strip()}")


def test_a_stream_that_is_closed_is_no_error() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -m streamer --help >&- 2>&-', sys.executable], capture_output=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (Status.DONE, b"", b"")


def test_an_error_of_several_tasks_is_said_as_the_first_of_them() -> None:
    done = run("raise ExceptionGroup('tasks', [ExceptionGroup('more', [OSError(28, 'full')])])")

    assert (done.returncode, done.stderr) == (Status.FAILED, "refrain: full; free some space\n")


@pytest.mark.kind(20)
def test_a_bug_has_its_traceback_in_the_log_and_a_last_line(observe: Observe) -> None:
    done = run("{}['offset']")

    assert done.returncode == Status.CRASHED
    assert "Traceback" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last == "refrain: KeyError: 'offset'; this is an error in Refrain: report it, with the traceback above"
    observe(f"a bug ends with status 70 after its traceback: {last}")


INTERRUPTED_LOOP = """
import asyncio
import asyncio.selector_events
from streamer.runtime.endings import run_to_the_end
from streamer.runtime.stop import Interrupted

def interrupt(loop):
    raise Interrupted(2)

async def work():
    pass

asyncio.selector_events.BaseSelectorEventLoop._make_self_pipe = interrupt
run_to_the_end(lambda: asyncio.run(work()))
"""


def test_an_event_loop_that_an_interrupt_left_half_made_says_nothing() -> None:
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED_LOOP], capture_output=True, text=True, check=False)

    assert (ended.stderr, ended.returncode) == ("", Status.INTERRUPTED)
