"""The command `worker`."""

import argparse
import asyncio
from typing import TYPE_CHECKING

from streamer.settings import Settings

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse has no other name for it


def add_worker(commands: "Commands") -> None:
    """Add `worker`."""
    parser = commands.add_parser("worker", help="answer plays with recommendations")
    parser.set_defaults(run=_run)


def _run(settings: Settings, _: argparse.Namespace) -> None:
    from streamer.worker.run import run_worker

    asyncio.run(run_worker(settings))
