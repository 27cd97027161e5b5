"""The code blocks of the pages: what each is, and what becomes of it in the tests.

A block in `sh` or `python` is run, unless a comment before it says something else:

    <!-- snippet: until "text" -->          run again and again, until it says that
    <!-- snippet: stays, until "text" -->   started in a shell of its own, where it stays; the page goes on at the text
    <!-- snippet: file NAME -->             written to a file
    <!-- snippet: not here, REASON -->      not run, only checked as far as it can be

Blocks in other languages show something and are not run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from markdown_it import MarkdownIt

Fate: TypeAlias = Literal["run", "until", "stays", "file", "not here"]

RUNNABLE: Final = ("sh", "python")

#: Languages of what is only shown.
SHOWN: Final = ("java", "json", "properties", "text", "toml", "typescript", "yaml")

_NOTE: Final = re.compile(rf"<!-- snippet: (?P<fate>{'|'.join(get_args(Fate))})\b,?\s*(?P<rest>.*?) -->", re.DOTALL)
_TEXT: Final = re.compile(r'(?:until )?"(.+)"')


@dataclass(frozen=True, slots=True)
class Snippet:
    """A code block.

    Attributes:
        page: where it is.
        line: its first.
        language: that its fence names.
        code: what it says.
        fate: what becomes of it.
        note: a text to wait for, the name of a file, or a reason.
    """

    page: Path
    line: int
    language: str
    code: str
    fate: Fate = "run"
    note: str = ""

    def __str__(self) -> str:
        """Say where it is."""
        return f"{self.page.name}:{self.line}"


class SnippetError(Exception):
    """Raised when a block has no language, or a note says nothing that is known."""


def fences_of(page: Path) -> list[tuple[str, str]]:
    """Read all fenced blocks of a page: language and code."""
    tokens = MarkdownIt("commonmark").parse(page.read_text())
    return [(token.info, token.content) for token in tokens if token.type == "fence"]


def snippets_of(page: Path) -> list[Snippet]:
    """Read the code blocks of a page that can be run, in order.

    Raises:
        SnippetError: a block is indented instead of fenced, has an unknown language, or its note cannot be read.
    """
    return list(_snippets(page))


def _snippets(page: Path) -> Iterator[Snippet]:
    note = ""
    for token in MarkdownIt("commonmark").parse(page.read_text()):
        if token.type == "code_block" or (token.type == "fence" and token.info not in {*RUNNABLE, *SHOWN}):
            place = f"{page.name}:{token.map and token.map[0] + 1}"
            raise SnippetError(f"{place}: fence the block, and name its language: {', '.join((*RUNNABLE, *SHOWN))}")
        if token.type == "fence" and token.info in RUNNABLE:
            assert token.map is not None
            yield _snippet(page, token.map[0] + 1, token.info, token.content, note)
        elif note:
            raise SnippetError(f"{page.name}: no block follows {note}")
        note = token.content.strip() if token.type == "html_block" and "snippet:" in token.content else ""


def _snippet(page: Path, line: int, language: str, code: str, note: str) -> Snippet:
    if not note:
        return Snippet(page, line, language, code)
    if (found := _NOTE.fullmatch(note)) is None:
        raise SnippetError(f"{page.name}:{line}: {note} is none of {', '.join(get_args(Fate))}")
    fate, rest = found["fate"], found["rest"]
    if fate in {"until", "stays"}:
        if (text := _TEXT.fullmatch(rest)) is None:
            raise SnippetError(f'{page.name}:{line}: {fate} until "which text"?')
        rest = text[1]
    if not rest:
        raise SnippetError(f"{page.name}:{line}: {fate} lacks a name or a reason")
    return Snippet(page, line, language, code, fate, rest)  # type: ignore[arg-type]  # one of its values, by the pattern
