"""docs/beside.md: every cell has its evidence, and what Refrain's point at exists."""

import re
from collections.abc import Sequence

import pytest

from tests.docs.site import ROOT

PAGE = ROOT / "docs" / "beside.md"

#: A file or a tree on GitHub as it was at a commit.
_PINNED = re.compile(r"https://github\.com/[\w-]+/[\w-]+/(blob|tree)/[0-9a-f]{40}(/\S+)?")


@pytest.fixture(scope="module", params=[8, 6], ids=["systems", "pages"])
def rows(request: pytest.FixtureRequest) -> list[Sequence[str]]:
    """The cells of a table, the one with so many columns, without the rows that are headings."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    _, _, *rows = [row for row in table if len(row) == request.param]
    return [row for row in rows if any(row[1:])]


def test_what_refrain_claims_is_in_this_repository(rows: Sequence[Sequence[str]]) -> None:
    claimed = [(row[0], re.findall(r"\]\(([^)#]+)", row[1])) for row in rows]

    assert [title for title, links in claimed if not links] == []
    assert [link for _, links in claimed for link in links if not (PAGE.parent / link).exists()] == []


def test_what_is_said_of_others_is_at_a_fixed_commit(rows: Sequence[Sequence[str]]) -> None:
    defined = dict(re.findall(r"^\[([\w-]+)\]: (\S+)$", PAGE.read_text(), re.MULTILINE))
    used = [(row[0], re.findall(r"\]\[([\w-]+)\]", cell)) for row in rows for cell in row[2:]]

    assert len(rows) > 10
    assert [title for title, labels in used if not labels] == []
    assert {label for _, labels in used for label in labels} <= defined.keys()
    assert [link for link in defined.values() if not _PINNED.fullmatch(link)] == []
