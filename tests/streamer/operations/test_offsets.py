"""The commands on a real broker, with a changelog as workers leave it and no worker running."""

from dataclasses import dataclass, replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.errors import ProducerFenced

from streamer.errors import ContractError
from streamer.kafka.fences import Fences
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.operations.offsets import reset, show
from streamer.settings import Settings
from streamer.wire.changelog import MARK_KEY, NO_MARK, Mark
from tests.builders import NOON_MS
from tests.onkafka import admin_of, create_topic, delete_topic, produce, read_committed

pytestmark = pytest.mark.kafka

NUM_PLAYS = 10


@dataclass(frozen=True)
class Place:
    """A deployment with two partitions: ten plays in the first, of which the states cover six; nothing in the other."""

    settings: Settings

    async def fill(self, timestamp_ms: int = NOON_MS, num_plays: int = NUM_PLAYS) -> None:
        topic = self.settings.plays_topic
        await produce(self.settings.kafka_bootstrap_servers, topic, *[b"{}"] * num_plays, timestamp_ms=timestamp_ms)

    async def cover(self, offset: int, timestamp_ms: int = NOON_MS) -> None:
        """Write states and mark, and commit, as a worker does."""
        fences = Fences(self.settings.kafka_bootstrap_servers, self.settings.app_id, 30.0)
        await fences.take([0])
        async with fences.held[0].transaction():
            await fences.held[0].send(self.settings.changelog_topic, b"state", b"\x01u", partition=0)
            mark = Mark(offset, timestamp_ms).encode()
            await fences.held[0].send_and_wait(self.settings.changelog_topic, mark, MARK_KEY, partition=0)
        await fences.drop()
        async with self.group() as consumer:
            consumer.assign([TopicPartition(self.settings.plays_topic, 0)])
            await consumer.commit({TopicPartition(self.settings.plays_topic, 0): offset + 1})

    async def delete_before(self, offset: int) -> None:
        async with admin_of(self.settings.kafka_bootstrap_servers) as admin:
            await admin.delete_records({TopicPartition(self.settings.plays_topic, 0): RecordsToDelete(offset)})

    async def make_plays_anew(self) -> None:
        await delete_topic(self.settings.kafka_bootstrap_servers, self.settings.plays_topic)
        await create_topic(self.settings.kafka_bootstrap_servers, self.settings.plays_topic, 2, {"retention.ms": "-1"})

    def group(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            group_id=self.settings.app_id,
            enable_auto_commit=False,
        )

    async def standing(self) -> tuple[Mark, int | None]:
        """Return mark and commit of the first partition."""
        records = await read_committed(self.settings.kafka_bootstrap_servers, self.settings.changelog_topic)
        marks = [Mark.decode(record.value) for record in records if record.key == MARK_KEY]
        async with self.group() as consumer:
            committed = await consumer.committed(TopicPartition(self.settings.plays_topic, 0))
        return (marks[-1] if marks else NO_MARK), committed


@pytest.fixture
async def place(kafka: DevKafka, topic_prefix: str) -> Place:
    settings = Settings(
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        app_id=topic_prefix,
        plays_topic=f"{topic_prefix}.plays",
        short_term_topic=f"{topic_prefix}.short",
        long_term_topic=f"{topic_prefix}.long",
        dead_letter_topic=f"{topic_prefix}.dead",
        releases_topic=f"{topic_prefix}.releases",
        partitions=2,
    )
    await create_topic(kafka.bootstrap_servers, settings.plays_topic, 2, {"retention.ms": "-1"})
    await ensure_topics(settings)
    place = Place(settings)
    await place.fill()
    await place.cover(5)
    return place


async def test_a_deployment_that_fits_is_left_alone(place: Place) -> None:
    told = await reset(place.settings, "earliest")

    assert "nothing was changed" in told
    assert told.count("  fits\n") == 2
    assert await place.standing() == (Mark(5, NOON_MS), 6)


async def test_a_partition_that_fits_is_reset_where_it_is_named(place: Place) -> None:
    told = await reset(place.settings, "latest", [0])

    assert "partition 0: latest goes on at 10, passes 4 plays over and applies 0 again" in told
    assert await place.standing() == (Mark(9, NOON_MS), 10)


