"""Background tasks whose end nobody awaits: here it is heard, and ends the process.

A task that dies unheard leaves a process that looks well and does nothing. Every task that must live as long as the
process is started or watched here, those inside the Kafka clients too (`streamer.kafka.clients`).
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from streamer.errors import ContractError
from streamer.runtime.crash import crash, refuse


def start_vital(work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
    """Run a coroutine in the background, as a task that only its canceller may end."""
    task = asyncio.create_task(work, name=name)
    watch_vital(task, name)
    return task


def watch_vital(task: "asyncio.Task[Any]", name: str) -> None:
    """End the process if a task fails: refused if a restart changes nothing, crashed otherwise.

    Args:
        task: may be cancelled, or end by itself, without consequence: its owner has closed it.
        name: what the task does, for the last line of the log.
    """

    def hear(ended: "asyncio.Task[Any]") -> None:
        if ended.cancelled() or (cause := ended.exception()) is None:
            return
        if isinstance(cause, ContractError):
            refuse(cause)
        crash(f"the {name} has failed; see the cause", cause)

    task.add_done_callback(hear)
