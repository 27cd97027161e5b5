"""The command `worker`."""

import argparse
import asyncio

from streamer.runtime.commands import Commands
from streamer.settings import Settings


def add_worker(commands: Commands) -> None:
    """Add `worker`."""
    parser = commands.add_parser("worker", help="answer plays with recommendations")
    parser.set_defaults(run=_run)


def _run(settings: Settings, _: argparse.Namespace) -> None:
    from streamer.worker.run import run_worker

    asyncio.run(run_worker(settings))
