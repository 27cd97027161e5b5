"""What the commands of all rooms share: what they are run with, what their help says, and counts as arguments."""

import difflib
import functools
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, cast

import click

from streamer.runtime.statuses import MEANINGS
from streamer.sections import KAFKA, LOG

if TYPE_CHECKING:
    from streamer.settings import Settings

_Arguments = ParamSpec("_Arguments")


class _Count(click.IntRange):
    name = "count"


#: A positive count.
NUM: Final = _Count(min=1)

_WIDTH: Final = 77  # fits into 80 columns with the margins of a drawn help
_LONGEST: Final = 120  # characters of a line on a command


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command is run with, besides its arguments.

    Attributes:
        environment: of this process, for those that the command starts.
        read_settings: reads them, once the arguments are right.
        draw_help: draws the help of a command, given its context, for a terminal; None where it cannot be drawn.
    """

    environment: Mapping[str, str]
    read_settings: "Callable[[], Settings]"
    draw_help: Callable[[click.Context], str | None] = lambda _: None


class _Teaching(click.Command):
    """A command whose help says more than click knows, and is drawn on a terminal that can."""

    def get_help(self, ctx: click.Context) -> str:
        """Return the help: drawn, or plain."""
        surroundings = ctx.find_object(Surroundings)
        return (surroundings and surroundings.draw_help(ctx)) or super().get_help(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what click knows nothing of."""
        super().format_epilog(ctx, formatter)
        for title, lines in notes_of(self).items():
            with formatter.section(title):
                formatter.write("".join(f"{'':{formatter.current_indent}}{line}\n" for line in lines))


class Command(_Teaching):
    """A command whose help also has examples, the settings it reads and the exit statuses.

    Args:
        name: of the command.
        examples: lines that can be typed.
        reads: the fields of `Settings` that it reads.
        options: of click.
    """

    def __init__(self, name: str | None, *, examples: Iterable[str] = (), reads: Iterable[str] = (), **options: Any):
        super().__init__(name, **options)
        self.examples = tuple(examples)
        self.reads = (*dict.fromkeys((*reads, *LOG)),)


class Group(_Teaching, click.Group):
    """A command that has others below it, and names the nearest one where it has not the one that was typed."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  of click
        """Name the commands in the order in which they were added."""
        return list(self.commands)

    def lines(self, ctx: click.Context) -> dict[str, str]:
        """Return a line on each command, by its name."""
        return {
            name: found.get_short_help_str(_LONGEST)
            for name in self.list_commands(ctx)
            if (found := self.get_command(ctx, name)) is not None
        }

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.lines(ctx).items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names.

        Raises:
            UsageError: there is none; names the nearest one.
        """
        if self.get_command(ctx, args[0]) is None:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(self.list_commands(ctx))}"
            raise click.UsageError(f"no such command: {args[0]}; {hint}", ctx)
        return super().resolve_command(ctx, args)


def notes_of(command: click.Command) -> dict[str, Sequence[str]]:
    """Return what the help of a command says last: lines by title."""
    notes: dict[str, Sequence[str]] = {}
    if isinstance(command, Command):
        names = ", ".join(_variables(command.reads))
        notes["Examples"] = command.examples
        notes["Settings (`refrain settings` explains them)"] = textwrap.wrap(names, _WIDTH - 2)
    notes["Exit statuses"] = [
        line
        for status, meaning in MEANINGS.items()
        for line in textwrap.wrap(meaning, _WIDTH - 2, initial_indent=f"{status.value:>3}  ", subsequent_indent=" " * 5)
    ]
    return {title: lines for title, lines in notes.items() if lines}


def _variables(fields: Iterable[str]) -> list[str]:
    """Name the variables of settings: those of Kafka's, which come all together, by what they begin with."""
    from streamer.variables import variable

    names = [f"{variable('kafka')}_*" if field in KAFKA else variable(field) for field in fields]
    return list(dict.fromkeys(names))


def invoke(command: click.Command, arguments: Sequence[str], surroundings: Surroundings) -> None:
    """Run a command.

    Unlike click's own `main`, it neither catches interrupts nor ends the process.

    Raises:
        UsageError: the arguments are wrong.
        Exit: `--help` or `--version` has been answered.
    """
    with command.make_context(command.name, list(arguments), obj=surroundings) as ctx:
        command.invoke(ctx)


class JsonOption(click.Option):
    """The option `--json` of a command that shows something.

    Args:
        declarations: of click.
        shape: of the object that is printed.
        options: of click.
    """

    def __init__(self, declarations: Sequence[str], *, shape: type, **options: Any) -> None:
        super().__init__(declarations, is_flag=True, **options)
        self.shape = shape


def json_option(shape: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command `as_json`: whether to print an object of a shape instead of text."""
    says = "print one JSON object; docs/public.md lists its keys"
    return click.option("--json", "as_json", cls=JsonOption, shape=shape, help=says)


def pass_settings(
    run: "Callable[Concatenate[Settings, _Arguments], None]",
) -> Callable[_Arguments, None]:
    """Give a command the settings, as its first argument."""

    @functools.wraps(run)
    def run_with_settings(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        run(_surroundings(click.get_current_context()).read_settings(), *args, **kwargs)

    return run_with_settings


def pass_environment(
    run: Callable[Concatenate[Mapping[str, str], _Arguments], None],
) -> Callable[_Arguments, None]:
    """Give a command the environment, whose settings are right, as its first argument: it starts other processes."""

    @functools.wraps(run)
    def run_with_environment(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        surroundings = _surroundings(click.get_current_context())
        surroundings.read_settings()
        run(surroundings.environment, *args, **kwargs)

    return run_with_environment


def _surroundings(ctx: click.Context) -> Surroundings:
    return cast("Surroundings", ctx.find_object(Surroundings))
