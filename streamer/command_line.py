"""The command line: `refrain worker`, `trainer`, `train`, `releases`, `report`, `demo` and the other commands."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import shell_complete

from streamer.operations.completion import VARIABLE as _COMPLETE
from streamer.runtime.commands import Group, Surroundings, invoke
from streamer.runtime.damping import Damping
from streamer.runtime.endings import run_to_the_end
from streamer.runtime.logs import FORMATTERS
from streamer.runtime.stop import interruptible

if TYPE_CHECKING:
    from streamer.settings import Settings

#: Where each command is, and its line in the list of them: a command is imported when it is asked for.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "worker": ("streamer.worker.command:worker", "Answer plays with recommendations"),
    "trainer": (
        "streamer.training.command:trainer",
        "Archive plays, fit weights to them, release those that pass the gate",
    ),
    "train": (
        "streamer.training.command:train",
        "Fit a recipe once, on recorded plays or on the archive, and save a release",
    ),
    "demo": ("streamer.demo.command:demo", "Run Kafka, simulated listeners, trainer and workers on this machine"),
    "simulate": ("streamer.demo.command:simulate", "Send plays of simulated listeners to Kafka, until it is stopped"),
    "releases": ("streamer.operations.releases:releases", "List and show releases, and choose the champion by hand"),
    "replay": (
        "streamer.replay.command:replay",
        "Answer recorded plays through Kafka, score the answers, account for every play",
    ),
    "evaluate": ("streamer.report.command:evaluate", "Score a release on recorded plays, without Kafka"),
    "report": ("streamer.report.command:report", "Compare every system on recorded plays: figures and a page"),
    "send": ("streamer.operations.send:send", "Send recorded plays to the topic of plays, the oldest first"),
    "bench": ("streamer.bench.command:bench", "Measure what a worker would do on this machine"),
    "catalogue": (
        "streamer.operations.catalogue:catalogue",
        "Show and load what tracks are called, and withdraw tracks from all lists",
    ),
    "offsets": (
        "streamer.operations.offsets:offsets",
        "Show the offsets of each partition, and reset those that do not fit",
    ),
    "dead-letters": (
        "streamer.operations.dead_letters:dead_letters",
        "List, show, re-send and discard rejected plays",
    ),
    "listener": (
        "streamer.operations.listeners:listener",
        "Show what Kafka holds of a listener: where they live, state and lists",
    ),
    "forget": ("streamer.operations.listeners:forget", "Forget a listener, and wait for the receipt of a worker"),
    "doctor": (
        "streamer.operations.doctor:doctor",
        "Check whether a worker could start here and answer, and say what to do",
    ),
    "settings": (
        "streamer.operations.settings:settings",
        "Show every setting: its unit, default, value, where that is from, and the reason",
    ),
    "completion": ("streamer.operations.completion:completion", "Print the script that completes commands in a shell"),
}


class _Commands(Group):
    """All commands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  of click
        """Name all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  of click
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        found = getattr(import_module(module), name)
        assert isinstance(found, click.Command)
        return found

    def lines(self, ctx: click.Context) -> dict[str, str]:  # noqa: ARG002  of click
        """Return a line on each command, and import none."""
        return {name: line for name, (_, line) in COMMANDS.items()}


@click.group("refrain", cls=_Commands)
@click.version_option(package_name="refrain", message="refrain %(version)s")
def refrain() -> None:
    """Recommend from a stream of plays, exactly once.

    `refrain demo` shows it at work. Settings are REFRAIN_ variables: `refrain settings` explains them. `refrain COMMAND
    --help` explains a command. `refrain doctor` finds what a deployment lacks.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; whatever goes wrong is said in a line, and has an exit status."""
    run_to_the_end(lambda: _run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: Sequence[str]) -> None:
    if asked := os.environ.get(_COMPLETE):  # by a shell, whose script sets it
        sys.exit(shell_complete(refrain, {}, "refrain", _COMPLETE, asked))
    with interruptible():
        invoke(refrain, arguments, Surroundings(os.environ, _read_settings, _draw_help))


def _read_settings() -> "Settings":
    from streamer.settings import Settings

    settings = Settings.from_environment(os.environ)
    _configure_logging(settings.log_level, settings.log_format)
    return settings


def _draw_help(ctx: click.Context) -> str | None:
    """Return the help of a command; None if it is not for a terminal, or rich-click is not installed."""
    if not sys.stdout.isatty():
        return None
    try:
        from streamer.runtime.drawn_help import draw_help
    except ModuleNotFoundError:
        return None
    return draw_help(ctx)


def _configure_logging(level: str, form: str) -> None:
    damping, output = Damping(), logging.StreamHandler(sys.stderr)
    damping.settle_forever()
    output.addFilter(damping)
    output.setFormatter(FORMATTERS[form]())
    logging.basicConfig(level=logging.WARNING, handlers=[output])
    logging.getLogger("streamer").setLevel(level.upper())
