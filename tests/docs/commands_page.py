"""docs/commands.md: what `--help` says of each command, as a page.

`python -m tests.docs.commands_page` (or `make public`) writes it.
"""

import inspect
from collections.abc import Iterator
from typing import Final

import click

from streamer.command_line import refrain
from streamer.runtime.commands import Command
from streamer.variables import variable
from tests.docs.site import ROOT

PAGE: Final = ROOT / "docs" / "commands.md"

_HEAD: Final = """\
# Commands

Written by `make public` from the commands; a test fails when it differs. `refrain COMMAND --help` says the same, and
`eval "$(refrain completion bash)"` lets a shell complete it. All commands also read `REFRAIN_LOG_LEVEL` and
`REFRAIN_LOG_FORMAT`; [settings.md](settings.md) explains each setting. [public.md](public.md#commands) has the exit
statuses and the keys of what `--json` prints.
"""

_NOT_HERE: Final = "<!-- snippet: not here, tests/streamer runs each command -->"


def render_page() -> str:
    """Return the whole page."""
    return _HEAD + "".join(_sections(refrain, click.Context(refrain, info_name="refrain")))


def _sections(group: click.Group, ctx: click.Context) -> Iterator[str]:
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        below = click.Context(command, ctx, name)
        if isinstance(command, click.Group):
            yield from _sections(command, below)
        else:
            assert isinstance(command, Command)
            yield "\n" + "\n\n".join(part for part in _parts(command, below) if part) + "\n"


def _parts(command: Command, ctx: click.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(ctx))
    yield f"## {ctx.command_path}"
    yield f"`{ctx.command_path} {usage}`"
    yield _prose(command.help)
    yield _table(command, ctx)
    yield f"{_NOT_HERE}\n\n```sh\n" + "\n".join(command.examples) + "\n```"
    yield _prose(command.epilog)
    names = dict.fromkeys(_family(variable(field)) for field in command.reads if not field.startswith("log_"))
    yield f"Reads {', '.join(names)}." if names else ""


def _prose(text: str | None) -> str:
    return inspect.cleandoc(text or "").replace("\b\n", "").strip()


def _table(command: Command, ctx: click.Context) -> str:
    records = [record for param in command.params if (record := param.get_help_record(ctx)) is not None]
    rows = [f"| `{_cell(name)}` | {_cell(says)} |" for name, says in records]
    return "\n".join(["| option | |", "| --- | --- |", *rows]) if rows else ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _family(name: str) -> str:
    """Name a setting; those of Kafka, which come all together, by what they begin with."""
    return f"`{variable('kafka')}_*`" if name.startswith(f"{variable('kafka')}_") else f"`{name}`"


def main() -> None:
    """Write docs/commands.md."""
    PAGE.write_text(render_page())


if __name__ == "__main__":
    main()
