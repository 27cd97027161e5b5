"""Each view before the first release: no error, but what is awaited."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.page.looking import Looker
from tests.page.stream import LiveStream

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

_OTHER = 3  # number of the worker, whose disk no other test uses


@pytest.fixture(scope="module")
def url(stream: LiveStream) -> Iterator[str]:
    """Serve the page of a worker that reads the same plays in a deployment of its own, which has no release."""
    name = f"t{uuid4().hex[:12]}"
    topics = {
        "releases_topic": f"{name}.releases",
        "short_term_topic": f"{name}.short",
        "long_term_topic": f"{name}.long",
        "dead_letter_topic": f"{name}.dead",
    }
    with stream.another_worker(_OTHER, app_id=name, **topics) as url:
        yield url


@pytest.mark.parametrize("view", ["now", "map", "releases"])
def test_a_view_says_what_it_waits_for(look: Looker, url: str, view: str) -> None:
    assert_awaits(look.at(f"{url}/#/{view}", expects_failures=True))  # the map is asked for, and there is none


def test_a_listener_has_plays_and_awaits_lists(look: Looker, url: str) -> None:
    page = look.at(f"{url}/#/listener")

    page.get_by_role("button", name="Somebody who plays right now").click()

    page.locator(".timeline").wait_for()
    assert_awaits(page)


def assert_awaits(page: Page) -> None:
    expect(page.get_by_text("with the first release")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
