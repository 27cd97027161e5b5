"""Producers whose timestamps are missing, in another unit, or from a wrong clock."""

import time

import pytest

from tests.builders import play_value
from tests.cases.observations import Observe
from tests.faults.conftest import TinyRelease
from tests.faults.harness import Deployment, read_topic
from tests.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.kind(7)]


async def test_good_plays_are_answered_whatever_their_producers_clocks_and_the_worker_starts_again(
    deployment: Deployment, first_release: TinyRelease, observe: Observe
) -> None:
    now_ms = time.time_ns() // 1_000_000
    await deployment.announce(first_release.saved)
    worker = deployment.start("a")
    await worker.ready()

    for timestamp_ms in (now_ms, now_ms - 2 * 86_400_000, now_ms // 1000, -1):
        await send(deployment, now_ms, timestamp_ms)
    await send(deployment, 4_070_908_800_000, -1)
    await until(lambda: worker.metric("refrain_plays_total") == 4, "all plays are answered")
    await until(lambda: worker.metric(r'refrain_dead_letters_total\{cause="impossible-time"\}') == 1, "2099 is not")

    assert 0 <= worker.metric("refrain_event_to_recommendation_seconds_sum") < 60
    assert worker.metric("refrain_event_to_recommendation_seconds_count") == 1
    assert worker.metric("refrain_latency_unknown_total") == 3
    assert await worker.stop() == 0
    (letter,) = await read_topic(deployment.bootstrap_servers, deployment.settings.dead_letter_topic)
    assert b"after the year 2049" in dict(letter.headers)["reason"]
    worker = deployment.start("a")
    await worker.ready()
    await send(deployment, now_ms, now_ms)
    await until(lambda: worker.metric("refrain_plays_total") == 1, "it continues behind a mark without a timestamp")
    assert await worker.stop() == 0
    assert deployment.complaints() == []
    observe("timestamps of now, two days ago, in seconds, none: the four plays are answered, one latency is counted")
    observe("a play of 2099 without a timestamp: a dead letter, `played_at ... is after the year 2049`")


async def send(deployment: Deployment, played_at_ms: int, timestamp_ms: int) -> None:
    await deployment.producer.send_and_wait(
        deployment.settings.plays_topic, play_value("u", "t1", played_at_ms), b"u", 0, timestamp_ms=timestamp_ms
    )
