"""The names that a worker keeps, followed from a real Kafka."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from models.plays.catalogue import track_keys
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import read_backlog
from streamer.kafka.follower import Follower, PlacesIn, Portion
from streamer.local.devkafka import DevKafka
from streamer.training.withdrawn import WithdrawnTracks
from streamer.worker.names import Names
from tests.onkafka import create_topic
from tests.until import until, until_awaited

pytestmark = pytest.mark.kafka
WITHIN_S = 60
NUM_WRITTEN = 8
COMPACTED_AT_ONCE = {
    "cleanup.policy": "compact", "segment.ms": "500", "min.cleanable.dirty.ratio": "0", "max.compaction.lag.ms": "1000",
}  # fmt: skip


async def write(connection: Connection, topic: str, entries: Mapping[str, bytes | None]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=list(connection.servers)) as producer:
        for track_id, value in entries.items():
            await producer.send_and_wait(topic, value, track_id.encode())


def titled(**titles: str) -> dict[str, bytes | None]:
    return {track_id: b'{"title": "%s"}' % title.encode() for track_id, title in titles.items()}


def titles_of(names: Names, *track_ids: str) -> list[str | None]:
    found = names.look_up(track_keys(track_ids))
    return [naming.record.title if naming and naming.record else None for naming in found]


async def until_titled(names: Names, titles: Mapping[str, str | None]) -> None:
    wanted = list(titles.values())
    await until(lambda: titles_of(names, *titles) == wanted, f"titles are {titles}", deadline_s=WITHIN_S)


class CountingFollower(Follower):
    """A follower that counts the records it yields, and tells when it is closed."""

    num_records = 0
    on_close: Callable[[], object] = staticmethod(lambda: None)

    async def portions(self, places_in: PlacesIn) -> AsyncGenerator[Portion, None]:
        try:
            async with aclosing(super().portions(places_in)) as portions:
                async for portion in portions:
                    self.num_records += len(portion.records)
                    yield portion
        finally:
            self.on_close()


def follower_of(connection: Connection, topic: str) -> CountingFollower:
    return CountingFollower(connection, topic, max_records=100, check_s=0.5)


@asynccontextmanager
async def following(follower: Follower, topic: str, path: Path) -> AsyncIterator[Names]:
    names = Names(follower, topic, path, retry_s=0.1)
    names.start()
    try:
        yield names
    finally:
        await names.stop()


@pytest.fixture
async def topic(kafka: DevKafka, topic_prefix: str) -> str:
    topic = f"{topic_prefix}.catalogue"
    await create_topic(kafka.bootstrap_servers, topic, 2, {"cleanup.policy": "compact"})
    return topic


async def test_names_follow_the_catalogue_and_a_start_reads_only_what_is_new(
    kafka: DevKafka, topic: str, tmp_path: Path
) -> None:
    await write(kafka.connection, topic, titled(t1="One", t2="Two", t3="Three"))
    async with following(follower_of(kafka.connection, topic), topic, tmp_path / "names") as names:
        await until_titled(names, {"t1": "One", "t2": "Two", "t3": "Three"})
        await write(kafka.connection, topic, {"t1": None, "t2": b"no JSON"} | titled(t3="Drei"))
        await until_titled(names, {"t1": None, "t2": None, "t3": "Drei"})
    assert titles_of(names, "t3") == [None], "a store that is closed is not read"

    follower = follower_of(kafka.connection, topic)
    async with following(follower, topic, tmp_path / "names") as names:
        await until(lambda: names.is_current, "the end is reached")
        assert titles_of(names, "t1", "t2", "t3") == [None, None, "Drei"]
        await write(kafka.connection, topic, titled(t1="Back"))
        await until_titled(names, {"t1": "Back", "t3": "Drei"})
    assert follower.num_records == 1


async def test_names_that_stop_while_they_rest_disconnect_before_they_close_their_store(
    kafka: DevKafka, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.worker.names._REST", 1e9)
    await write(kafka.connection, topic, titled(t1="One"))
    follower, found = follower_of(kafka.connection, topic), list[object]()

    async with following(follower, topic, tmp_path / "names") as names:
        follower.on_close = lambda: found.append(titles_of(names, "t1"))
        await until(lambda: names.is_current, "the end is reached")

    assert found == [["One"]]


async def test_a_topic_that_is_recreated_while_a_worker_runs_or_is_away_is_read_again(
    kafka: DevKafka, topic: str, tmp_path: Path
) -> None:
    await write(kafka.connection, topic, titled(t1="One", t2="Two"))
    async with following(follower_of(kafka.connection, topic), topic, tmp_path / "names") as names:
        await until_titled(names, {"t1": "One", "t2": "Two"})
        await recreate(kafka, topic)
        await write(kafka.connection, topic, titled(t2="Zwei", t3="Drei"))
        await until_titled(names, {"t1": None, "t2": "Zwei", "t3": "Drei"})

    await recreate(kafka, topic)
    await write(kafka.connection, topic, titled(t3="Trois", t4="Quatre"))
    async with following(follower_of(kafka.connection, topic), topic, tmp_path / "names") as names:
        await until_titled(names, {"t2": None, "t3": "Trois", "t4": "Quatre"})


async def recreate(kafka: DevKafka, topic: str) -> None:
    async with KafkaAdmin(kafka.connection) as admin:

        async def is_gone() -> bool:
            return await admin.find_identity(topic) is None

        await admin.delete_topics([topic])
        await until_awaited(is_gone, f"{topic} is deleted")
    await create_topic(kafka.bootstrap_servers, topic, 2, {"cleanup.policy": "compact"})


async def test_a_store_that_turns_out_to_be_damaged_is_filled_again_and_a_disk_that_fails_ends_nothing(
    kafka: DevKafka, topic: str, tmp_path: Path
) -> None:
    path = tmp_path / "names"
    await write(kafka.connection, topic, titled(t1="One", t2="Two"))
    async with following(follower_of(kafka.connection, topic), topic, path) as names:
        await until_titled(names, {"t1": "One", "t2": "Two"})
    (table,) = path.glob("*.sst")
    table.write_bytes(b"x" * table.stat().st_size)

    async with following(follower_of(kafka.connection, topic), topic, path) as names:
        await until_titled(names, {"t1": "One", "t2": "Two"})
        assert names.find("tw", 9).tolist() == track_keys(["t2"]).tolist()

    (tmp_path / "file").write_text("no directory")
    async with following(follower_of(kafka.connection, topic), topic, tmp_path / "file" / "names") as names:
        await until(lambda: not names.is_current, "nothing is known")
        assert titles_of(names, "t1") == [None]
        assert names.find("one", 9).tolist() == []


@pytest.mark.long
async def test_names_and_withdrawals_are_right_after_kafka_has_compacted_what_they_had_read(tmp_path: Path) -> None:
    topic = "catalogue"
    with DevKafka(tmp_path / "kafka", broker_config={"log.cleaner.backoff.ms": 200}) as kafka:
        await create_topic(kafka.bootstrap_servers, topic, 1, COMPACTED_AT_ONCE)
        await write(kafka.connection, topic, titled(t1="One", t2="Two", t3="Three", t4="Four"))
        async with following(follower_of(kafka.connection, topic), topic, tmp_path / "names") as names:
            await until_titled(names, {"t1": "One", "t4": "Four"})
        await write(kafka.connection, topic, titled(t1="Uno") | {"t2": None, "t3": None})
        await write(kafka.connection, topic, titled(t3="Drei"))
        await until_awaited(lambda: is_compacted(kafka, topic), "only the newest records are left")

        follower = follower_of(kafka.connection, topic)
        async with following(follower, topic, tmp_path / "names") as names:  # from an offset that is gone
            await until_titled(names, {"t1": "Uno", "t2": None, "t3": "Drei", "t4": "Four"})
            assert names.find("two", 9).tolist() == names.find("three", 9).tolist() == []
        async with following(follower_of(kafka.connection, topic), topic, tmp_path / "new") as names:
            await until_titled(names, {"t1": "Uno", "t2": None, "t3": "Drei", "t4": "Four"})
        assert (await WithdrawnTracks(kafka.connection, topic).find()).tolist() == track_keys(["t2"]).tolist()


async def is_compacted(kafka: DevKafka, topic: str) -> bool:
    """Close segments by other records until nothing but the newest record of each track is left of the first eight."""
    await write(kafka.connection, topic, titled(other="Other"))
    records = [record async for record in read_backlog(kafka.connection, topic, [0])]
    return [record.offset for record in records if record.offset < NUM_WRITTEN] == [3, 4, 5, 7]
