"""The view of releases on a live stream: figures, what the gate said, promotion and rollback."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.looking import Looker
from tests.page.stream import LiveStream

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

READ, ACT = "may-read-0123456789abcdef", "may-act-0123456789abcdef"


@pytest.fixture
def page(look: Looker, stream: LiveStream) -> Page:
    page = look.at(f"{stream.url()}/#/releases")
    page.locator(".release").first.wait_for()
    return page


def champion(page: Page) -> Locator:
    return page.locator(".release.is-champion .release-name .id")


def test_releases_are_on_common_scales_with_the_champion_marked(page: Page) -> None:
    expect(page.locator(".release")).to_have_count(2)
    expect(page.locator(".release.is-champion")).to_have_count(1)
    expect(page.locator(".release-row.head .metric")).to_have_text(
        [re.compile("HR@20"), re.compile("MRR@20"), re.compile("recall@100")]
    )
    expect(page.get_by_role("img", name=re.compile(r"^HR@20 0\.\d+, interval 0\.\d+ to 0\.\d+$"))).to_have_count(2)


def test_live_hit_rates_are_drawn_once_plays_have_followed(page: Page) -> None:
    rates = page.get_by_role("img", name=re.compile("^Live hit rates"))

    expect(rates).to_have_attribute("aria-label", re.compile(r"[\d.]+ %, [\d.]+ % to [\d.]+ %, of \d"))
    expect(page.locator("h1")).to_have_text(re.compile(r"[\d.]+ % of the next plays were in its lists"))


def test_a_release_opens_to_what_the_gate_said(page: Page) -> None:
    release = page.locator(".release").first

    release.locator("summary").focus()
    page.keyboard.press("Enter")

    expect(release.locator(".verdict")).to_have_text(re.compile("^Passed: .*95 % intervals"))
    expect(release.locator(".comparisons")).to_contain_text("popularity, HR@20")


def test_a_rollback_and_a_promotion_happen_once_they_are_confirmed(page: Page) -> None:
    latest = champion(page).text_content() or ""
    before = page.locator(".release:not(.is-champion) .release-name .id").text_content() or ""
    dialog = page.get_by_role("dialog")

    page.get_by_role("button", name="Roll back…").click()
    expect(dialog.locator(".swap dd")).to_have_text([latest, before])
    dialog.get_by_role("button", name="Roll back", exact=True).click()

    expect(champion(page)).to_have_text(before)
    expect(page.locator(".toast")).to_contain_text(f"{before} is champion")

    release = page.locator(".release", has_text=latest)
    release.locator("summary").click()
    release.get_by_role("button", name="Promote…").click()
    expect(dialog.locator(".swap dd")).to_have_text([before, latest])
    dialog.get_by_role("button", name="Promote", exact=True).click()

    expect(champion(page)).to_have_text(latest)


def test_nothing_is_done_in_place_of_a_champion_that_was_not_seen(look: Looker, stream: LiveStream, page: Page) -> None:
    latest = champion(page).text_content() or ""
    before = page.locator(".release:not(.is-champion) .release-name .id").text_content() or ""
    other = look.at(f"{stream.url()}/#/releases")
    for one in (page, other):
        one.get_by_role("button", name="Roll back…").click()

    page.get_by_role("dialog").get_by_role("button", name="Roll back", exact=True).click()
    expect(champion(page)).to_have_text(before)

    dialog = other.get_by_role("dialog")
    expect(dialog.locator(".swap dd")).to_have_text([latest, before])
    expect(dialog.get_by_role("alert")).to_contain_text(f"{before} has become champion")
    expect(dialog.get_by_role("button", name="Roll back", exact=True)).to_be_disabled()
    other.keyboard.press("Escape")
    release = other.locator(".release", has_text=latest)
    release.locator("summary").click()
    release.get_by_role("button", name="Promote…").click()
    dialog.get_by_role("button", name="Promote", exact=True).click()
    expect(champion(other)).to_have_text(latest)


def test_only_the_right_to_act_shows_what_can_be_done(look: Looker, stream: LiveStream) -> None:
    with stream.another_worker(read_token=READ, act_token=ACT) as url:
        page = look.at(f"{url}/#/releases", expects_failures=True)
        for token, number in ((READ, 0), (ACT, 1)):
            if token == ACT:
                page.get_by_role("button", name="Access").click()
            page.get_by_label("Token").fill(token)
            page.get_by_role("button", name="Use it").click()
            expect(page.locator("dialog")).to_have_count(0)
            page.locator(".release").first.wait_for()
            expect(page.get_by_role("button", name="Roll back…")).to_have_count(number)
