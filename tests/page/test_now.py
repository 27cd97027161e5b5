"""The view Now on a live stream: figures, owners, dead letters, and workers that come and go."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.page.looking import Looker, picture
from tests.page.stalling import between
from tests.page.stream import PARTITIONS, LiveStream

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

#: How wide a time is that an axis shows.
_TIME_WIDTH = """() => {
    const context = document.createElement("canvas").getContext("2d");
    context.font = '11px "Geist", sans-serif';
    return context.measureText("00:00").width;
}"""


@pytest.fixture
def page(look: Looker, stream: LiveStream) -> Page:
    return look.at(f"{stream.url()}/#/now")


def owned(page: Page, worker: str) -> int:
    """Count the partitions that a worker has, as the page says to those who cannot see it."""
    words = page.locator(".partitions li", has_text=worker).first.text_content() or ""
    return int((re.findall(r": (\d+) partition", words) or [0])[0])


def test_the_headline_says_how_many_plays_come_and_how_soon_they_are_answered(page: Page) -> None:
    expect(page.locator("h1")).to_have_text(re.compile(r"\d+ plays a second, half of them answered within \d+"))
    expect(page.locator(".under")).to_have_text(re.compile(r"Release \d{8}T\S+ (answers|is being taken up)"))


def test_figures_arrive_and_each_strip_shows_them(page: Page) -> None:
    names = page.locator(".strip h2")

    expect(names).to_have_text(["Plays and lists", "Waiting", "Latency", "Batch", "CPU of the step"])
    for value in page.locator(".strip-value b").all():
        expect(value).to_have_text(re.compile(r"\d"))


def test_the_arrow_keys_move_through_the_last_minutes(page: Page) -> None:
    page.locator(".strip canvas").first.wait_for()

    page.keyboard.press("ArrowLeft")

    expect(page.locator(".moment")).to_have_text(re.compile(r"at \d\d:\d\d:\d\d"))
    page.keyboard.press("Escape")
    expect(page.locator(".moment")).to_have_count(0)


def test_dead_letters_are_there_with_their_cause(page: Page) -> None:
    expect(page.locator(".refused li")).not_to_have_count(0)
    expect(page.locator(".refused .kind").first).to_have_text(re.compile(r"\w"))


def test_what_the_axis_does_not_reach_is_marked_with_its_figure(look: Looker, stream: LiveStream) -> None:
    page = look.at(f"{stream.url()}/#/now")
    page.route("**/figures/history", lambda route: route.fulfill(json=with_peak(route.fetch().json())))

    page.reload()

    mark = page.locator(".strip").first.locator(".peak")
    expect(mark).to_have_text(re.compile(r"^98.765$"))
    plot, at = page.locator(".strip .u-over").first.bounding_box(), mark.bounding_box()
    assert plot is not None
    assert at is not None
    assert plot["x"] <= at["x"] < at["x"] + at["width"] <= plot["x"] + plot["width"]
    assert at["y"] < plot["y"]


def with_peak(history: dict[str, Any]) -> dict[str, Any]:
    """Make five minutes of the latest second, with one second in the middle of which there were many plays."""
    now_ms = history["at_ms"][-1]
    seconds = {name: column[-1:] * 300 for name, column in history.items() if isinstance(column, list)}
    seconds["at_ms"] = [now_ms - 1000 * (300 - number) for number in range(300)]
    seconds["plays_per_s"] = [98_765 if number == 150 else 100 for number in range(300)]
    return seconds


def test_a_time_at_the_end_of_the_axis_has_room(page: Page) -> None:
    page.locator(".strip canvas").first.wait_for()

    strip, plot = page.locator(".plot").last.bounding_box(), page.locator(".u-over").last.bounding_box()

    assert strip is not None
    assert plot is not None
    assert plot["x"] + plot["width"] + page.evaluate(_TIME_WIDTH) / 2 <= strip["x"] + strip["width"]


def test_a_page_behind_what_stalls_says_since_when_and_goes_on_when_bytes_flow(
    look: Looker, stream: LiveStream
) -> None:
    with between(stream.url()) as proxy:
        page = look.at(f"{proxy.url}/#/now")
        expect(page.locator(".connection")).to_have_text(re.compile("live|moving"))
        expect(page.locator("h1")).to_have_text(re.compile("plays a second"))
        said = page.locator(".under [role=status]")

        proxy.stall()

        expect(said).to_have_text(re.compile(r"^Silent: as of \d\d:\d\d:\d\d\.$"))
        expect(page.locator(".connection")).to_have_text("silent")

        proxy.flow()

        expect(said).to_have_count(0)
        expect(page.locator(".connection")).to_have_text(re.compile("live|moving"))


def test_partitions_travel_to_the_worker_that_is_left(look: Looker, stream: LiveStream) -> None:
    page = look.at(f"{stream.url(0)}/#/now")
    other = look.at(f"{stream.url(1)}/#/now", expects_failures=True)
    expect(page.locator(".cell.owned")).to_have_count(PARTITIONS)
    lost = owned(page, "worker-1")
    assert 0 < lost < PARTITIONS
    other.locator(".strip canvas").first.wait_for()

    stream.cluster.kill_worker(1)

    expect(page.locator(".cell.unreached")).to_have_count(lost)
    expect(page.locator(".under")).to_contain_text(f"{lost} of {PARTITIONS} partitions belong to a worker that")
    expect(page.locator(".connection")).to_contain_text("partly live")
    expect(page.locator(".strip", has_text="Waiting").locator(".strip-value b")).not_to_have_text(re.compile(r"\d"))
    expect(other.locator(".connection")).to_have_text(re.compile("disconnected"))
    expect(other.locator(".under")).to_contain_text("Disconnected: as of")
    picture(other, "disconnected")
    expect(page.locator(".cell.owned")).to_have_count(PARTITIONS)
    expect(page.locator(".partitions li", has_text="worker-0").first).to_contain_text(f"{PARTITIONS} partitions")

    stream.cluster.start_worker(1)
    stream.cluster.wait_ready()

    expect(page.locator(".partitions li", has_text="worker-1").first).to_contain_text(f"{PARTITIONS // 2} partitions")
