from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from faust.types import TP

from streamer.errors import ContractError
from streamer.faust import table as table_module
from streamer.faust.table import ListenerTable
from streamer.kafka.fences import Fences
from streamer.kafka.producers import MAX_BATCH_BYTES
from streamer.kafka.transaction import Record, Records, Writes
from streamer.local.devkafka import DevKafka
from streamer.wire.blobs import Blobs
from streamer.wire.changelog import COUNT_KEY, MARK_KEY, NO_MARK, Item, Mark, decode_count
from tests.cases.observations import Observe
from tests.onkafka import create_topic, read_committed


def test_before_its_first_batch_a_partition_has_no_mark(table: ListenerTable) -> None:
    assert table.mark(2) == Mark(-1, -1)


@dataclass(frozen=True)
class Place:
    """A table on a broker, with the fence of partition 1."""

    kafka: DevKafka
    table: ListenerTable
    fences: Fences
    changelog: str
    answers: str

    async def commit(self, writes: Writes) -> None:
        await self.table.commit(self.fences.held[1], writes)

    async def read(self, topic: str) -> list[tuple[bytes | None, bytes | None]]:
        return [(each.key, each.value) for each in await read_committed(self.kafka.bootstrap_servers, topic, 1)]


@pytest.fixture
async def place(kafka: DevKafka, topic_prefix: str, open_table: Callable[..., ListenerTable]) -> AsyncIterator[Place]:
    table = open_table(app_id=topic_prefix)
    changelog, answers = table.changelog_topic_name, f"{topic_prefix}.answers"
    for topic in (changelog, answers):
        await create_topic(kafka.bootstrap_servers, topic, 4)
    fences = Fences(kafka.connection, topic_prefix, 30.0)
    await fences.take([1])
    yield Place(kafka, table, fences, changelog, answers)
    await fences.drop()


