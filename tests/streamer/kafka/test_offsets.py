import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from streamer.kafka.commits import Commit
from streamer.kafka.offsets import Offsets, explain, mark_before, newest_marks, observing, read_offsets, timestamps_at
from streamer.local.devkafka import DevKafka
from streamer.wire.changelog import MARK_KEY, NO_MARK, Mark
from tests.builders import NOON_MS
from tests.onkafka import admin_of, create_topic, produce


def offsets(
    *, begin: int = 0, end: int = 10, mark: Mark = NO_MARK, marked_ms: int | None = None, committed: int | None = None
) -> Offsets:
    return Offsets(0, begin, end, mark, marked_ms, None if committed is None else Commit(committed, committed - 1))


FRESH = offsets()
OLD_TOPIC = offsets(begin=4)
FITS = offsets(mark=Mark(5, NOON_MS), marked_ms=NOON_MS, committed=6)
AGED = offsets(begin=6, mark=Mark(5, NOON_MS), committed=6)
DELETED = offsets(begin=8, mark=Mark(5, NOON_MS), committed=6)
SHORTER = offsets(mark=Mark(15, NOON_MS), committed=16)
REGROWN = offsets(mark=Mark(5, NOON_MS), marked_ms=NOON_MS + 1, committed=6)
GONE_AT_MARK = offsets(mark=Mark(5, NOON_MS), marked_ms=None, committed=6)
LOST = offsets(begin=2, committed=6)
BEHIND = offsets(mark=Mark(3, NOON_MS), marked_ms=NOON_MS, committed=6)
AFTER_RESET = offsets(begin=4, end=4, mark=Mark(3, -1), committed=4)
UNKNOWN_TIME = offsets(mark=Mark(5, -1), marked_ms=NOON_MS, committed=6)


@pytest.mark.parametrize(
    ("place", "contradiction"),
    [
        (FRESH, ""),
        (OLD_TOPIC, ""),
        (FITS, ""),
        (AGED, ""),
        (AFTER_RESET, ""),
        (UNKNOWN_TIME, ""),
        (DELETED, "begins at offset 8 but the states end at 5: 2 plays were deleted before they were applied"),
        (SHORTER, "ends at offset 10, before the progress mark 15: the topic was recreated"),
        (REGROWN, "the record at offset 5 is not the one that the progress mark covers: the topic was recreated"),
        (GONE_AT_MARK, "the record at offset 5 is not the one that the progress mark covers: the topic was recreated"),
        (LOST, "offset 6 is committed but the states end at -1: the changelog was lost"),
        (BEHIND, "offset 6 is committed but the states end at 3: the changelog was lost"),
    ],
)
def test_a_contradiction_is_described(place: Offsets, contradiction: str) -> None:
    assert place.contradiction == contradiction


@pytest.mark.parametrize(
    ("place", "earliest", "skipped", "again"),
    [
        (FRESH, 0, (0, 10), (0, 0)),
        (OLD_TOPIC, 4, (0, 6), (0, 0)),  # what expired before the deployment was never its own
        (FITS, 6, (0, 4), (0, 0)),
        (DELETED, 8, (2, 4), (0, 0)),
        (SHORTER, 0, (0, 10), (0, 0)),
        (REGROWN, 0, (0, 10), (0, 0)),
        (LOST, 2, (0, 8), (4, 0)),
        (BEHIND, 4, (0, 6), (2, 0)),
    ],
)
def test_a_reset_continues_with_the_first_play_not_covered_or_with_the_next_one(
    place: Offsets, earliest: int, skipped: tuple[int, int], again: tuple[int, int]
) -> None:
    targets = (place.earliest, place.end)

    assert place.earliest == earliest
    assert tuple(map(place.num_skipped, targets)) == skipped
    assert tuple(map(place.num_answered_again, targets)) == again


