"""The commands `demo` and `simulate`: their arguments, and how they run them."""

import asyncio
import logging
import math
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from models.wording import plural
from streamer.runtime.commands import NUM, Command, pass_environment, pass_settings
from streamer.sections import KAFKA, NEW_TOPICS, TOPICS

if TYPE_CHECKING:
    from streamer.demo.simulation import Audience
    from streamer.settings import Settings

logger = logging.getLogger(__name__)


class _Seconds(click.ParamType):
    """A time above 0."""

    name = "seconds"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(f"{value} is no time above 0", param, ctx)
        return seconds


@click.command(cls=Command, examples=["refrain demo", "refrain demo --for 60"])
@click.option("--for", "for_s", type=_Seconds(), help="stop this many seconds after the first answer")
@pass_environment
def demo(environment: Mapping[str, str], *, for_s: float | None) -> None:
    """Run Kafka, simulated listeners, trainer and workers on this machine.

    The screen shows what they do, and an account of every play ends it. A worker or trainer that is killed is started
    again. Ctrl-C ends it after the answers in flight.
    """
    from streamer.demo.run import run_demo

    logging.getLogger("streamer").setLevel(logging.WARNING)  # the screen shows the rest
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a persistent error ends the demo and is printed
    summary = run_demo(environment, for_s)
    sys.stdout.write(summary.to_text())
    if not summary.is_clean:
        sys.exit(1)


@click.command(
    cls=Command,
    examples=["refrain simulate", "refrain simulate --rate 500 --listeners 20000 --for 60"],
    reads=(*KAFKA, *TOPICS, *NEW_TOPICS),
)
@click.option("--rate", type=click.FloatRange(0, 100_000, min_open=True), metavar="PLAYS", default=100.0,
              show_default=True, help="plays a second")  # fmt: skip
@click.option("--listeners", type=NUM, default=1_000, show_default=True, help="who play them")
@click.option("--tracks", type=NUM, default=2_000, show_default=True, help="size of the catalogue")
@click.option("--for", "for_s", type=_Seconds(), help="stop after this many seconds")
@pass_settings
def simulate(settings: "Settings", *, rate: float, listeners: int, tracks: int, for_s: float | None) -> None:
    """Send plays of simulated listeners to Kafka, until it is stopped.

    Their time runs faster than the clock until it has reached it. Started again, it continues behind the latest play on
    the topic. It creates the topics that are missing, and writes made-up names to the catalogue once.
    """
    from streamer.demo.simulation import Audience

    num_sent = asyncio.run(_simulate(settings, Audience.gather(listeners, tracks, rate), for_s or math.inf))
    sys.stdout.write(f"{plural(num_sent, 'play')} sent to {settings.plays_topic}\n")


async def _simulate(settings: "Settings", audience: "Audience", for_s: float) -> int:
    from streamer.demo.naming import name_tracks
    from streamer.demo.simulation import send_listening
    from streamer.kafka.access import once_admitted
    from streamer.kafka.connection import connection_of
    from streamer.kafka.rights import simulator_rights
    from streamer.kafka.topics import ensure_topics
    from streamer.runtime.crash import leave
    from streamer.runtime.stop import stop_signal

    stopping = stop_signal(lambda: leave("Kafka did not confirm the latest plays"))
    ends_s = time.monotonic() + for_s
    connection = connection_of(settings)
    num_partitions = await once_admitted(connection, simulator_rights(settings), ensure_topics(settings))
    num_named = await name_tracks(connection, settings.catalogue_topic, audience.world.music)
    logger.info("simulation started topic=%s named=%d", settings.plays_topic, num_named)
    return await send_listening(
        connection, settings.plays_topic, num_partitions, audience,
        lambda: stopping.is_set() or time.monotonic() >= ends_s,
    )  # fmt: skip
