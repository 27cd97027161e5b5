"""The map of taste on a live stream: pan, zoom, find and choose; a listener who wanders over it; what is in its way."""

import base64
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.looking import Looker
from tests.page.stream import LiveStream
from tests.until import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

MANY_COLOURS = 60
STEPS = 8  # of an arrow key: names pass whatever floats
_COUNT_COLOURS = """async picture => {
    const bytes = Uint8Array.from(atob(picture), letter => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    return new Set(new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer)).size;
}"""
_LOSE_CONTEXT = """() => {
    const canvas = document.querySelector(".map-stage canvas");
    const loss = canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
    canvas.addEventListener("webglcontextlost", () => setTimeout(() => loss.restoreContext(), 100));
    canvas.addEventListener("webglcontextrestored", () => { document.body.dataset.restored = "yes"; });
    loss.loseContext();
}"""
_KEEP_NAMES = """(() => {
    window.names = [];
    const original = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        const half = this.measureText(text).width / 2;
        if (this.canvas.closest(".map-stage")) names.push({text, left: x - half, right: x + half, y});
        return original.call(this, text, x, y);
    };
})()"""
# Without the focus no track is pointed at, whose name is drawn wherever it is.
_PRESS_UNFOCUSED = """async (keys) => {
    for (const key of keys) {
        document.querySelector(".map-stage").dispatchEvent(new KeyboardEvent("keydown", {key}));
        await new Promise(requestAnimationFrame);
    }
}"""
_NAMES_BENEATH = """(floats) => {
    const stage = document.querySelector(".map-stage").getBoundingClientRect();
    const boxes = [...document.querySelectorAll(floats)].map((one) => one.getBoundingClientRect());
    const touches = ({left, right, y}, box) =>
        left + stage.left < box.right && right + stage.left > box.left
        && y + stage.top < box.bottom && y + stage.top > box.top;
    return names.filter((name) => boxes.some((box) => touches(name, box))).map(({text}) => text);
}"""
_NO_WEBGL = """(() => {
    const original = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
        return kind.startsWith("webgl") ? null : original.call(this, kind, ...rest);
    };
})()"""


@pytest.fixture
def page(look: Looker, stream: LiveStream) -> Page:
    return opened(look.at(f"{stream.url()}/#/map"))


@pytest.fixture
def walk(page: Page) -> Page:
    """Look at somebody who plays right now, on the map."""
    page.get_by_role("button", name="Somebody").click()
    page.locator(".map-dock").wait_for()
    return page


def opened(page: Page) -> Page:
    page.locator(".map-stage").wait_for()
    return page


def colours(page: Page) -> int:
    """Count the colours of the stage, panels aside."""
    stage = page.locator(".map-stage")
    shot = base64.b64encode(stage.screenshot(mask=[page.locator(".map-panel, .map-tools, .map-dock")])).decode()
    return int(page.evaluate(_COUNT_COLOURS, shot))


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="Play")


def test_the_catalogue_is_drawn_and_its_regions_lead_to_their_place(page: Page) -> None:
    wait_until(lambda: colours(page) > MANY_COLOURS, "the map is drawn")
    page.locator(".map-legend summary").click()
    region = page.locator(".map-regions button").first

    region.click()

    expect(region).to_have_attribute("aria-pressed", "true")


def test_the_map_is_loaded_once(look: Looker, stream: LiveStream) -> None:
    asked: list[str] = []
    page = look.at("about:blank")
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{stream.url()}/#/map")

    opened(page)
    expect(page.locator(".connection .answering")).to_be_visible()  # so it is known which release answers
    wait_until(lambda: colours(page) > MANY_COLOURS, "the map is drawn")
    assert len([url for url in asked if url.endswith("/api/v1/map")]) == 1


def test_the_map_is_left_for_another_view_and_comes_back(look: Looker, stream: LiveStream) -> None:
    page = look.at(f"{stream.url()}/#/map", motion="no-preference")
    page.locator(".map-stage").wait_for()
    page.keyboard.press("a")
    page.locator(".map-dock").wait_for()

    for view, shown in (("now", ".strip canvas"), ("map", ".map-dock"), ("releases", ".release"), ("map", ".map-dock")):
        page.evaluate("view => { location.hash = `#/${view}`; }", view)
        page.locator(shown).first.wait_for()


