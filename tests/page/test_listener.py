"""The view of a listener on a live stream: their plays, both lists, why, and what if."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.page.looking import Looker, picture
from tests.page.stream import RESTING, LiveStream

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

LISTED = 20
WAIT_MS = 60_000
#: Whether the track in focus has moved and is still in focus; one that leaves the list leaves it to another.
_FOLLOW_FOCUS = """(limit) => new Promise((done, fail) => {
    setTimeout(() => fail(new Error("no track in focus moved")), limit);
    const row = () => document.activeElement.closest("[data-key]");
    const keys = () => [...row().parentElement.children].map((one) => one.dataset.key);
    let key = row().dataset.key, before = keys();
    const list = row().parentElement;
    new MutationObserver(() => requestAnimationFrame(() => {
        const after = keys(), place = after.indexOf(key);
        if (place >= 0 && place !== before.indexOf(key)) done(row() === list.children[place]);
        key = row().dataset.key;
        before = after;
    })).observe(list, { attributes: true, subtree: true, attributeFilter: ["data-key"] });
})"""
_TYPE_AND_ENTER = """(field, text) => {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
}"""
_TYPE_AND_SUBMIT = """(field, text) => {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.form.requestSubmit();
}"""


@pytest.fixture
def page(look: Looker, stream: LiveStream) -> Page:
    return at_somebody(look.at(f"{stream.url()}/#/listener", height=1240))


@pytest.fixture
def resting(look: Looker, stream: LiveStream) -> Page:
    """Look at somebody who plays no more, whose lists stay as they are."""
    page = look.at(f"{stream.url()}/#/listener", height=1240)
    page.get_by_label("User id").fill(RESTING)
    page.keyboard.press("Enter")
    page.locator(".ranking").nth(1).wait_for()
    return page


def at_somebody(page: Page) -> Page:
    """Look at somebody who plays right now."""
    page.get_by_role("button", name="Somebody who plays right now").click()
    page.locator(".ranking").nth(1).wait_for()
    return page


def listed(page: Page, place: str) -> list[str]:
    return page.locator(f"{place} .title").all_text_contents()


def test_both_lists_name_their_tracks(page: Page) -> None:
    expect(page.locator(".ranking.short-term > li")).to_have_count(LISTED)
    expect(page.locator(".ranking.long-term .title").first).not_to_have_text(re.compile("^track-"))


def test_a_play_that_arrives_moves_the_lists(page: Page) -> None:
    latest = page.locator(".play.latest")
    number = latest.get_attribute("id")

    expect(latest).not_to_have_id(number or "")

    expect(page.locator(".ranking .move:not(:empty)").first).to_be_visible()


def test_a_row_opens_to_say_why(resting: Page) -> None:
    resting.locator(".rank-row").first.click()

    why = resting.locator(".why").first
    expect(why.locator(".words li").first).to_have_text(re.compile(r"\w"))
    expect(why.get_by_role("heading")).to_have_text(
        [re.compile("Second stage"), re.compile("First stage"), "Because they played", "Counts"]
    )
    expect(why.locator(".terms").first.locator("dt")).to_have_count(8)


def test_reasons_are_asked_for_only_while_a_row_is_open(resting: Page) -> None:
    with resting.expect_request(re.compile("/listener/follow")) as opening:
        resting.locator(".rank-row").first.click()
    expect(resting.locator(".why")).to_have_count(1)
    with resting.expect_request(re.compile("/listener/follow")) as closing:
        resting.evaluate("document.querySelector('.rank-row[aria-expanded=true]').click()")

    followed = (opening.value, closing.value)
    assert [json.loads(one.post_data or "")["reasons"] for one in followed] == [True, False]


def test_a_row_whose_track_leaves_the_list_is_closed_and_it_is_said(page: Page) -> None:
    page.locator(".ranking.short-term .rank-row").last.click()

    expect(page.locator(".lists header [role=status]").first).to_contain_text("has left the list", timeout=WAIT_MS)
    expect(page.locator(".why")).to_have_count(0)
    expect(page.locator(".rank-row[aria-expanded=true]")).to_have_count(0)


def test_a_play_that_is_forgotten_is_no_longer_imagined_away(look: Looker, stream: LiveStream) -> None:
    page = at_somebody(look.at(f"{stream.url()}/#/listener", expects_failures=True))  # the worker forgets it first

    page.locator(".play").nth(48).dispatch_event("click")  # a pointer may miss what moves as plays arrive
    expect(page.locator(".what-if")).to_contain_text("without 1 play")

    expect(page.locator(".what-if")).not_to_contain_text("without")
    expect(page.locator(".comparison")).to_have_count(0)


def test_the_focus_goes_with_the_track_that_it_is_on(page: Page) -> None:
    page.locator(".ranking.long-term .rank-row").nth(3).focus()

    came_along = page.evaluate(_FOLLOW_FOCUS, WAIT_MS)

    assert came_along


def test_a_play_taken_away_and_one_added_show_both_lists_before_and_after(resting: Page) -> None:
    play = resting.locator(".play").nth(-3)

    play.click()

    expect(play).to_have_attribute("aria-pressed", "true")
    expect(resting.locator(".comparison")).to_have_count(2)
    expect(resting.locator(".what-if")).to_contain_text("without 1 play")
    resting.get_by_role("combobox").fill("a")
    resting.get_by_role("option").first.click()
    expect(resting.locator(".play.added")).to_have_count(1)
    expect(resting.locator(".what-if")).to_have_text(re.compile(r"computed on a copy in \d+"))
    assert listed(resting, ".comparison.short-term .was") != listed(resting, ".comparison.short-term .would")
    picture(resting, "what-if")

    resting.keyboard.press("Escape")

    expect(resting.locator(".comparison")).to_have_count(0)


def test_keys_alone_take_a_play_away(resting: Page) -> None:
    resting.locator(".play.latest").focus()

    resting.keyboard.press("ArrowLeft")
    resting.keyboard.press("Delete")

    expect(resting.locator(".play.removed")).to_have_count(1)
    expect(resting.locator(".comparison")).to_have_count(2)


def test_whichever_worker_is_asked_finds_the_listener(look: Looker, stream: LiveStream) -> None:
    user = stream.world.listeners.user_ids[0]

    for number in (0, 1):
        page = look.at(f"{stream.url(number)}/#/listener")
        page.get_by_label("User id").fill(user)
        page.get_by_role("button", name="Look").click()
        expect(page.get_by_role("heading", name=user)).to_be_visible()


def test_who_never_played_is_shown_what_a_first_play_would_bring(look: Looker, stream: LiveStream) -> None:
    page = look.at(f"{stream.url()}/#/listener")

    page.get_by_label("User id").fill("nobody-yet")
    page.keyboard.press("Enter")

    expect(page.locator(".who")).to_contain_text("Has not played here yet")
    expect(page.get_by_role("heading", name="No lists yet")).to_be_visible()
    page.get_by_role("combobox").fill("a")
    page.get_by_role("option").first.click()
    expect(page.locator(".comparison.short-term .would > li")).to_have_count(LISTED)


def test_no_user_id_is_in_an_address(look: Looker, stream: LiveStream) -> None:
    addresses: list[str] = []
    user = stream.world.listeners.user_ids[1]
    page = look.at(f"{stream.url()}/#/listener")
    page.on("request", lambda request: addresses.append(request.url))

    page.get_by_label("User id").fill(user)
    page.keyboard.press("Enter")
    page.locator(".ranking").first.wait_for()

    assert addresses
    assert [address for address in [*addresses, page.url] if user in address] == []


def test_an_id_that_would_falsify_its_look_is_written_out(look: Looker, stream: LiveStream) -> None:
    page = look.at(f"{stream.url()}/#/listener")

    page.get_by_label("User id").fill("id\u202eevil")
    page.keyboard.press("Enter")

    expect(page.locator("h1 bdi")).to_have_text(r"id\u{202e}evil")


def test_an_id_longer_than_a_play_may_name_is_refused_by_the_field(look: Looker, stream: LiveStream) -> None:
    page = look.at(f"{stream.url()}/#/listener", width=360)
    field = page.get_by_label("User id")

    field.fill("é" * 129)
    page.keyboard.press("Enter")

    assert field.evaluate("field => field.validationMessage") == ("A user id has at most 256 bytes; this one has 258.")
    expect(page.locator(".who")).to_have_count(0)
    field.fill("é" * 128)
    page.keyboard.press("Enter")
    box = page.locator(".who h1").bounding_box()
    assert box is not None
    assert box["height"] < 100


def test_enter_picks_from_what_was_found_for_all_that_is_typed(page: Page) -> None:
    field = page.get_by_role("combobox")
    field.fill("track-0000")
    page.get_by_role("option").first.wait_for()

    field.evaluate(_TYPE_AND_ENTER, "track-000017")

    expect(page.locator(".what-if [role=status] .track")).to_have_attribute("title", re.compile("track-000017"))


def test_a_search_that_fails_says_why_until_it_does_not(look: Looker, stream: LiveStream) -> None:
    page = look.at(f"{stream.url()}/#/listener", expects_failures=True)
    page.get_by_role("button", name="Somebody who plays right now").click()
    busy = {"error": {"code": "busy", "message": "more is asked than is answered"}}
    page.route("**/tracks/search", lambda route: route.fulfill(status=429, json=busy, headers={"Retry-After": "1"}))

    page.get_by_role("combobox").fill("track-0001")

    expect(page.locator(".search .none")).to_have_text("more is asked than is answered")
    page.unroute("**/tracks/search")
    expect(page.get_by_role("option").first).to_be_visible()


def test_the_map_follows_who_is_typed_however_soon_enter_follows(look: Looker, stream: LiveStream) -> None:
    page = look.at(f"{stream.url()}/#/map")
    user = stream.world.listeners.user_ids[0]

    page.get_by_label("User id").evaluate(_TYPE_AND_SUBMIT, user)

    expect(page.locator(".map-who")).to_have_text(user)
