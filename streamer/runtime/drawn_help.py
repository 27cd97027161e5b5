"""Help as a terminal shows it: in colour and boxes."""

import inspect
from typing import Any

import click
from rich.text import Text
from rich_click import RichCommand, RichContext, RichGroup

from streamer.runtime.commands import Group, notes_of


class _InOrder(RichGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  of click
        return list(self.commands)


def draw_help(ctx: click.Context) -> str:
    """Return the help of the command of a context."""
    command = ctx.command
    options: dict[str, Any] = {
        "name": command.name,
        "params": command.params,
        "help": command.help,
        "epilog": _epilog(command),
    }
    if isinstance(command, Group):
        below = {name: click.Command(name, short_help=line) for name, line in command.lines(ctx).items()}
        drawn: RichCommand = _InOrder(commands=below, **options)
    else:
        drawn = RichCommand(**options)
    with RichContext(drawn, info_name=ctx.info_name, parent=ctx.parent) as drawing:
        return drawn.get_help(drawing)


def _epilog(command: click.Command) -> Text:
    """Return what a command says last: text that is drawn as it is."""
    paragraphs = inspect.cleandoc(command.epilog or "").split("\n\n")
    epilog = Text("".join(f"{' '.join(each.split())}\n\n" for each in paragraphs if each))
    for title, lines in notes_of(command).items():
        epilog.append(f"{title}\n", "bold").append("".join(f"  {line}\n" for line in lines) + "\n")
    epilog.rstrip()
    return epilog
