"""Clusters whose limits are below Kafka's defaults, also if they are lowered while a worker runs."""

import asyncio
import json
import time
from collections.abc import Mapping

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streamer.runtime.statuses import Status
from streamer.wire.letters import MAX_DEAD_VALUE_BYTES
from tests.builders import play_value
from tests.cases.observations import Observe
from tests.faults.conftest import TinyRelease
from tests.faults.harness import Deployment, read_topic
from tests.onkafka import admin_of
from tests.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.kind(6)]

_COMPACT = {"cleanup.policy": "compact", "delete.retention.ms": str(7 * 86_400_000)}


async def test_batches_fit_topics_that_accept_less_than_kafkas_default(
    deployment: Deployment, first_release: TinyRelease, observe: Observe
) -> None:
    settings = deployment.settings
    for topic in (settings.changelog_topic, settings.short_term_topic, settings.long_term_topic):
        await configure(deployment, topic, {**_COMPACT, "max.message.bytes": "100000"})
    await configure(
        deployment, settings.dead_letter_topic, {"cleanup.policy": "compact,delete", "max.message.bytes": "60000"}
    )
    await deployment.announce(first_release.saved)
    worker = deployment.start("a", MAX_BATCH_PLAYS="2000")
    await worker.ready()

    await send_junk(deployment, 5)
    await send_plays(deployment, range(600))
    await until(lambda: worker.metric("refrain_plays_total") == 600, "600 listeners are answered")

    assert await worker.stop() == 0
    letters = await read_topic(deployment.bootstrap_servers, settings.dead_letter_topic)
    assert [len(letter.value) for letter in letters] == [60000 - 4096] * 5
    assert deployment.complaints() == []
    observe("changelog and answers accept 100,000 bytes, dead letters 60,000: 600 listeners in a batch are answered")
    observe("letters of 100,000 bytes are cut to fit")


async def test_a_limit_lowered_in_mid_work_costs_a_restart_and_one_below_a_record_is_refused(
    deployment: Deployment, first_release: TinyRelease, observe: Observe
) -> None:
    changelog = deployment.settings.changelog_topic
    await deployment.announce(first_release.saved)
    worker = deployment.start("a", MAX_BATCH_PLAYS="2000")
    await worker.ready()

    await configure(deployment, changelog, {**_COMPACT, "max.message.bytes": "20000"})
    await send_plays(deployment, range(300))
    assert await worker.ended() == Status.CRASHED
    assert "max.message.bytes of a topic was lowered; the next start fits its batches to it" in worker.log
    worker = deployment.start("a", MAX_BATCH_PLAYS="2000")
    await until(lambda: worker.metric("refrain_plays_total") == 300, "they are answered after all")
    assert await worker.stop() == 0

    await configure(deployment, changelog, {**_COMPACT, "max.message.bytes": "1000"})
    worker = deployment.start("a")
    assert await worker.ended() == Status.REFUSED
    observe("max.message.bytes lowered in mid-work: one restart (70), which fits its batches; then all is answered")
    observe("lowered below a record: refused (3) before the start")


async def test_records_of_megabytes_cost_a_letter_each_and_no_play_beside_them(
    deployment: Deployment, first_release: TinyRelease, observe: Observe
) -> None:
    settings = deployment.settings
    await configure(deployment, settings.plays_topic, {"cleanup.policy": "delete", "max.message.bytes": "6000000"})
    await deployment.announce(first_release.saved)
    worker = deployment.start("a")
    await worker.ready()
    at_ms = time.time_ns() // 1_000_000
    good, picture = play_value("u", "t1", at_ms), play_value("u", "t1", at_ms, cover="y" * 3_000_000)

    for codec in (None, "gzip", "zstd"):
        async with AIOKafkaProducer(
            bootstrap_servers=deployment.bootstrap_servers, compression_type=codec, linger_ms=100,
            max_request_size=6_000_000, max_batch_size=6_000_000,
        ) as producer:  # fmt: skip
            sent = [
                await producer.send(settings.plays_topic, value, key, partition=0)
                for key, value in ((b"u", good), (b"u", picture), (b"k" * 100_000, good), (b"u", b"x" * 5_500_000))
            ]
            await asyncio.gather(*sent)
    await until(lambda: worker.metric("refrain_plays_total") == 3, "the good plays are answered")
    await until(lambda: worker.metric(r'refrain_dead_letters_total\{cause="too-large"\}') == 6, "the large are not")

    assert await worker.stop() == 0
    letters = await read_topic(deployment.bootstrap_servers, settings.dead_letter_topic)
    assert len(letters) == 9
    assert max(len(letter.value) for letter in letters) == MAX_DEAD_VALUE_BYTES
    assert deployment.complaints() == []
    observe("plays of 3 MB with a picture, junk of 5.5 MB, keys of 100 kB, also compressed: a dead letter each")
    observe("the good plays in the same batches are answered")


async def configure(deployment: Deployment, topic: str, configs: Mapping[str, str]) -> None:
    async with admin_of(deployment.bootstrap_servers) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, dict(configs))])


async def send_plays(deployment: Deployment, users: range) -> None:
    """Send a play of each of many listeners, in one partition, in one record batch."""
    at_ms, topic = time.time_ns() // 1_000_000, deployment.settings.plays_topic
    sent = [
        await deployment.producer.send(topic, play_value(f"u{user}", "t1", at_ms), b"u%d" % user, partition=0)
        for user in users
    ]
    await asyncio.gather(*sent)


async def send_junk(deployment: Deployment, num_messages: int) -> None:
    for _ in range(num_messages):
        junk = json.dumps({"cover": "x" * 100_000}).encode()
        await deployment.producer.send_and_wait(deployment.settings.plays_topic, junk, b"u", partition=0)
