"""The command `worker`."""

import asyncio
from typing import TYPE_CHECKING

import click

from streamer.runtime.commands import Command, pass_settings
from streamer.sections import WORKER

if TYPE_CHECKING:
    from streamer.settings import Settings


@click.command(
    cls=Command,
    examples=["REFRAIN_KAFKA_BOOTSTRAP_SERVERS=kafka:9092 refrain worker"],
    reads=WORKER,
)
@pass_settings
def worker(settings: "Settings") -> None:
    """Answer plays with recommendations.

    Reads the topic of plays, moves the state of each listener once per play, and writes two lists for each. Several
    workers share the partitions. SIGTERM ends one between two batches; whatever else ends it, a restart recovers.
    """
    from streamer.worker.run import run_worker

    asyncio.run(run_worker(settings))
