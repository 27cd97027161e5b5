"""The chunk consumer around a rebalance, with a fake of the thread that talks to Kafka."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import IllegalStateError
from faust.types import TP

from streamer.errors import ContractError
from streamer.faust import app as app_module
from streamer.faust.app import ChunkApp, check_partitions, create_chunk_app, listener_table, num_left
from streamer.faust.marks import Marks
from streamer.faust.transport import ChunkConsumer
from streamer.settings import Settings

PLAYS = TP("plays", 0)
CHANGELOG = TP(Settings().changelog_topic, 0)
COPY = TP(Settings().changelog_topic, 1)


@dataclass
class Thread:
    """Replaces the thread that talks to Kafka."""

    assigned: set[TP] = field(default_factory=set)
    position_at: int | None = 0
    last: int = 0
    readable: int | None = None
    reached_at: int | None = None
    partitions: int = 2
    fetched: list[set[TP]] = field(default_factory=list)
    sought: dict[TP, int] = field(default_factory=dict)

    async def getmany(self, partitions: set[TP], timeout: float) -> dict[TP, object]:  # noqa: ARG002, ASYNC109
        self.fetched.append(set(partitions))
        return {}

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        self.sought.update(partitions)

    async def position(self, _: TP) -> int | None:
        if self.position_at is None:
            raise IllegalStateError("not assigned")
        return self.position_at

    def highwater(self, _: TP) -> int:
        return self.last if self.readable is None else self.readable

    def end(self, _: TP) -> int:
        return self.last

    def reached(self, _: TP) -> int | None:
        return self.reached_at

    def num_partitions(self, _: str) -> int:
        return self.partitions

    def assignment(self) -> set[TP]:
        return self.assigned

    def set_reset_strategy(self, _: int) -> None:
        pass


def record(tp: TP, offset: int) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(tp.topic, tp.partition, offset, 1_700_000_000_000, 0, b"key", b"play", None, 3, 4, ())


@pytest.fixture
async def app(tmp_path: Path) -> ChunkApp:
    app = create_chunk_app(Settings(state_dir=tmp_path / "state"))
    app.finalize()
    table = listener_table(app, 2)
    app.marks = Marks("127.0.0.1:1", PLAYS.topic, table, fences=None)  # type: ignore[arg-type]  # none is taken here
    app.topic(PLAYS.topic)
    app.tables._changelogs[CHANGELOG.topic] = table
    return app


@pytest.fixture
async def thread(app: ChunkApp) -> Thread:
    app.consumer._thread.thread_loop.close()  # it was not started
    thread = Thread()
    app.consumer._thread = thread
    return thread


async def test_nothing_is_fetched_between_the_end_of_recovery_and_the_end_of_the_rebalance(
    app: ChunkApp, thread: Thread
) -> None:
    app.on_rebalance_start()

    app.in_recovery = True
    await app.consumer._getmany({CHANGELOG, COPY, PLAYS}, 1.0)
    app.in_recovery = False
    await app.consumer._getmany({CHANGELOG, COPY, PLAYS}, 1.0)

    assert thread.fetched == [{CHANGELOG, COPY}], "Faust clears the queue at the end: a copy would have a hole"


async def test_plays_fetched_during_a_rebalance_are_dropped_and_read_again_from_the_marks(
    app: ChunkApp, thread: Thread
) -> None:
    app.on_rebalance_start()

    messages = app.consumer._messages({PLAYS: [record(PLAYS, 4)], COPY: [record(COPY, 9)]}, 1)

    assert [tp for tp, _ in messages] == [COPY]
    assert thread.assigned == set()
    assert not app.consumer._ends[PLAYS], "they would never be acknowledged"


async def test_standbys_continue_after_what_they_have(app: ChunkApp, thread: Thread) -> None:
    thread.assigned = {COPY}
    app.tables.recovery.standby_tps.add(COPY)
    app.tables.recovery.standby_offsets[COPY] = 7

    await app.consumer._start_at_marks()

    assert thread.sought == {COPY: 8}


async def test_each_assignment_starts_at_its_marks_whatever_its_generation(app: ChunkApp, thread: Thread) -> None:
    consumer: ChunkConsumer = app.consumer
    consumer._marked_generation = 3
    consumer._buffered_partitions.add(PLAYS)
    app.flow_control.suspend()
    consumer._on_partitions_revoked = _ignore

    await consumer.on_partitions_revoked({PLAYS})

    assert consumer._marked_generation is None
    assert consumer._buffered_partitions == set()
    assert thread.fetched == []


async def _ignore(*_: object) -> None:
    pass


@pytest.mark.parametrize(
    ("position", "end", "mark", "waiting", "left"),
    [
        (10, 10, 9, [], 0),
        (10, 10, 8, [], 0),  # the last offset is the marker of a transaction
        (5000, 5000, -1, [], 0),  # a topic older than the deployment, all of it expired
        (8, 10, 7, [], 2),
        (10, 10, 5, [9], 4),  # read, and not acknowledged yet
    ],
)
async def test_the_plays_left_in_a_partition_are_counted(
    app: ChunkApp, thread: Thread, *, position: int, end: int, mark: int, waiting: list[int], left: int
) -> None:
    thread.position_at, thread.last = position, end
    app.consumer._ends[PLAYS].extend(waiting)

    assert await num_left(app, PLAYS, mark) == left


async def test_records_behind_an_open_transaction_can_be_told_from_those_that_can_be_read(
    app: ChunkApp, thread: Thread
) -> None:
    thread.readable, thread.last = 4, 10

    assert app.consumer.ends(PLAYS) == (4, 10)


async def test_a_commit_moves_behind_the_markers_that_follow_once_everything_read_is_acknowledged(
    app: ChunkApp, thread: Thread
) -> None:
    consumer: ChunkConsumer = app.consumer
    consumer._done[PLAYS] = 5
    thread.reached_at = 8

    consumer._note({PLAYS: [record(PLAYS, 5)]})
    list(consumer._messages({PLAYS: [record(PLAYS, 5)]}, 1))
    assert consumer._new_offset(PLAYS) is None, "the play is not done"
    consumer._acked_index[PLAYS].add(5)

    assert PLAYS in consumer._filter_tps_with_pending_acks()
    assert consumer._new_offset(PLAYS) == 8


async def test_a_commit_never_passes_a_record_that_was_fetched_and_dropped(app: ChunkApp, thread: Thread) -> None:
    consumer: ChunkConsumer = app.consumer
    consumer._done[PLAYS] = 5
    thread.reached_at = 8

    consumer._note({PLAYS: [record(PLAYS, 6)]})  # Faust drops what was fetched before a rebalance
    consumer._note({})

    assert consumer._new_offset(PLAYS) is None


async def test_nothing_is_known_about_a_partition_of_another_worker(app: ChunkApp, thread: Thread) -> None:
    thread.position_at = None

    with pytest.raises(LookupError):
        await num_left(app, PLAYS, 5)


@pytest.mark.parametrize(("num_partitions", "is_refused"), [(0, False), (2, False), (3, True)])
async def test_added_partitions_are_refused_even_without_a_rebalance(
    app: ChunkApp, thread: Thread, monkeypatch: pytest.MonkeyPatch, *, num_partitions: int, is_refused: bool
) -> None:
    refusals: list[ContractError] = []
    monkeypatch.setattr(app_module, "refuse", refusals.append)
    app.tables.on_actives_ready()
    thread.partitions = num_partitions

    check_partitions(app, PLAYS.topic, expected=2)

    assert [str(cause).partition(":")[0] for cause in refusals] == ["plays has 3 partitions, and had 2"] * is_refused
