"""The command `demo`: its arguments, and how it runs them."""

import logging
import math
import sys
from collections.abc import Mapping

import click

from streamer.runtime.commands import Command, pass_environment


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

    The screen shows what they do, and an account of every play ends it. Ctrl-C ends it after the answers in flight.
    """
    from streamer.demo.run import run_demo

    logging.getLogger("streamer").setLevel(logging.WARNING)  # the screen shows the rest
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a persistent error ends the demo and is printed
    summary = run_demo(environment, for_s)
    sys.stdout.write(summary.to_text())
    if not summary.is_clean:
        sys.exit(1)
