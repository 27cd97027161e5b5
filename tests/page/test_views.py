"""Each view of the page on a live stream: as wide as a desk and as a phone, light and dark."""

import pytest
from playwright.sync_api import Page

from tests.page.looking import Looker, Scheme, overflow, picture, violations
from tests.page.stream import LiveStream

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

#: What a view shows once it is drawn.
DRAWN = {
    "now": "main:has(.refused li) .strip canvas >> nth=4",
    "listener": ".ranking >> nth=1",
    "map": "main canvas",
    "releases": "main h1, main h2",
    "letters": "main h1, main h2",
}
#: What the documentation shows.
PICTURES: dict[tuple[str, int, Scheme], str] = {
    ("now", 1440, "dark"): "now",
    ("listener", 1440, "light"): "listener",
    ("listener", 360, "dark"): "phone",
    ("map", 1440, "dark"): "map",
    ("releases", 1440, "light"): "releases",
    ("letters", 1440, "light"): "letters",
}
LOOKS: list[tuple[int, Scheme]] = [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark")]


def open_view(look: Looker, stream: LiveStream, view: str, width: int, scheme: Scheme) -> Page:
    page = look.at(f"{stream.url()}/#/{view}", width=width, height=900 if width > 800 else 780, scheme=scheme)
    if view in ("listener", "map"):
        page.goto(f"{stream.url()}/#/listener")
        page.get_by_role("button", name="Somebody who plays right now").click()
        page.locator(".ranking").first.wait_for()
        page.goto(f"{stream.url()}/#/{view}")
    page.locator(DRAWN[view]).first.wait_for()
    return page


@pytest.mark.parametrize("view", DRAWN)
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_view_fits_its_window_and_everybody_can_use_it(
    look: Looker, stream: LiveStream, view: str, width: int, scheme: Scheme
) -> None:
    page = open_view(look, stream, view, width, scheme)

    assert violations(page) == []
    assert overflow(page) == 0
    if name := PICTURES.get((view, width, scheme)):
        picture(page, name)