def test_a_track_that_is_found_is_flown_to_and_chosen(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.get_by_role("combobox").fill("a")
    title = page.get_by_role("option").first.locator(".title").text_content() or ""

    page.keyboard.press("Enter")

    card = page.get_by_role("region", name="Chosen track")
    expect(card.get_by_role("heading")).to_have_text(title)
    page.locator(".map-stage").focus()
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)


def test_keys_move_the_map_name_the_track_in_the_middle_and_choose_it(page: Page) -> None:
    page.get_by_role("combobox").fill("a")
    title = page.get_by_role("option").first.locator(".title").text_content() or ""
    page.keyboard.press("Enter")
    card = page.get_by_role("region", name="Chosen track")
    card.get_by_role("button", name="Close").press("Enter")
    pointed = page.locator("[aria-live=polite].unseen")

    page.locator(".map-stage").focus()

    expect(pointed).to_have_text(re.compile(rf"^{re.escape(title)}.*, \w"))
    page.keyboard.press("Enter")
    expect(card.get_by_role("heading")).to_have_text(title)
    page.keyboard.press("Shift+ArrowLeft")
    expect(pointed).not_to_have_text(re.compile(rf"^{re.escape(title)}"))


@pytest.mark.parametrize("width", [1440, 390])
def test_no_name_is_drawn_beneath_a_panel_or_a_button(look: Looker, stream: LiveStream, width: int) -> None:
    page = look.at("about:blank", width=width)
    page.add_init_script(_KEEP_NAMES)
    page.goto(f"{stream.url()}/#/map")
    opened(page)

    there_and_back = ["ArrowRight"] * STEPS + ["ArrowDown"] + ["ArrowLeft"] * STEPS + ["ArrowDown"]
    page.evaluate(_PRESS_UNFOCUSED, ["+", *["ArrowUp"] * 4, *there_and_back * 4])

    assert page.evaluate("names.length") > STEPS
    assert page.evaluate(_NAMES_BENEATH, ".map-panel, .map-tools") == []


def test_a_listener_wanders_over_it_play_by_play(walk: Page) -> None:
    expect(slider(walk)).to_have_attribute("aria-valuetext", re.compile(r"^Play \d+ of \d+: \w.*, \w"))
    expect(walk.locator(".map-tastes")).to_have_text(re.compile("short-term taste in .*long-term taste in"))
    slider(walk).focus()

    walk.keyboard.press("Home")

    expect(slider(walk)).to_have_attribute("aria-valuetext", re.compile("^Play 1 of "))
    live = walk.get_by_role("button", name="live")
    expect(live).to_have_attribute("aria-pressed", "false")
    live.click()
    expect(live).to_have_attribute("aria-pressed", "true")


def test_a_replay_runs_until_it_is_stopped(walk: Page) -> None:
    slider(walk).press("Home")
    expect(slider(walk)).to_have_attribute("aria-valuetext", re.compile("^Play 1 of "))

    walk.get_by_role("button", name="Replay").click()

    expect(walk.get_by_role("button", name="live")).to_have_attribute("aria-pressed", "false")
    walk.get_by_role("button", name="Stop").click()
    expect(walk.get_by_role("button", name="Replay")).to_be_visible()


def test_a_play_that_arrives_moves_the_listener_on(walk: Page) -> None:
    before = slider(walk).get_attribute("aria-valuetext") or ""
    track = before.partition(": ")[2].rpartition(", ")[0]

    expect(slider(walk)).not_to_have_attribute("aria-valuetext", re.compile(re.escape(track)))


def test_the_map_in_words_says_where_each_taste_was(walk: Page) -> None:
    walk.locator(".map-in-words summary").click()

    plays = walk.get_by_role("table", name=re.compile("^The latest plays of "))
    expect(plays.get_by_role("row")).not_to_have_count(1)
    expect(walk.get_by_role("table", name="Regions").get_by_role("row")).not_to_have_count(1)


def test_a_lost_context_comes_back_and_the_map_with_it(page: Page) -> None:
    page.evaluate(_LOSE_CONTEXT)

    expect(page.locator("body")).to_have_attribute("data-restored", "yes")
    wait_until(lambda: colours(page) > MANY_COLOURS, "the map is drawn again")


def test_without_webgl_the_map_is_drawn_all_the_same(look: Looker, stream: LiveStream) -> None:
    page = look.at(f"{stream.url()}/#/now")
    page.add_init_script(_NO_WEBGL)

    page.goto(f"{stream.url()}/#/map")
    page.reload()

    opened(page)
    wait_until(lambda: colours(page) > MANY_COLOURS, "the map is drawn")
