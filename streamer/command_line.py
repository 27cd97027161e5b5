"""The command line: `refrain worker`, `trainer`, `train`, `releases`, `report`, `demo` and the other commands."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from streamer.demo.command import add_demo
from streamer.operations.dead_letters import add_dead_letters
from streamer.operations.offsets import add_offsets
from streamer.operations.releases import add_releases
from streamer.replay.command import add_replay
from streamer.report.command import add_evaluate, add_report
from streamer.runtime.commands import document_statuses
from streamer.runtime.damping import Damping
from streamer.runtime.endings import run_to_the_end
from streamer.runtime.stop import interruptible
from streamer.settings import Settings
from streamer.training.command import add_train, add_trainer
from streamer.worker.command import add_worker


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; whatever goes wrong is said in a line, and has an exit status."""
    run_to_the_end(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> None:
    command = _parser().parse_args(arguments)
    settings = Settings.from_environment(os.environ)
    _configure_logging(settings.log_level)
    with interruptible():
        command.run(settings, command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "refrain", description="Streaming recommendations; settings are REFRAIN_ variables."
    )
    commands = parser.add_subparsers(required=True)
    add_worker(commands)
    add_trainer(commands)
    add_train(commands)
    add_demo(commands, os.environ)
    add_releases(commands)
    add_replay(commands, os.environ)
    add_evaluate(commands)
    add_report(commands)
    add_offsets(commands)
    add_dead_letters(commands)
    document_statuses(parser)
    return parser


def _configure_logging(level: str) -> None:
    damping, output = Damping(), logging.StreamHandler(sys.stderr)
    damping.settle_forever()
    output.addFilter(damping)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", handlers=[output]
    )
    logging.getLogger("streamer").setLevel(level.upper())