@pytest.fixture
def crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make crash() and refuse() raise; they would end the test run too."""

    def crash(reason: str, cause: BaseException | None = None) -> None:
        raise SystemExit(reason) from cause

    def refuse(cause: ContractError) -> None:
        raise cause

    monkeypatch.setattr(table_module, "crash", crash)
    monkeypatch.setattr(table_module, "refuse", refuse)


def writes(
    place: Place, *states: Item, answers: list[Record] | None = None, offset: int = 7, num_added: int = 0
) -> Writes:
    keys, values = [key for key, _ in states], Blobs.of([value for _, value in states])
    return Writes(1, {place.answers: Records.of(answers or [])}, keys, values, num_added, Mark(offset, 70))


@pytest.mark.kafka
@pytest.mark.kind(6)
@pytest.mark.kind(7)
async def test_a_machine_whose_clock_the_brokers_refuse_is_told_to_set_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, topic_prefix: str, observe: Observe
) -> None:
    def refuse(cause: ContractError) -> None:
        raise cause

    monkeypatch.setattr(table_module, "refuse", refuse)
    strict = f"{topic_prefix}.strict"  # to its broker, every clock but its own is slow
    await create_topic(place.kafka.bootstrap_servers, strict, 4, {"message.timestamp.before.max.ms": "0"})

    with pytest.raises(ContractError, match=r"the clock of this machine is wrong; set it, e\.g\. with NTP"):
        await place.commit(Writes(1, {strict: Records.of([Record(b"u", b"list")])}, [], Blobs.of([]), 0, Mark(7, 70)))

    assert place.table.mark(1) == NO_MARK
    observe("a topic that refuses the time of our records: refused (3), which says to set the clock")


@pytest.mark.kafka
async def test_a_batch_is_on_kafka_and_on_disk_with_its_changelog_offset(place: Place) -> None:
    answers = [Record(b"u", b"list"), Record(b"v", None), Record(None, b"odd", [("error", b"x")])]

    await place.commit(writes(place, (b"\x01u", b"state"), (b"\x01v", None), answers=answers))

    assert await place.read(place.answers) == [(b"u", b"list"), (b"v", None), (None, b"odd")]
    changelog = await read_committed(place.kafka.bootstrap_servers, place.changelog, 1)
    assert {each.key: each.value for each in changelog} == {
        b"\x01u": b"state",
        b"\x01v": None,
        MARK_KEY: Mark(7, 70).encode(),
    }
    assert place.table.mark(1) == Mark(7, 70)
    assert place.table.store.multi_get(1, [b"\x01u", b"\x01v"]) == [b"state", None]
    assert _persisted_offset(place) == changelog[-1].offset


def _persisted_offset(place: Place) -> int | None:
    return place.table.store.persisted_offset(TP(place.changelog, 1))


@pytest.mark.kafka
async def test_the_offset_kept_is_that_of_the_last_record_batch_after_batch(place: Place) -> None:
    for number in range(3):
        states = [(b"\x01%d" % user, b"state") for user in range(number)]
        await place.commit(writes(place, *states, offset=number))

        newest = (await read_committed(place.kafka.bootstrap_servers, place.changelog, 1))[-1]
        assert _persisted_offset(place) == newest.offset
        assert place.table.mark(1).offset == number


@pytest.mark.kafka
async def test_listeners_are_counted_on_kafka_and_on_disk(place: Place) -> None:
    await place.commit(writes(place, (b"\x01u", b"state"), (b"\x01v", b"state"), num_added=2))
    await place.commit(writes(place, (b"\x01u", None), (b"\x01v", b"newer"), offset=8, num_added=-1))
    await place.commit(writes(place, (b"\x01v", b"newest"), offset=9))

    changelog = await read_committed(place.kafka.bootstrap_servers, place.changelog, 1)
    assert [decode_count(each.value) for each in changelog if each.key == COUNT_KEY and each.value] == [2, 1]
    assert place.table.num_listeners(1) == 1


def test_listeners_of_an_earlier_build_are_counted_once(table: ListenerTable) -> None:
    states = [(b"\x01%d" % number, b"state") for number in range(50)]
    table.store.write_batch(0, [*states, (MARK_KEY, Mark(7, 70).encode())], 5)

    table.count_listeners(0)
    table.store.write_batch(0, [(b"\x01new", b"state")], 6)
    table.count_listeners(0)

    assert table.num_listeners(0) == 50


def test_a_partition_without_a_batch_has_no_listeners(table: ListenerTable) -> None:
    table.count_listeners(0)

    assert table.num_listeners(0) == 0
    assert table.store.multi_get(0, [COUNT_KEY]) == [None]


@pytest.mark.kafka
async def test_headers_travel_with_their_record(place: Place) -> None:
    await place.commit(writes(place, answers=[Record(b"u", b"{", [("error", b"not-json"), ("reason", b"why")])]))

    (letter,) = await read_committed(place.kafka.bootstrap_servers, place.answers, 1)
    assert letter.headers == (("error", b"not-json"), ("reason", b"why"))


@pytest.mark.kafka
async def test_a_batch_larger_than_a_record_batch_is_written_whole_and_in_order(place: Place) -> None:
    size = MAX_BATCH_BYTES // 3
    answers = [Record(b"u", b"%03d" % number + bytes(size)) for number in range(10)]
    states = [(b"\x01%03d" % number, bytes(size)) for number in range(7)]

    await place.commit(writes(place, *states, answers=answers))

    assert [value and value[:3] for _, value in await place.read(place.answers)] == [b"%03d" % n for n in range(10)]
    changelog = await read_committed(place.kafka.bootstrap_servers, place.changelog, 1)
    assert [each.key for each in changelog] == [*(key for key, _ in states), MARK_KEY]
    assert _persisted_offset(place) == changelog[-1].offset


@pytest.mark.kafka
@pytest.mark.usefixtures("crashes")
async def test_a_batch_that_fails_half_way_leaves_nothing_on_kafka_and_nothing_on_disk(place: Place) -> None:
    await place.commit(writes(place, (b"\x01u", b"old"), answers=[Record(b"u", b"old")], offset=3))

    too_large = Record(b"u", bytes(3 << 20))  # beyond any broker's limit
    with pytest.raises(ContractError):
        await place.commit(writes(place, (b"\x01u", b"new"), answers=[Record(b"u", b"new"), too_large]))

    assert await place.read(place.answers) == [(b"u", b"old")]
    assert (b"\x01u", b"new") not in await place.read(place.changelog)
    assert place.table.store.multi_get(1, [b"\x01u"]) == [b"old"]
    assert place.table.mark(1).offset == 3


@pytest.mark.kafka
@pytest.mark.usefixtures("crashes")
async def test_a_worker_whose_partition_was_taken_ends_and_writes_nothing(place: Place, topic_prefix: str) -> None:
    other = Fences(place.kafka.connection, topic_prefix, 30.0)
    await other.take([1])

    with pytest.raises(SystemExit, match="was not committed"):
        await place.commit(writes(place, (b"\x01u", b"new"), answers=[Record(b"u", b"new")]))

    assert await place.read(place.answers) == []
    assert place.table.mark(1) == Mark(-1, -1)
    await other.drop()
