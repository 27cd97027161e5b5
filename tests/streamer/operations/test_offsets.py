"""The commands on a real broker, with a changelog as workers leave it and no worker running."""

from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.errors import ProducerFenced

from streamer.errors import ContractError
from streamer.kafka.connection import connection_of
from streamer.kafka.fences import Fences
from streamer.kafka.producers import MAX_BATCH_BYTES
from streamer.kafka.topics import ensure_topics
from streamer.kafka.transaction import Record, Records, fit, write
from streamer.local.devkafka import DevKafka
from streamer.operations.offset_reset import reset
from streamer.operations.offset_table import offsets_shown, show
from streamer.operations.shapes import ResetPlan
from streamer.settings import Settings
from streamer.wire.changelog import MARK_KEY, NO_MARK, Mark
from tests.builders import NOON_MS
from tests.cases.observations import Observe
from tests.onkafka import admin_of, create_topic, delete_topic, produce, read_committed, settings_on

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
        fences = Fences(connection_of(self.settings), self.settings.app_id, 30.0)
        await fences.take([0])
        states = [Record(b"\x01u", b"state"), Record(MARK_KEY, Mark(offset, timestamp_ms).encode())]
        changelog = self.settings.changelog_topic
        await write(fences.held[0], {changelog: fit(changelog, Records.of(states), MAX_BATCH_BYTES)})
        await fences.drop()
        async with self.group() as consumer:
            consumer.assign([TopicPartition(self.settings.plays_topic, 0)])
            await consumer.commit({TopicPartition(self.settings.plays_topic, 0): offset + 1})

    async def delete_before(self, offset: int) -> None:
        async with admin_of(self.settings.kafka_bootstrap_servers) as admin:
            await admin.delete_records({TopicPartition(self.settings.plays_topic, 0): RecordsToDelete(offset)})

    async def recreate_plays(self) -> None:
        await delete_topic(self.settings.kafka_bootstrap_servers, self.settings.plays_topic)
        await create_topic(self.settings.kafka_bootstrap_servers, self.settings.plays_topic, 2, {"retention.ms": "-1"})

    def group(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            group_id=self.settings.app_id,
            enable_auto_commit=False,
        )

    async def offsets(self) -> tuple[Mark, int | None]:
        """Return mark and commit of the first partition."""
        records = await read_committed(self.settings.kafka_bootstrap_servers, self.settings.changelog_topic)
        marks = [Mark.decode(record.value) for record in records if record.key == MARK_KEY]
        async with self.group() as consumer:
            committed = await consumer.committed(TopicPartition(self.settings.plays_topic, 0))
        return (marks[-1] if marks else NO_MARK), committed


@pytest.fixture
async def place(kafka: DevKafka, topic_prefix: str) -> Place:
    settings = settings_on(kafka.bootstrap_servers, topic_prefix, partitions=2)
    await create_topic(kafka.bootstrap_servers, settings.plays_topic, 2, {"retention.ms": "-1"})
    await ensure_topics(settings)
    place = Place(settings)
    await place.fill()
    await place.cover(5)
    return place


@pytest.mark.kind(8)
async def test_topics_with_fewer_replicas_than_asked_for_are_shown(place: Place, observe: Observe) -> None:
    asked, chosen = (place.settings.model_copy(update={"replication": replicas}) for replicas in (3, 1))

    assert f"topics have fewer than 3 replicas: {place.settings.plays_topic} (1), " in await show(asked)
    assert "replicas" not in await show(chosen)
    observe("refrain offsets show: also names the topics that have fewer than REFRAIN_REPLICATION replicas")


async def test_a_deployment_that_fits_is_left_alone(place: Place) -> None:
    report = await reset(place.settings, "earliest")

    assert "nothing was changed" in report
    assert report.count("  fits\n") == 2
    assert await place.offsets() == (Mark(5, NOON_MS), 6)


async def test_a_partition_that_fits_is_reset_if_it_is_named(place: Place) -> None:
    report = await reset(place.settings, "latest", [0])

    assert "partition 0: latest continues at 10, skips 4 plays and applies 0 again" in report
    assert await place.offsets() == (Mark(9, NOON_MS), 10)


