"""What Kafka has lost makes a worker refuse: going on would lose or repeat plays."""

from __future__ import annotations

import pytest

from streamer.crash import REFUSED_STATUS
from tests.faults.conftest import TinyRelease
from tests.faults.harness import Deployment
from tests.onkafka import delete_topic

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(600)]


async def answer_some_plays(deployment: Deployment, release: TinyRelease) -> None:
    await deployment.announce(release.saved)
    worker = deployment.start("a")
    await worker.ready()
    await deployment.feed(100)
    await deployment.all_done()
    assert await worker.stop() == 0


async def test_a_lost_changelog_is_refused_where_the_disk_is_lost_too(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await answer_some_plays(deployment, first_release)

    await delete_topic(deployment.bootstrap_servers, deployment.settings.changelog_topic)
    deployment.wipe("a")
    worker = deployment.start("a")

    assert await worker.ended() == REFUSED_STATUS
    assert "the changelog was lost" in worker.log


async def test_a_lost_changelog_is_refused_where_the_states_are_still_on_disk(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await answer_some_plays(deployment, first_release)

    await delete_topic(deployment.bootstrap_servers, deployment.settings.changelog_topic)
    worker = deployment.start("a")

    assert await worker.ended() == REFUSED_STATUS
    assert "ahead of the changelog" in worker.log


async def test_a_topic_of_plays_made_anew_is_refused(deployment: Deployment, first_release: TinyRelease) -> None:
    await answer_some_plays(deployment, first_release)

    await delete_topic(deployment.bootstrap_servers, deployment.settings.plays_topic)
    worker = deployment.start("a")

    assert await worker.ended() == REFUSED_STATUS
    assert "the topic was made anew" in worker.log
