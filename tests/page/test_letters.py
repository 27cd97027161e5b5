"""The view of dead letters on a live stream: by cause, one shown whole, sent again and discarded."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.looking import Looker
from tests.page.stream import NUM_BAD, LiveStream

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

A_PAGE = 50


@pytest.fixture
def page(look: Looker, stream: LiveStream) -> Page:
    page = look.at(f"{stream.url()}/#/letters")
    page.locator(".letter-list li").first.wait_for()
    return page


def test_letters_are_counted_by_cause_and_a_bar_shows_its_own_alone(page: Page) -> None:
    expect(page.locator("h1")).to_have_text(re.compile(r"\d+ plays were refused"))
    bar = page.get_by_role("button", name=re.compile("^missing field"))

    bar.click()

    expect(bar).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".letter-list b", has_text="not JSON")).to_have_count(0)
    expect(page.locator(".letter-list b").first).to_have_text("missing field")
    bar.click()
    expect(page.locator(".letter-list b", has_text="not JSON")).not_to_have_count(0)


def test_nothing_is_chosen_among_letters_of_another_cause(page: Page) -> None:
    held: list[Route] = []
    page.route(re.compile("cause="), lambda route: held.append(route))  # noqa: PLW0108  playwright wraps functions alone

    page.get_by_role("button", name=re.compile("^missing field")).click()

    expect(page.get_by_role("status", name="Loading dead letters")).to_be_visible()
    expect(page.locator(".letter-list")).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("^Choose all"))).to_have_count(0)
    held[0].continue_()
    expect(page.locator(".letter-list b").first).to_have_text("missing field")


def test_older_letters_follow_the_newest(page: Page) -> None:
    expect(page.locator(".letter-list li")).to_have_count(A_PAGE)

    page.get_by_role("button", name="Show older letters").click()

    expect(page.locator(".letter-list li")).to_have_count(NUM_BAD)
    places = page.locator(".letter-list .pick input").evaluate_all("all => all.map(each => each.ariaLabel)")
    assert len(set(places)) == NUM_BAD


def test_a_letter_is_shown_whole_by_keyboard_and_closes_on_escape(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^missing field")).click()
    expect(page.locator(".letter-list b", has_text="not JSON")).to_have_count(0)
    page.locator(".letter-list a").first.focus()

    page.keyboard.press("Enter")

    letter = page.get_by_role("region", name=re.compile(r"^Letter \d+:\d+$"))
    expect(letter.locator(".letter-reason")).to_have_text(re.compile("missing field.*track_id"))
    expect(letter.locator(".letter-now")).to_have_text(re.compile("cannot be sent again now"))
    expect(letter.get_by_role("button", name="Send again…")).to_be_disabled()
    value = letter.get_by_role("region", name="Value")
    expect(value.locator("pre")).to_have_text(re.compile(r'^\{\n  "user_id": "listener-0007",\n'))
    value.get_by_role("button", name="As bytes").click()
    expect(value.locator("pre")).to_have_text(re.compile(r"^0000  7b 22 75 73 65 72 5f 69  64 22 "))
    expect(letter.get_by_role("region", name="Headers")).to_contain_text("worker-version")
    page.keyboard.press("Escape")
    expect(letter).to_have_count(0)


def test_an_address_of_no_letter_says_so(look: Looker, stream: LiveStream) -> None:
    page = look.at(f"{stream.url()}/#/letters/0/123456", expects_failures=True)

    expect(page.get_by_role("heading", name="This letter is gone")).to_be_visible()


def test_what_cannot_be_sent_again_comes_back_with_its_reason(page: Page) -> None:
    page.locator(".letter-list .pick").nth(0).click()
    page.locator(".letter-list .pick").nth(1).click()
    page.get_by_role("button", name="Send again…").click()

    page.get_by_role("dialog").get_by_role("button", name="Send again").click()

    came_back = page.locator(".came-back")
    expect(came_back.get_by_role("heading")).to_have_text("2 letters were not sent again")
    expect(came_back.locator("li").first).to_have_text(re.compile(r"\d+:\d+ .*reject"))
    expect(page.locator("dialog")).to_have_count(0)


def test_a_discarded_letter_is_gone_once_it_is_confirmed(page: Page) -> None:
    pick = page.locator(".letter-list .pick input").first
    place = pick.get_attribute("aria-label") or ""
    pick.check()
    page.get_by_role("button", name="Discard…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("This cannot be undone")

    dialog.get_by_role("button", name="Cancel").click()

    expect(page.get_by_label(place, exact=True)).to_be_checked()
    page.get_by_role("button", name="Discard…").click()
    dialog.get_by_role("button", name="Discard").click()
    expect(page.get_by_label(place, exact=True)).to_have_count(0)


def test_who_discards_a_letter_second_is_told_that_it_is_gone(look: Looker, stream: LiveStream, page: Page) -> None:
    address = page.locator(".letter-list a").last.get_attribute("href") or ""
    tabs = [look.at(f"{stream.url()}/{address}", width=390, expects_failures=True) for _ in range(2)]
    for tab in tabs:
        expect(tab.locator(".letter-reason")).to_be_visible()

    for tab in tabs:
        tab.get_by_role("button", name="Discard…").click()
        tab.get_by_role("dialog").get_by_role("button", name="Discard").click()
        expect(tab.get_by_role("dialog")).to_have_count(0)

    letter = tabs[1].locator(".letter")
    expect(letter.get_by_role("heading", name="This letter is gone")).to_be_in_viewport()
    expect(letter).to_contain_text("it was discarded")
    expect(letter.get_by_role("button")).to_have_text(["Close"])
