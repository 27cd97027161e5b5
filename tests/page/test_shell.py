"""The shell of the page: what it weighs, how soon it paints, keys, themes, and a token where one is needed."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import CDPSession, expect

from tests.page.looking import Looker
from tests.page.stream import LiveStream

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

_ASSETS = "performance.getEntriesByType('resource').filter((one) => /assets/.test(one.name))"
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_FRAMES = """new Promise((done) => {
    let left = 300;
    const next = () => (--left ? requestAnimationFrame(next) : done());
    next();
})"""

_THERE = {"now": "nav", "listener": "main input", "map": ".map-stage"}
_PRESS_ONCE_THERE = """([selector, key]) => {
    const watcher = new MutationObserver(() => {
        if (!document.querySelector(selector)) return;
        watcher.disconnect();
        document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
    });
    watcher.observe(document, {childList: true, subtree: true});
}"""


def test_what_a_browser_loads_weighs_less_than_110_kb(
    look: Looker, stream: LiveStream, record_property: Callable[[str, object], None]
) -> None:
    page = look.at(stream.url())
    page.locator("nav").wait_for()

    sizes: list[int] = page.evaluate(f"{_ASSETS}.map((one) => one.encodedBodySize)")

    assert len(sizes) == 3
    assert sum(sizes) < 110_000
    record_property("bytes", sum(sizes))
    record_property("first paint ms", page.evaluate(_PAINT))


def test_the_page_of_a_busy_stream_leaves_nine_tenths_of_a_core_alone(look: Looker, stream: LiveStream) -> None:
    page = look.at(f"{stream.url()}/#/now")
    page.locator(".strip canvas").first.wait_for()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})  # CPU time, whatever else this machine does

    before = metrics(session)
    page.evaluate(_FRAMES)
    after = metrics(session)

    cpu_s = after["TaskDuration"] - before["TaskDuration"]
    assert cpu_s / (after["Timestamp"] - before["Timestamp"]) < 0.1


def metrics(session: CDPSession) -> dict[str, float]:
    return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}


@pytest.mark.parametrize("width", [360, 390, 800])
def test_every_view_is_named_whole_in_the_bar(look: Looker, stream: LiveStream, width: int) -> None:
    page = look.at(stream.url(), width=width)
    page.locator("nav").wait_for()

    for link in page.locator("nav a").all():
        box = link.bounding_box()
        assert box is not None
        assert 0 <= box["x"] < box["x"] + box["width"] <= width
    assert page.locator("nav").evaluate("nav => nav.scrollWidth - nav.clientWidth") == 0


def test_keys_lead_to_the_views_and_to_the_list_of_keys(look: Looker, stream: LiveStream) -> None:
    page = look.at(stream.url())
    page.locator("nav").wait_for()

    page.keyboard.press("2")
    expect(page.get_by_role("link", name="Listener")).to_have_attribute("aria-current", "page")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize(
    ("view", "key", "outcome"),
    [("now", "?", "dialog[open]"), ("listener", "/", "main input:focus"), ("map", "/", ".map-panel input:focus")],
)
def test_a_key_is_heard_in_the_moment_a_view_is_there(
    look: Looker, stream: LiveStream, view: str, key: str, outcome: str
) -> None:
    page = look.at("about:blank")
    page.add_init_script(f"({_PRESS_ONCE_THERE})({json.dumps([_THERE[view], key])})")

    page.goto(f"{stream.url()}/#/{view}")

    expect(page.locator(outcome)).to_be_visible()


def test_the_first_key_skips_to_the_view(look: Looker, stream: LiveStream) -> None:
    page = look.at(stream.url())
    page.locator("nav").wait_for()

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the view")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.get_by_role("main")).to_be_focused()


def test_a_worker_that_wants_a_token_is_given_one(look: Looker, stream: LiveStream) -> None:
    with stream.another_worker(read_token="look-and-nothing-else", act_token="look-and-act-as-well") as url:
        page = look.at(f"{url}/#/now", expects_failures=True)
        dialog = page.get_by_role("dialog", name="Access")
        dialog.get_by_label("Token").fill("a-token-of-somebody-else")
        dialog.get_by_role("button", name="Use it").click()
        expect(dialog).to_contain_text("does not know this token")

        dialog.get_by_label("Token").fill("look-and-nothing-else")
        page.keyboard.press("Enter")

        expect(dialog).to_have_count(0)
        expect(page.locator(".connection")).to_have_text(re.compile("live|moving"))
        assert page.evaluate("document.cookie + location.href").count("look-and-nothing-else") == 0


def test_forgetting_the_token_ends_what_it_gave_to_see(look: Looker, stream: LiveStream) -> None:
    with stream.another_worker(read_token="look-and-nothing-else", act_token="look-and-act-as-well") as url:
        page = look.at(f"{url}/#/now", expects_failures=True)
        dialog = page.get_by_role("dialog", name="Access")
        dialog.get_by_label("Token").fill("look-and-act-as-well")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text(re.compile("plays"))
        page.get_by_role("button", name="Access").click()
        expect(dialog).to_contain_text("This tab may look and act.")

        dialog.get_by_role("button", name="Forget the token").click()

        expect(page.locator(".connection")).to_have_text("needs a token")
        expect(page.locator("h1")).to_have_count(0)
        expect(dialog.get_by_label("Token")).to_be_focused()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
