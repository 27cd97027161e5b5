import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamer.runtime.stop import unless_stopped

#: Ends within half a second instead of ten, so that the tests are quick.
_SHORT = "import streamer.runtime.stop as stop; stop.GRACE_S = 0.5"

_COMMAND = f"""{_SHORT}
import sys, time
from streamer.runtime.stop import Interrupted, interruptible
try:
    with interruptible():
        print("runs", flush=True)
        WORK
except Interrupted as exc:
    sys.exit(exc.status)
"""

_PROCESS = f"""{_SHORT}
import asyncio, os, time
async def main():
    stopping = stop.stop_signal(lambda: os._exit(70))
    print("runs", flush=True)
    WORK
asyncio.run(main())
"""


@contextmanager
def running(script: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        yield process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "work",
    [
        pytest.param("time.sleep(60)", id="waiting"),
        pytest.param("import asyncio; asyncio.run(asyncio.sleep(60))", id="in a loop"),
        pytest.param("try:\n            time.sleep(60)\n        finally:\n            time.sleep(60)", id="stuck"),
    ],
)
def test_a_signal_ends_a_command_with_its_own_status(number: signal.Signals, work: str) -> None:
    with running(_COMMAND.replace("WORK", work)) as process:
        process.send_signal(number)

        assert process.wait(10) == 128 + number


def test_an_import_is_not_interrupted_but_what_comes_after_it(tmp_path: Path) -> None:
    (tmp_path / "signalled.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.1)\nprint('imported', flush=True)\n"
    )
    work = f"sys.path.insert(0, {str(tmp_path)!r}); import signalled; time.sleep(60)"

    with running(_COMMAND.replace("WORK", work)) as process:
        assert process.wait(10) == 128 + signal.SIGINT
        assert process.stdout is not None
        assert process.stdout.read() == "imported\n"


@pytest.mark.parametrize("work", ["await stopping.wait(); time.sleep(60)", "time.sleep(60)"])
def test_a_process_whose_loop_is_stuck_is_ended(work: str) -> None:
    with running(_PROCESS.replace("WORK", work)) as process:
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 70


def test_a_process_that_ends_in_time_ends_as_it_wants() -> None:
    with running(_PROCESS.replace("WORK", "await stopping.wait(); print(stopping.number)")) as process:
        process.send_signal(signal.SIGINT)

        assert process.wait(10) == 0
        assert process.stdout is not None
        assert process.stdout.read() == f"{int(signal.SIGINT)}\n"


async def test_a_stop_signal_cancels_the_work() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().call_soon(stopping.set)

    assert await unless_stopped(asyncio.sleep(60, "done"), stopping) is None


async def test_work_that_is_done_before_the_stop_signal_yields_its_result() -> None:
    async def fail() -> None:
        raise OSError("disk full")

    assert await unless_stopped(asyncio.sleep(0, "done"), asyncio.Event()) == "done"
    with pytest.raises(OSError, match="disk full"):
        await unless_stopped(fail(), asyncio.Event())
