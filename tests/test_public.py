"""The public interface in docs/public.md: exactly what the code has."""

import re
from pathlib import Path

import click
import pytest

from tests.public import DOCS, command_rows, format_rows, pages, render_page, render_tables

PAGE = DOCS / "public.md"

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"


def test_the_committed_pages_list_the_public_interface() -> None:
    for page, tables in pages().items():
        text = page.read_text()

        assert text == render_page(text, tables), "run `make public`, and say in CHANGELOG.md what changed"


def test_what_the_code_does_not_have_is_dropped() -> None:
    page = PAGE.read_text()
    stale = page.replace("| `refrain worker` |", "| `refrain jukebox` |")

    assert stale != page
    assert render_page(stale, render_tables()) == page


def test_a_page_without_a_table_is_refused() -> None:
    page = PAGE.read_text().replace("<!-- table: settings -->", "")

    with pytest.raises(ValueError, match="add their markers"):
        render_page(page, render_tables())


def test_every_argument_of_a_command_below_a_command_has_a_row() -> None:
    how = click.Option(["--how"], type=click.Choice(["near", "far"]), default="far")
    twice = click.Option(["--twice"], is_flag=True)
    at = click.Command("at", params=[click.Argument(["place"]), how, twice])
    look = click.Group("look", commands=[at, click.Command("away")])

    assert list(command_rows(click.Group("refrain", commands=[look]))) == [
        ("`refrain look at`", "`PLACE`", "", "required"),
        ("`refrain look at`", "`--how HOW`", "`near`, `far`", "`far`"),
        ("`refrain look at`", "`--twice`", "", ""),
        ("`refrain look away`", "", "", ""),
    ]


def test_every_row_of_a_table_is_named_once() -> None:
    for name, table in render_tables().items():
        keys = re.findall(r"^\| ([^|]+ \| [^|]*) \|", table, re.MULTILINE)
        assert len(keys) == len(set(keys)), name


def test_the_changelog_names_every_format_with_its_version() -> None:
    changelog = CHANGELOG.read_text()

    unnamed = [row for row in format_rows() if f"| {' | '.join(row)} |" not in changelog]

    assert unnamed == [], "say under Unreleased which format changed, and what to upgrade first"