@pytest.mark.parametrize(("to", "mark", "passed_over"), [("earliest", Mark(7, -1), 2), ("latest", Mark(9, NOON_MS), 4)])
async def test_plays_lost_to_retention_are_counted_and_passed_over(
    place: Place, *, to: str, mark: Mark, passed_over: int
) -> None:
    await place.delete_before(8)
    shown = await show(place.settings)

    told = await reset(place.settings, to)

    plan = f"{to} goes on at {mark.offset + 1}, passes {passed_over} plays over and applies 0 again"
    assert "2 plays were deleted before they were applied" in shown
    assert f"reset --to {plan}" in shown
    assert f"partition 0: {plan}" in told
    assert await place.standing() == (mark, mark.offset + 1)
    assert "nothing was changed" in await reset(place.settings, to)


@pytest.mark.parametrize("num_plays", [3, 10])
@pytest.mark.parametrize("to", ["earliest", "latest"])
async def test_a_topic_made_anew_is_begun_or_passed_over(place: Place, to: str, num_plays: int) -> None:
    await place.make_plays_anew()
    await place.fill(NOON_MS + 5, num_plays)
    assert "the topic was recreated" in await show(place.settings)

    await reset(place.settings, to)

    target = {"earliest": 0, "latest": num_plays}[to]
    mark = {"earliest": NO_MARK, "latest": Mark(num_plays - 1, NOON_MS + 5)}[to]
    assert await place.standing() == (mark, target)
    assert "nothing was changed" in await reset(place.settings, to)


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_lost_changelog_is_made_anew_and_the_states_on_disk_are_to_be_deleted(
    place: Place, *, is_there: bool
) -> None:
    await delete_topic(place.settings.kafka_bootstrap_servers, place.settings.changelog_topic)
    if is_there:
        await ensure_topics(place.settings)

    shown, told = await show(place.settings), await reset(place.settings, "latest")

    assert "the changelog was lost" in shown
    assert "earliest goes on at 0, passes 0 plays over and applies 6 again" in shown
    assert "Delete the state directories of all workers" in told
    assert await place.standing() == (Mark(9, NOON_MS), 10)


async def test_looking_creates_nothing(place: Place) -> None:
    await delete_topic(place.settings.kafka_bootstrap_servers, place.settings.changelog_topic)

    await show(place.settings)

    async with admin_of(place.settings.kafka_bootstrap_servers) as admin:
        assert place.settings.changelog_topic not in await admin.list_topics()


async def test_a_reset_that_broke_off_before_the_commit_is_done_again(place: Place) -> None:
    await delete_topic(place.settings.kafka_bootstrap_servers, place.settings.changelog_topic)
    await ensure_topics(place.settings)
    fences = Fences(place.settings.kafka_bootstrap_servers, place.settings.app_id, 30.0)
    await fences.take([0])
    async with fences.held[0].transaction():
        mark = NO_MARK.encode()
        await fences.held[0].send_and_wait(place.settings.changelog_topic, mark, MARK_KEY, partition=0)
    await fences.drop()

    await reset(place.settings, "earliest")

    assert await place.standing() == (NO_MARK, 0)


async def test_nothing_is_changed_while_a_worker_runs(place: Place) -> None:
    await place.delete_before(8)
    async with place.group() as worker:
        worker.subscribe([place.settings.plays_topic])
        await worker.getmany(timeout_ms=5000)

        with pytest.raises(ContractError, match=r"1 workers of .* still run: stop them first"):
            await reset(place.settings, "earliest")

    assert await place.standing() == (Mark(5, NOON_MS), 6)


async def write_a_mark(producer: AIOKafkaProducer, changelog_topic: str) -> None:
    await producer.send_and_wait(changelog_topic, Mark(6, NOON_MS).encode(), MARK_KEY, partition=0)
    await producer.commit_transaction()


async def test_a_worker_nobody_noticed_can_write_no_more(place: Place) -> None:
    await place.delete_before(8)
    settings = place.settings
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, transactional_id=f"{settings.app_id}-0"
    ) as frozen:
        await frozen.begin_transaction()

        await reset(settings, "earliest")

        with pytest.raises(ProducerFenced):
            await write_a_mark(frozen, settings.changelog_topic)


async def test_partitions_and_topics_that_are_not_there_are_named(place: Place) -> None:
    with pytest.raises(ContractError, match="has no partition 7, but 0 to 1"):
        await reset(place.settings, "earliest", [7])
    with pytest.raises(ContractError, match="there is no topic elsewhere"):
        await show(replace(place.settings, plays_topic="elsewhere"))
