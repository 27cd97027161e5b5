"""The command `send`: recorded plays onto the topic of plays."""

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from models.wording import plural
from streamer.kafka.access import check_access
from streamer.kafka.connection import connection_of
from streamer.kafka.rights import sender_rights
from streamer.recordings.arguments import Recording, recorded
from streamer.runtime.commands import Command, pass_settings
from streamer.runtime.progress import progress
from streamer.sections import KAFKA, NEW_TOPICS, TOPICS

if TYPE_CHECKING:
    from streamer.settings import Settings


@click.command(
    cls=Command,
    examples=["refrain send plays.csv --user who --track song --time when", "refrain send listening/ --limit 100000"],
    reads=(*KAFKA, *TOPICS, *NEW_TOPICS, "partitioner"),
)
@recorded
@pass_settings
def send(settings: "Settings", *, recording: Recording) -> None:
    """Send recorded plays to the topic of plays, the oldest first.

    Workers and a trainer take them for plays of now. Each run sends all of them: who runs it twice has played twice.
    Without REFRAIN_PARTITIONER, listeners are spread over the partitions as Java's clients do it.
    """
    from streamer.operations.sending import send_plays

    recording.check_exists()
    asyncio.run(check_access(connection_of(settings), sender_rights(settings)))
    plays = recording.read()
    num_plays = len(plays.plays.played_at_ms)
    with progress("sent", num_plays, "plays") as show:
        num_partitions = asyncio.run(send_plays(settings, plays, show))
    listeners = plural(len(plays.user_ids), "listener")
    sys.stdout.write(
        f"{plural(num_plays, 'play')} of {listeners} {'is' if num_plays == 1 else 'are'} on {settings.plays_topic}, in "
        f"{plural(num_partitions, 'partition')}, at {settings.kafka_bootstrap_servers}\n"
    )