@pytest.mark.parametrize("place", [DELETED, SHORTER, REGROWN, LOST, BEHIND])
@pytest.mark.parametrize("to", ["earliest", "end"])
def test_after_the_mark_of_a_reset_everything_fits(place: Offsets, to: str) -> None:
    target = getattr(place, to)
    is_there = place.begin <= target - 1
    timestamp_ms = NOON_MS if is_there else None

    after = offsets(
        begin=place.begin, end=place.end, mark=mark_before(target, timestamp_ms), marked_ms=timestamp_ms,
        committed=target,
    )  # fmt: skip

    assert (after.contradiction, after.earliest) == ("", target)


def test_a_refusal_names_each_partition_and_the_remedy() -> None:
    message = explain("plays", [FITS, DELETED, SHORTER])

    assert message.startswith("plays-0: begins at offset 8")
    assert "; plays-0: ends at offset 10" in message
    assert "refrain offsets reset --to earliest" in message
    assert "state directories" not in message


def test_a_lost_changelog_takes_the_states_on_disk_with_it() -> None:
    message = explain("plays", [DELETED, LOST])

    assert "delete the state directories of all workers" in message
    assert "refrain offsets reset --to earliest" in message


def test_the_explanation_is_empty_where_everything_fits() -> None:
    assert explain("plays", [FRESH, FITS, AGED]) == ""


# -- on a real broker


@pytest.mark.kafka
async def test_offsets_and_timestamps_are_read_from_the_topic(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix, 2, {"retention.ms": "-1"})
    await produce(kafka.bootstrap_servers, topic_prefix, *[b"{}"] * 10, timestamp_ms=NOON_MS)
    async with admin_of(kafka.bootstrap_servers) as admin:
        await admin.delete_records({TopicPartition(topic_prefix, 0): RecordsToDelete(4)})

    async with observing(kafka.connection) as consumer:
        places = await read_offsets(consumer, topic_prefix, {1: NO_MARK, 0: Mark(6, NOON_MS)}, {0: Commit(7, 6)})
        gone = await timestamps_at(consumer, {TopicPartition(topic_prefix, 0): 3})

    assert places == [Offsets(0, 4, 10, Mark(6, NOON_MS), NOON_MS, Commit(7, 6)), Offsets(1, 0, 0, NO_MARK, None, None)]
    assert set(gone.values()) == {None}


@pytest.mark.kafka
async def test_only_records_have_timestamps_markers_and_missing_offsets_have_none(
    kafka: DevKafka, topic_prefix: str
) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix, 4)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=topic_prefix) as producer:
        for _ in range(2):
            async with producer.transaction():
                for number in range(4):
                    await producer.send_and_wait(topic_prefix, b"{}", partition=number, timestamp_ms=NOON_MS + number)

    offsets = dict(enumerate([3, 1, 2, -1]))
    async with observing(kafka.connection) as consumer:
        timestamps_ms = await timestamps_at(
            consumer, {TopicPartition(topic_prefix, n): at for n, at in offsets.items()}
        )

    assert list(timestamps_ms.values()) == [None, None, NOON_MS + 2, None]


@pytest.mark.kafka
async def test_the_newest_mark_is_found_however_far_back_it_is(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix, 2)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=topic_prefix) as producer:
        async with producer.transaction():
            for offset in (3, 4):
                await producer.send(topic_prefix, Mark(offset, NOON_MS).encode(), MARK_KEY, partition=0)
            for _ in range(2500):
                await producer.send(topic_prefix, b"state", b"\x01u", partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(topic_prefix, Mark(9, NOON_MS).encode(), MARK_KEY, partition=0)
        await producer.abort_transaction()

    async with observing(kafka.connection) as consumer:
        marks = await newest_marks(consumer, [TopicPartition(topic_prefix, number) for number in (0, 1)])

    assert list(marks.values()) == [Mark(4, NOON_MS), NO_MARK]


@pytest.mark.kafka
@pytest.mark.timeout(60)
async def test_a_changelog_without_any_record_has_no_mark(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)

    async with observing(kafka.connection) as consumer:
        marks = await newest_marks(consumer, [TopicPartition(topic_prefix, 0)])

    assert list(marks.values()) == [NO_MARK]