@pytest.mark.parametrize(("to", "mark", "num_skipped"), [("earliest", Mark(7, -1), 2), ("latest", Mark(9, NOON_MS), 4)])
async def test_plays_lost_to_retention_are_counted_and_skipped(
    place: Place, *, to: str, mark: Mark, num_skipped: int
) -> None:
    await place.delete_before(8)
    shown, (first, second) = await show(place.settings), (await offsets_shown(place.settings)).partitions

    report = await reset(place.settings, to)

    plan = f"{to} continues at {mark.offset + 1}, skips {num_skipped} plays and applies 0 again"
    assert "2 plays were deleted before they were applied" in shown
    assert f"reset --to {plan}" in shown
    assert (first.begin, first.end, first.mark, first.committed) == (8, 10, 5, 6)
    assert ResetPlan(to, mark.offset + 1, num_skipped, 0) in first.resets  # type: ignore[arg-type]
    assert (second.contradiction, second.resets) == ("", ())
    assert f"partition 0: {plan}" in report
    assert await place.offsets() == (mark, mark.offset + 1)
    assert "nothing was changed" in await reset(place.settings, to)


@pytest.mark.parametrize("num_plays", [3, 10])
@pytest.mark.parametrize("to", ["earliest", "latest"])
async def test_a_recreated_topic_is_read_from_the_start_or_skipped(place: Place, to: str, num_plays: int) -> None:
    await place.recreate_plays()
    await place.fill(NOON_MS + 5, num_plays)
    assert "the topic was recreated" in await show(place.settings)

    await reset(place.settings, to)

    target = {"earliest": 0, "latest": num_plays}[to]
    mark = {"earliest": NO_MARK, "latest": Mark(num_plays - 1, NOON_MS + 5)}[to]
    assert await place.offsets() == (mark, target)
    assert "nothing was changed" in await reset(place.settings, to)


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_lost_changelog_is_recreated_and_the_states_on_disk_must_be_deleted(
    place: Place, *, is_there: bool
) -> None:
    await delete_topic(place.settings.kafka_bootstrap_servers, place.settings.changelog_topic)
    if is_there:
        await ensure_topics(place.settings)

    shown, report = await show(place.settings), await reset(place.settings, "latest")

    assert "the changelog was lost" in shown
    assert "earliest continues at 0, skips 0 plays and applies 6 again" in shown
    assert "Delete the state directories of all workers" in report
    assert await place.offsets() == (Mark(9, NOON_MS), 10)


async def test_showing_creates_nothing(place: Place) -> None:
    await delete_topic(place.settings.kafka_bootstrap_servers, place.settings.changelog_topic)

    await show(place.settings)

    async with admin_of(place.settings.kafka_bootstrap_servers) as admin:
        assert place.settings.changelog_topic not in await admin.list_topics()


async def test_a_reset_interrupted_before_the_commit_can_be_repeated(place: Place) -> None:
    await delete_topic(place.settings.kafka_bootstrap_servers, place.settings.changelog_topic)
    await ensure_topics(place.settings)
    fences = Fences(connection_of(place.settings), place.settings.app_id, 30.0)
    await fences.take([0])
    changelog, mark = place.settings.changelog_topic, Records.of([Record(MARK_KEY, NO_MARK.encode())])
    await write(fences.held[0], {changelog: fit(changelog, mark, MAX_BATCH_BYTES)})
    await fences.drop()

    await reset(place.settings, "earliest")

    assert await place.offsets() == (NO_MARK, 0)


async def test_nothing_changes_while_a_worker_runs(place: Place) -> None:
    await place.delete_before(8)
    async with place.group() as worker:
        worker.subscribe([place.settings.plays_topic])
        await worker.getmany(timeout_ms=5000)

        with pytest.raises(ContractError, match=r"1 worker of .* still runs: stop it first"):
            await reset(place.settings, "earliest")

    assert await place.offsets() == (Mark(5, NOON_MS), 6)


async def write_a_mark(producer: AIOKafkaProducer, changelog_topic: str) -> None:
    await producer.send_and_wait(changelog_topic, Mark(6, NOON_MS).encode(), MARK_KEY, partition=0)
    await producer.commit_transaction()


async def test_an_unnoticed_worker_can_no_longer_write(place: Place) -> None:
    await place.delete_before(8)
    settings = place.settings
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, transactional_id=f"{settings.app_id}-0"
    ) as frozen:
        await frozen.begin_transaction()

        await reset(settings, "earliest")

        with pytest.raises(ProducerFenced):
            await write_a_mark(frozen, settings.changelog_topic)


async def test_missing_partitions_and_topics_are_named(place: Place) -> None:
    with pytest.raises(ContractError, match="has no partition 7; choose from 0 to 1"):
        await reset(place.settings, "earliest", [7])
    with pytest.raises(ContractError, match="there is no topic elsewhere"):
        await show(place.settings.model_copy(update={"plays_topic": "elsewhere"}))
