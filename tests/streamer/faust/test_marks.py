from collections.abc import Callable
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition
from faust.types import TP

from streamer.errors import ContractError
from streamer.faust import marks as marks_module
from streamer.faust.marks import Marks
from streamer.faust.table import ListenerTable
from streamer.kafka.commits import Commit
from streamer.kafka.fences import Fences
from streamer.local.devkafka import DevKafka
from streamer.wire.changelog import MARK_KEY, Mark
from tests.builders import NOON_MS
from tests.cases.observations import Observe
from tests.onkafka import admin_of, create_topic, delete_topic, produce, read_committed

pytestmark = pytest.mark.kafka


@dataclass(frozen=True)
class Place:
    """The plays of a deployment, ten of them in partition 0, and their marks."""

    bootstrap_servers: str
    plays: str
    table: ListenerTable
    marks: Marks

    def done_up_to(self, offset: int, timestamp_ms: int = NOON_MS) -> None:
        self.table.store.write_batch(0, [(MARK_KEY, Mark(offset, timestamp_ms).encode())], 1)

    async def start(self, committed: int | Commit | None = None) -> int:
        partition = TP(self.plays, 0)
        commit = Commit(committed, committed - 1) if isinstance(committed, int) else committed
        return (await self.marks.starts_of({partition: commit}))[partition]

    async def delete_before(self, offset: int) -> None:
        async with admin_of(self.bootstrap_servers) as admin:
            await admin.delete_records({TopicPartition(self.plays, 0): RecordsToDelete(offset)})

    async def fill(self, num_plays: int = 10, timestamp_ms: int = NOON_MS) -> None:
        await produce(self.bootstrap_servers, self.plays, *[b"{}"] * num_plays, timestamp_ms=timestamp_ms)


@pytest.fixture
async def place(
    kafka: DevKafka, topic_prefix: str, open_table: Callable[..., ListenerTable], monkeypatch: pytest.MonkeyPatch
) -> Place:
    def refuse(cause: ContractError) -> None:  # the product's would end the test run too
        raise cause

    monkeypatch.setattr(marks_module, "refuse", refuse)
    table, plays = open_table(topic_prefix), f"{topic_prefix}.plays"
    await create_topic(kafka.bootstrap_servers, plays, configs={"retention.ms": "-1"})
    await create_topic(kafka.bootstrap_servers, table.changelog_topic_name)
    fences = Fences(kafka.connection, topic_prefix, 30.0)
    place = Place(kafka.bootstrap_servers, plays, table, Marks(kafka.connection, plays, table, fences))
    await place.fill()
    return place


@pytest.mark.parametrize("committed", [None, 0])
async def test_a_partition_without_a_mark_starts_where_its_topic_starts(place: Place, committed: int | None) -> None:
    assert await place.start(committed) == 0


@pytest.mark.parametrize("committed", [None, 0, 3, 6])
async def test_a_partition_continues_after_its_mark_even_if_the_commit_trails(
    place: Place, committed: int | None
) -> None:
    place.done_up_to(5)

    assert await place.start(committed) == 6


async def test_a_partition_that_is_done_waits_at_the_end(place: Place) -> None:
    place.done_up_to(9)

    assert await place.start(10) == 10


@pytest.mark.parametrize(("mark", "committed"), [(5, 7), (5, 10), (None, 1)])
async def test_a_commit_beyond_the_mark_means_that_the_changelog_was_lost(
    place: Place, mark: int | None, committed: int
) -> None:
    if mark is not None:
        place.done_up_to(mark)

    with pytest.raises(
        ContractError, match=rf"offset {committed} is committed .* the changelog was lost.*offsets reset"
    ):
        await place.start(committed)


@pytest.mark.parametrize(("mark", "committed", "is_lost"), [(5, Commit(9, 5), False), (5, Commit(9, 6), True)])
async def test_a_commit_behind_markers_fits_the_mark_that_it_was_made_with(
    place: Place, mark: int, committed: Commit, *, is_lost: bool
) -> None:
    place.done_up_to(mark)

    if is_lost:
        with pytest.raises(ContractError, match="the changelog was lost"):
            await place.start(committed)
    else:
        assert await place.start(committed) == mark + 1


async def test_deleted_markers_are_no_deleted_plays(place: Place) -> None:
    place.done_up_to(5)
    await place.delete_before(8)

    assert await place.start(Commit(8, 5)) == 8


@pytest.mark.kind(5)
async def test_states_behind_an_open_transaction_are_refused_rather_than_taken_to_end_before_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, observe: Observe
) -> None:
    monkeypatch.setattr(marks_module, "_PATIENCE_S", 0.0)
    changelog = place.table.changelog_topic_name
    stranger = AIOKafkaProducer(bootstrap_servers=place.bootstrap_servers, transactional_id=f"{changelog}-stranger")
    async with stranger:
        await stranger.begin_transaction()
        await stranger.send_and_wait(changelog, b"", b"k", partition=0)

        with pytest.raises(
            ContractError, match=rf"cannot be read to their end: 1 record of {changelog}-0 waits behind"
        ):
            await place.start()
        await stranger.abort_transaction()

    assert await place.start() == 0
    observe("a stranger's open transaction in front of states: refused (3) with the command that ends it")


async def test_a_topic_that_ends_before_the_mark_was_recreated(place: Place) -> None:
    place.done_up_to(10)

    with pytest.raises(
        ContractError, match=r"ends at offset 10, before the progress mark 10.*recreated.*offsets reset"
    ):
        await place.start()


async def test_a_topic_with_another_record_at_the_mark_was_recreated(place: Place) -> None:
    place.done_up_to(5, NOON_MS - 1)

    with pytest.raises(ContractError, match=r"the record at offset 5 is not .* recreated"):
        await place.start()


async def test_a_topic_that_really_was_recreated_is_refused(place: Place) -> None:
    place.done_up_to(5, (await read_committed(place.bootstrap_servers, place.plays))[5].timestamp)
    assert await place.start() == 6

    await delete_topic(place.bootstrap_servers, place.plays)
    await create_topic(place.bootstrap_servers, place.plays)
    await place.fill(timestamp_ms=NOON_MS + 5)

    with pytest.raises(ContractError, match="recreated"):
        await place.start()


async def test_plays_that_expired_before_they_were_applied_are_counted_and_refused(place: Place) -> None:
    place.done_up_to(5)
    await place.delete_before(8)

    with pytest.raises(ContractError, match=r"begins at offset 8 .* end at 5: 2 plays were deleted .*offsets reset"):
        await place.start(6)


async def test_if_the_marked_record_has_expired_there_is_nothing_to_compare(place: Place) -> None:
    place.done_up_to(5, NOON_MS - 1)
    await place.delete_before(6)

    assert await place.start() == 6


async def test_if_everything_has_expired_the_partition_waits_at_the_end(place: Place) -> None:
    place.done_up_to(9)
    await place.delete_before(10)

    assert await place.start(10) == 10


async def test_plays_assigned_without_their_states_are_refused(place: Place) -> None:
    plays, states = (TP(place.plays, 0), TP(place.plays, 1)), TP(place.table.changelog_topic_name, 0)

    await place.marks.check_assignment({plays[0], states})
    with pytest.raises(ContractError, match=r"partitions \[0, 1\] .* states of \[0\]: partitions of the plays were"):
        await place.marks.check_assignment({*plays, states})
