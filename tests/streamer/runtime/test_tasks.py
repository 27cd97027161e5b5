import asyncio
import subprocess
import sys

import pytest

from streamer.runtime.statuses import Status
from streamer.runtime.tasks import start_dispensable
from tests.unheard import nothing_unheard

_SCRIPT = """
import asyncio
from streamer.errors import ContractError
from streamer.runtime.tasks import start_vital
async def fail():
    raise {error}
async def main():
    start_vital(fail(), "reader of releases")
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        ("KeyError('offset')", Status.CRASHED, "crash: the reader of releases has failed"),
        ("ContractError('the topic was deleted')", Status.REFUSED, "refused: the topic was deleted"),
    ],
)
def test_a_task_that_dies_in_the_background_ends_the_process_and_says_why(error: str, status: int, says: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(error=error)], capture_output=True, text=True, check=False, timeout=30
    )

    assert ended.returncode == status
    assert says in ended.stderr


async def test_a_task_that_the_process_can_do_without_fails_with_a_line_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise KeyError("kernel")

    async with nothing_unheard():
        failing = start_dispensable(fail(), "compilation")
        start_dispensable(asyncio.Event().wait(), "cancelled").cancel()
        await asyncio.wait({failing})

    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("ERROR", "task failed: the compilation; the process does without")
    ]
    assert "KeyError: 'kernel'" in caplog.text


def test_a_task_that_is_cancelled_or_done_is_no_failure() -> None:
    script = (
        "import asyncio\n"
        "from streamer.runtime.tasks import start_vital\n"
        "async def main():\n"
        "    start_vital(asyncio.sleep(0), 'done')\n"
        "    start_vital(asyncio.sleep(60), 'cancelled').cancel()\n"
        "    await asyncio.sleep(0.1)\n"
        "asyncio.run(main())\n"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode == 0
