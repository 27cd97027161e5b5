"""The command `completion`: the script by which a shell completes commands and options."""

import sys
from typing import Final

import click
from click.shell_completion import get_completion_class

from streamer.runtime.commands import Command

#: Set by that script where it asks what may come next.
VARIABLE: Final = "_REFRAIN_COMPLETE"

_SHELLS: Final = ("bash", "zsh", "fish")


@click.command(
    "completion",
    cls=Command,
    examples=[
        'eval "$(refrain completion bash)"  # in ~/.bashrc; likewise zsh in ~/.zshrc',
        "refrain completion fish > ~/.config/fish/completions/refrain.fish",
    ],
)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands in a shell.

    The script asks this command what may come next, so it need not be renewed with Refrain.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    sys.stdout.write(kind(ctx.find_root().command, {}, "refrain", VARIABLE).source())
