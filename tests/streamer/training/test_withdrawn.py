from collections.abc import Iterable

import pytest

from models.plays.catalogue import track_keys
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.catalogue import write_entries
from streamer.local.devkafka import DevKafka
from streamer.training.withdrawn import WithdrawnTracks
from tests.onkafka import create_topic
from tests.until import until_awaited

pytestmark = pytest.mark.kafka


def keys_of(*track_ids: str) -> list[int]:
    return sorted(track_keys(track_ids).tolist())


async def test_withdrawn_tracks_are_those_that_a_worker_leaves_out(kafka: DevKafka, topic_prefix: str) -> None:
    async def write(entries: Iterable[tuple[str, bytes | None]]) -> None:
        await write_entries(kafka.connection, topic_prefix, entries)

    withdrawn = WithdrawnTracks(kafka.connection, topic_prefix)
    assert not len(await withdrawn.find()), "without a catalogue"
    await create_topic(kafka.bootstrap_servers, topic_prefix, 2, {"cleanup.policy": "compact"})
    assert not len(await withdrawn.find())
    await write([("a", None), ("b", b"{}"), ("c", None), ("d", b"no JSON")])
    assert (await withdrawn.find()).tolist() == keys_of("a", "c")
    assert (await withdrawn.find()).tolist() == keys_of("a", "c")
    await write([("a", b"{}"), ("e", None)])
    assert (await withdrawn.find()).tolist() == keys_of("c", "e")
    assert (await WithdrawnTracks(kafka.connection, topic_prefix).find()).tolist() == keys_of("c", "e")

    async with KafkaAdmin(kafka.connection) as admin:

        async def is_gone() -> bool:
            return await admin.find_identity(topic_prefix) is None

        await admin.delete_topics([topic_prefix])
        await until_awaited(is_gone, "the topic is deleted")
    await create_topic(kafka.bootstrap_servers, topic_prefix, 2, {"cleanup.policy": "compact"})
    await write([(f"t{number}", None) for number in range(20)])
    assert (await withdrawn.find()).tolist() == keys_of(*(f"t{number}" for number in range(20)))
