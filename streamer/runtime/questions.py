"""Questions before a command destroys something."""

import sys

import click


def refuse_unless_asked(instead: str) -> None:
    """Refuse to go on where nobody can answer a question.

    Args:
        instead: what to add to the command.

    Raises:
        UsageError: the input is no terminal.
    """
    if not sys.stdin.isatty():
        raise click.UsageError(f"nobody is there to ask: add {instead}", click.get_current_context())


def is_confirmed(question: str) -> bool:
    """Ask on the terminal; what is not a yes is a no.

    Not click's `confirm`: that one catches the signals that end a command.
    """
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
