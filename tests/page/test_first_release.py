"""The page before the first release: where nobody plays, and after somebody has."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import msgspec
import pytest
from playwright.sync_api import Browser, expect

from streamer.kafka.clients import running
from streamer.kafka.connection import connection_of
from streamer.kafka.producers import create_producer
from streamer.kafka.topics import ensure_topics
from streamer.local.cluster import Cluster
from streamer.local.devkafka import DevKafka
from streamer.settings import Settings
from tests.page.looking import Looker, overflow, violations
from tests.page.stream import environment_of

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

USER = "ada"
NUM_PLAYS = 3


@pytest.fixture(scope="module")
def quiet(kafka: DevKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run a worker that has nothing to do."""
    environment = environment_of(kafka, f"t{uuid4().hex[:12]}", tmp_path_factory.mktemp("quiet"))
    asyncio.run(ensure_topics(Settings.from_environment(environment)))
    with Cluster(environment) as cluster:
        cluster.start_workers()
        cluster.wait_ready()
        yield cluster


@pytest.fixture(scope="module")
def played(quiet: Cluster) -> Cluster:
    asyncio.run(play(quiet.settings))
    return quiet


@pytest.fixture(scope="module")
def browser(played: Cluster, browser: Browser) -> Browser:  # noqa: ARG001  what runs a loop comes before Chromium
    return browser


async def play(settings: Settings) -> None:
    async with running(create_producer(connection_of(settings), max_batch_bytes=1 << 17, linger_ms=2)) as producer:
        for number in range(NUM_PLAYS):
            record = {"user_id": USER, "track_id": f"track-{number}", "played_at": 1_790_000_000_000 + number}
            await producer.send(settings.plays_topic, msgspec.json.encode(record), USER.encode())
        await producer.flush()


def test_now_says_that_nobody_plays_and_no_release_answers(look: Looker, played: Cluster) -> None:
    page = look.at(f"{played.worker_url(0)}/#/now")

    expect(page.get_by_role("heading", level=1)).to_have_text("Nobody plays.")
    expect(page.locator(".under")).to_contain_text("come with the first release")
    expect(page.locator(".under")).to_contain_text("Nothing waits.")
    assert violations(page) == []


def test_a_listener_has_plays_and_nothing_to_imagine(look: Looker, played: Cluster) -> None:
    page = look.at(f"{played.worker_url(0)}/#/listener")

    page.get_by_label("User id").fill(USER)
    page.keyboard.press("Enter")

    expect(page.locator(".play")).to_have_count(NUM_PLAYS)
    expect(page.get_by_role("heading", name="No release answers yet")).to_be_visible()
    expect(page.locator(".lineage")).to_contain_text("remembered plays, no release yet")
    page.locator(".play").first.click()
    expect(page.locator(".play.removed")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert violations(page) == []


@pytest.mark.parametrize("view", ["map", "releases"])
@pytest.mark.parametrize("width", [1440, 360])
def test_what_needs_a_release_says_that_there_is_none(look: Looker, played: Cluster, view: str, width: int) -> None:
    page = look.at(f"{played.worker_url(0)}/#/{view}", width=width, expects_failures=True)

    expect(page.get_by_role("heading", name="No release answers yet")).to_be_visible()
    expect(page.locator("main")).to_contain_text("refrain trainer --once")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert violations(page) == []
    assert overflow(page) == 0
