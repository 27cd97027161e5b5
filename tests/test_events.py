import ast

import pytest

from streamer.runtime.logs import RESERVED, event_of, fields_of
from tests.events import PAGE, _templates, find_events, render_page


def test_the_committed_page_has_every_event() -> None:
    assert PAGE.read_text() == render_page(), "run `make public`, and say in CHANGELOG.md what changed"


def test_each_line_of_the_log_begins_with_the_name_of_its_event() -> None:
    events = find_events()

    assert len(events) > 50
    assert [event for event in events if len(event_of(event.template).split()) < 1] == []


def test_fields_have_names_that_are_free() -> None:
    fields = {field for event in find_events() for field in fields_of(event.template)}

    assert fields & set(RESERVED) == set()


def test_an_event_that_has_no_name_in_the_source_is_refused() -> None:
    with pytest.raises(ValueError, match="log a constant"):
        _templates(ast.parse("text", mode="eval").body, {})
