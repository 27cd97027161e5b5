"""The command `demo`: its arguments, and how it runs them."""

import argparse
import logging
import math
import sys
from collections.abc import Mapping

from streamer.runtime.commands import Commands
from streamer.settings import Settings


def add_demo(commands: Commands, environment: Mapping[str, str]) -> None:
    """Add the command `demo`; the environment is passed on to the processes it starts."""
    parser = commands.add_parser("demo", help="run Kafka, simulated listeners, trainer and workers on this machine")
    parser.add_argument(
        "--for", dest="for_s", type=_seconds, metavar="SECONDS", help="stop this many seconds after the first answer"
    )

    def run(_: Settings, arguments: argparse.Namespace) -> None:
        from streamer.demo.run import run_demo

        logging.getLogger("streamer").setLevel(logging.WARNING)  # the screen shows the rest
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a persistent error ends the demo and is printed
        summary = run_demo(environment, arguments.for_s)
        sys.stdout.write(summary.to_text())
        if not summary.is_clean:
            sys.exit(1)

    parser.set_defaults(run=run)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no time above 0")
    return seconds
