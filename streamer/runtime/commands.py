"""What the parsers of all rooms share: the type of their commands, counts, and what every help ends with."""

import argparse
import textwrap
from typing import Final, TypeAlias

from streamer.runtime.statuses import MEANINGS

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  argparse has no public name

_WIDTH: Final = 79


class _Paragraphs(argparse.HelpFormatter):
    """Wraps the paragraphs of a description one by one, and keeps the lines of one that has indented lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        wrapped = [
            paragraph
            if "\n " in paragraph
            else textwrap.fill(" ".join(paragraph.split()), width, initial_indent=indent, break_on_hyphens=False)
            for paragraph in text.split("\n\n")
        ]
        return "\n\n".join(wrapped)


def num(text: str) -> int:
    """Parse an argument that is a positive count."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number


def document_statuses(parser: argparse.ArgumentParser) -> None:
    """Append the exit statuses to the help of a parser and of all below it."""
    parser.epilog = "\n\n".join(filter(None, [parser.epilog, _statuses()]))
    parser.formatter_class = _Paragraphs
    for action in parser._actions:  # noqa: SLF001  argparse has no public way to the parsers of commands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                document_statuses(command)


def _statuses() -> str:
    rows = (
        textwrap.fill(meaning, _WIDTH, initial_indent=f"{status.value:>5}  ", subsequent_indent=" " * 7)
        for status, meaning in MEANINGS.items()
    )
    return "\n".join(["exit statuses:", *rows])
