"""What can be checked of a shell block without running it: that its commands exist, and take these arguments."""

import importlib.util
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from streamer.command_line import refrain

_ROOT: Final = Path(__file__).parents[2]
_MAKEFILE: Final = _ROOT / "Makefile"

_IN_REPOSITORY: Final = re.compile(r"(docs|k8s|tests)/")
_PUNCTUATION: Final = "|&;()"
_REDIRECTION: Final = re.compile(r"\d*[<>].*")


def complaints(code: str) -> list[str]:
    """Return what is wrong with a block in `sh`: its syntax, or a command, option or target that does not exist."""
    syntax = subprocess.run(["bash", "-n"], input=code, capture_output=True, text=True, check=False)
    if syntax.returncode != 0:
        return [syntax.stderr.strip()]
    commands = list(commands_in(code))
    missing = [
        word for words in commands for word in words if _IN_REPOSITORY.match(word) and not (_ROOT / word).exists()
    ]
    return [f"there is no {word}" for word in missing] + [each for words in commands if (each := _complaint(*words))]


def commands_in(code: str) -> Iterator[Sequence[str]]:
    """Yield the words of each simple command, without variables set before it and redirections behind it."""
    for words in _lines(code):
        command: list[str] = []
        for word in [*words, ";"]:
            if not set(word) <= set(_PUNCTUATION):
                if command or not re.fullmatch(r"\w+=.*", word):
                    command.append(word)
            elif command:
                end = next((at for at, each in enumerate(command) if _REDIRECTION.fullmatch(each)), None)
                yield command[:end]
                command = []


def _lines(code: str) -> Iterator[list[str]]:
    """Yield the words of each line; one that ends within quotes goes on with the next."""
    line = ""
    for following in code.replace("\\\n", " ").splitlines():
        line += following
        lexer = shlex.shlex(line, posix=True, punctuation_chars=_PUNCTUATION)
        lexer.whitespace_split = True
        try:
            yield list(lexer)
        except ValueError:
            line += "\n"
        else:
            line = ""


def _complaint(program: str, *arguments: str) -> str:
    match Path(program).name, arguments:
        case "refrain", _:
            return _reject(refrain, arguments)
        case "make", _:
            targets = {word for word in arguments if re.fullmatch(r"[a-z-]+", word)}
            unknown = targets - set(re.findall(r"^([a-z-]+):", _MAKEFILE.read_text(), re.MULTILINE))
            return f"make has no {', '.join(sorted(unknown))}" if unknown else ""
        case "python", ("-m", module, *_):
            return "" if importlib.util.find_spec(module) else f"there is no module {module}"
        case _:
            return ""


def _reject(command: click.Command, arguments: Sequence[str], parent: click.Context | None = None) -> str:
    """Say why a command does not take its arguments; empty if it does."""
    try:
        ctx = command.make_context(command.name, list(arguments), parent)
        if not isinstance(command, click.Group):
            return ""
        _, below, rest = command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
    except click.exceptions.Exit:
        return ""
    except click.ClickException as exc:
        return f"{command.name} {' '.join(arguments)}: {exc.format_message()}"
    assert below is not None
    return _reject(below, rest, ctx)
