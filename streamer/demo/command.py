"""The command `demo`: its arguments, and what is made of them."""

import argparse
import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from streamer.settings import Settings

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse has no other name for it


def add_demo(commands: "Commands", environment: Mapping[str, str]) -> None:
    """Add `demo`; the environment is that of the processes it starts."""
    parser = commands.add_parser("demo", help="Kafka, made-up listeners, trainer and workers, all on this machine")
    parser.add_argument("--for", dest="for_s", type=float, metavar="SECONDS", help="end so long after the first answer")

    def run(_: Settings, arguments: argparse.Namespace) -> None:
        from streamer.demo.run import run_demo

        logging.getLogger("streamer").setLevel(logging.WARNING)  # the screen shows the rest
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # an error that lasts ends the demo and is printed
        summary = run_demo(environment, arguments.for_s)
        sys.stdout.write(summary.to_text())
        if not summary.is_clean:
            sys.exit(1)

    parser.set_defaults(run=run)
