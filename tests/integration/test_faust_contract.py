"""What `streamer.faust` relies on in Faust, mode and aiokafka, fact by fact.

Faust is pinned exactly. Run these tests before you move the pin: each failure says what is lost with its fact. Facts
that need a broker are in test_faust_on_kafka.py.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import faust
import pytest
import rocksdict
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from faust.stores import by_url as store_by_url
from faust.stores.rocksdb import Store
from faust.tables import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.drivers import by_url as transport_by_url
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, ConsumerRebalanceListener
from faust.types import TP
from mode import Service
from yarl import URL

from streamer.faust.app import ChunkApp, create_chunk_app, listener_table
from streamer.faust.marks import Marks
from streamer.faust.recovery import ChunkRecovery
from streamer.faust.schema import records_chunk
from streamer.faust.store import ChunkStore
from streamer.faust.table import ListenerTable
from streamer.faust.thread import ReadCommittedThread
from streamer.faust.transport import ChunkConsumer, ChunkTransport
from streamer.settings import Settings
from streamer.wire.changelog import KIND_LISTENER, KIND_MARK

PLAYS = TP("plays", 0)
CHANGELOG = TP("refrain-listeners-changelog", 0)


def record(tp: TP, offset: int, value: bytes = b"play") -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(tp.topic, tp.partition, offset, 1_700_000_000_000, 0, b"key", value, None, 3, len(value), ())


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[ChunkApp]:
    """The product's app, not started; there is no broker at its address."""
    app = create_chunk_app(Settings(state_dir=tmp_path / "state"))
    app.finalize()
    table = listener_table(app, 1)
    app.marks = Marks("127.0.0.1:1", PLAYS.topic, table, fences=None)  # type: ignore[arg-type]  # none is taken here
    app.topic(PLAYS.topic)
    yield app
    if app._consumer is not None:
        close(app._consumer)


def close(consumer: Consumer) -> None:
    """Close the event loop of a consumer's thread, which was not started."""
    consumer._thread.thread_loop.close()


@pytest.fixture
async def consumer(app: ChunkApp) -> ChunkConsumer:
    consumer = app.consumer
    assert isinstance(consumer, ChunkConsumer)
    return consumer


@pytest.fixture
async def stock_consumer(app: ChunkApp) -> AsyncIterator[Consumer]:
    async def ignore(*_: object) -> None:
        pass

    consumer = Consumer(
        app.transport, callback=ignore, on_partitions_revoked=ignore, on_partitions_assigned=ignore, loop=app.loop
    )
    yield consumer
    close(consumer)


# -- what is installed


def test_faust_is_the_version_whose_private_methods_were_read() -> None:
    installed = version("faust-streaming")

    assert installed == "0.15.3", (
        f"faust-streaming {installed} is installed: streamer/faust overrides private methods of 0.15.3. Read them "
        "again, run these tests and the fault tests, then move the pin in pyproject.toml and this number"
    )


@pytest.mark.parametrize(
    ("method", "parameters", "why"),
    [
        (BaseConsumer._wait_next_records, ["timeout"], "getmany() fetches and waits through it"),
        (BaseConsumer.getmany, ["timeout"], "our getmany() replaces it: chunks instead of messages"),
        (Consumer._getmany, ["active_partitions", "timeout"], "ours keeps plays out of it during a rebalance (596)"),
        (Consumer._new_offset, ["tp"], "ours decides what is committed (606)"),
        (Consumer._add_gap, ["tp", "offset_from", "offset_to"], "ours records none for chunks"),
        (Consumer.perform_seek, [], "ours voids the chunks yielded before"),
        (Consumer.seek_wait, ["partitions"], "it puts partitions at their marks"),
        (Consumer.position, ["tp"], "empty chunks learn from it how far changelogs were read"),
        (Consumer.on_partitions_assigned, ["assigned", "generation_id"], "ours takes the fences first"),
        (Consumer.on_partitions_revoked, ["revoked"], "ours commits first (502)"),
        (Consumer._is_changelog_tp, ["tp"], "it distinguishes plays from changelogs"),
        (Consumer._new_consumer_thread, [], "ours creates the thread that reads committed records"),
        (AIOKafkaConsumerThread._create_worker_consumer, ["transport"], "ours reads committed records"),
        (Store._open_for_partition, ["partition"], "ours opens with our options, and discards the damaged and the old"),
        (Store._db_for_partition, ["partition"], "Faust opens the stores it assigns and recovers through it"),
        (Store.persisted_offset, ["tp"], "asking a standby for its offset opens its store"),
        (Store.apply_changelog_batch, ["batch", "to_key", "to_value"], "recovery gives its chunks to ours"),
        (Store.revoke_partitions, ["table", "tps"], "ours closes the stores"),
        (TableManager.on_start, [], "ours does not sleep for a second"),
        (TableManager._update_channels, [], "ours subscribes to the changelogs through it"),
        (
            Recovery._build_highwaters,
            ["consumer", "tps", "destination", "title"],
            "ours accepts standbys that are ahead of it",
        ),
        (Service._crash, ["reason"], "ours ends the process"),
    ],
    ids=lambda value: getattr(value, "__qualname__", None) if callable(value) else "",
)
def test_a_method_that_is_overridden_or_called_has_the_parameters_it_had(
    method: Callable[..., object], parameters: list[str], why: str
) -> None:
    actual = list(inspect.signature(method).parameters)[1:]

    assert actual == parameters, f"{method.__qualname__} now takes {actual}; {why}"


def test_refrain_urls_name_the_chunk_transport_and_the_chunk_store() -> None:
    transport, store = transport_by_url(URL("refrain://kafka:9092")), store_by_url(URL("refrain://"))

    why = "Faust would fail to start; reinstall the package so that its entry points are found"
    assert (transport, store) == (ChunkTransport, ChunkStore), why


async def test_an_app_builds_our_classes_from_its_settings(app: ChunkApp) -> None:
    table = app.tables["listeners"]

    assert isinstance(app.consumer, ChunkConsumer), "plays would travel one by one"
    assert isinstance(app.consumer._thread, ReadCommittedThread), "recovery would apply uncommitted records"
    assert isinstance(app.tables.recovery, ChunkRecovery), "a partition just demoted to standby would be refused"
    assert isinstance(table, ListenerTable)
    assert isinstance(table.data, ChunkStore), "states would be written key by key, before their transaction"
    assert table.changelog_topic_name == Settings().changelog_topic, "the topic we create would not be the one in use"


# -- what a failure does


async def test_a_failing_service_reaches_the_app_only_through_its_private_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reasons: list[BaseException] = []
    app = faust.App("contract")
    monkeypatch.setattr(app, "_crash", reasons.append)
    monkeypatch.setattr(app, "crash", lambda _: pytest.fail("now `crash` is called: end the process there"))

    class Failing(Service):
        @Service.task
        async def _fail(self) -> None:
            raise OSError("the fetcher died")

    async with Failing(beacon=app.beacon) as failing:
        await asyncio.wait_for(failing._crashed.wait(), 10)

    assert {type(reason) for reason in reasons} == {OSError}, "a worker whose fetcher died would never end"
    assert "_crash" in vars(ChunkApp), "the process must end there"


async def test_recovery_continues_after_a_batch_it_could_not_apply(
    app: ChunkApp, caplog: pytest.LogCaptureFixture
) -> None:
    table, recovery = app.tables["listeners"], app.tables.recovery
    has_continued = asyncio.Event()

    def fail_once(batch: list[faust.EventT]) -> None:
        if [event.message.offset for event in batch] == [7]:
            raise OSError("disk full")
        has_continued.set()

    table.recovery_buffer_size = 1
    table.apply_changelog_batch = fail_once
    recovery.active_tps.add(CHANGELOG)
    recovery.tp_to_table[CHANGELOG] = table
    for offset in (7, 9):
        message = records_chunk(CHANGELOG, [record(CHANGELOG, offset)], 1)
        app.tables.changelog_queue.put_nowait(SimpleNamespace(message=message))

    slurping = asyncio.ensure_future(Recovery._slurp_changelogs.fun(recovery))
    await asyncio.wait_for(has_continued.wait(), 10)  # once it stops, apply_changelog_batch() may raise, not crash
    slurping.cancel()

    assert recovery.active_offsets[CHANGELOG] == 9, "records that were not applied count as recovered: hence our crash"
    assert "disk full" in caplog.text


# -- acknowledgements and commits


async def test_offsets_not_yet_known_read_as_none(stock_consumer: Consumer) -> None:
    offsets = [
        stock_consumer._committed_offset[PLAYS],
        stock_consumer._read_offset[PLAYS],
        list(stock_consumer._acked[PLAYS]),
        set(stock_consumer._acked_index[PLAYS]),
        set(stock_consumer._buffered_partitions),
    ]

    assert offsets == [None, None, [], set(), set()], "getmany(), _new_offset() and the start at the marks rely on it"


async def test_faust_commits_past_a_play_still_in_progress_issue_606(stock_consumer: Consumer) -> None:
    stock_consumer._committed_offset[PLAYS] = 31
    stock_consumer._acked[PLAYS] = [32, 33]

    assert stock_consumer._new_offset(PLAYS) == 34, "606 is fixed: ChunkConsumer._new_offset may go, if it handles gaps"


async def test_ours_commits_up_to_the_first_chunk_still_in_progress(consumer: ChunkConsumer) -> None:
    consumer._ends[PLAYS].extend([10, 20, 30])

    consumer._acked[PLAYS], consumer._acked_index[PLAYS] = [20, 30], {20, 30}
    blocked = consumer._new_offset(PLAYS)
    consumer._acked[PLAYS], consumer._acked_index[PLAYS] = [20, 30, 10], {10, 20, 30}

    assert (blocked, consumer._new_offset(PLAYS), consumer._acked[PLAYS]) == (None, 31, [])


async def test_an_acknowledged_chunk_is_recorded_by_its_last_offset(
    app: ChunkApp, consumer: ChunkConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.topics, "acks_enabled_for", lambda topic: topic == PLAYS.topic)
    chunk = records_chunk(PLAYS, [record(PLAYS, 41), record(PLAYS, 45)], 1)
    consumer.track_message(chunk)

    first, second = consumer.ack(chunk), consumer.ack(chunk)

    assert (first, second, consumer._acked[PLAYS], consumer._acked_index[PLAYS]) == (True, False, [45], {45}), (
        "_new_offset() finds acknowledged chunks by the offset of their message"
    )
    assert chunk not in consumer.unacked, "a rebalance would wait for it forever"


async def test_a_revocation_forgets_acknowledgements_before_they_are_committed_issue_502(app: ChunkApp) -> None:
    seen: list[list[int]] = []

    async def note(*_: object) -> None:
        seen.append(list(revoked._acked.get(PLAYS, [])))

    revoked = Consumer(
        app.transport, callback=note, on_partitions_revoked=note, on_partitions_assigned=note, loop=app.loop
    )
    revoked._acked[PLAYS] = [5]

    await revoked.on_partitions_revoked({PLAYS})
    close(revoked)

    assert seen == [[]], "502 is fixed: ChunkConsumer.on_partitions_revoked need not commit first"


async def test_resuming_the_flow_clears_the_queues_issue_596(app: ChunkApp) -> None:
    queue = app.FlowControlQueue(maxsize=0, clear_on_resume=True)
    app.flow_control.resume()
    await queue.put("a chunk fetched between seek and resume")

    app.flow_control.resume()

    assert queue.empty(), "596 is fixed: plays need not be kept out of fetches during a rebalance"


async def test_a_stream_without_acks_acknowledges_only_on_request(app: ChunkApp) -> None:
    channel = app.channel()
    stream = channel.stream().noack()
    acknowledged: list[int] = []

    def note(offset: int, _: object) -> bool:
        acknowledged.append(offset)
        return True

    app.flow_control.resume()
    for offset in (1, 2):
        chunk = records_chunk(PLAYS, [record(PLAYS, offset)], app.consumer_generation_id)
        chunk.incref()
        chunk.on_final_ack = functools.partial(note, offset)
        await channel.put(app.create_event(None, chunk.records, {}, chunk))

    events = []
    async for event in stream.events():
        events.append(event)
        if len(events) == 2:
            break
    before = list(acknowledged)
    await stream.ack(events[0])

    assert before == [], "a chunk would count as done before its transaction"
    assert acknowledged == [1], "a chunk would never be committed, and the next rebalance would wait for it forever"
    assert [event.value for event in events] == [[record(PLAYS, 1)], [record(PLAYS, 2)]]


# -- rebalances


def test_a_rebalance_is_flagged_before_its_first_await() -> None:
    source = inspect.getsource(ConsumerRebalanceListener.on_partitions_revoked)

    assert not inspect.iscoroutinefunction(ConsumerRebalanceListener.on_partitions_revoked)
    assert source.index("on_rebalance_start") < source.index("return"), (
        "_getmany() reads app.rebalancing to see whether plays may be fetched; it must be true from the start"
    )


async def test_the_rebalancing_flag_is_set_from_its_start_to_its_end(app: ChunkApp) -> None:
    flags = [app.rebalancing]
    app.on_rebalance_start()
    flags.append(app.rebalancing)
    app.on_rebalance_end()
    flags.append(app.rebalancing)

    assert flags == [False, True, False], "_getmany() would fetch plays during a rebalance, or never"
    assert (app.in_recovery, app.consumer_generation_id) == (False, 0), (
        "position chunks and the start at the marks depend on them"
    )


# -- recovery and standbys


def test_faust_sleeps_before_it_joins_its_group_and_while_nothing_may_be_fetched() -> None:
    sources = inspect.getsource(TableManager.on_start), inspect.getsource(BaseConsumer._wait_next_records)

    assert "self.sleep(1.0)" in sources[0], "the second before the first rebalance is gone: EagerTables may go"
    assert "self.sleep(1)" in sources[1], "so is the one in each rebalance: ChunkConsumer._wait_next_records may go"


async def test_ours_looks_again_at_once_for_something_to_fetch(consumer: ChunkConsumer) -> None:
    async with asyncio.timeout(0.5):
        fetched = await consumer._wait_next_records(timeout=1.0)

    assert fetched == ({}, set())


async def test_a_fetch_delays_other_requests_only_briefly(app: ChunkApp, consumer: ChunkConsumer) -> None:
    stock = AIOKafkaConsumerThread._create_worker_consumer(consumer._thread, app.transport)
    ours = consumer._thread._create_worker_consumer(app.transport)
    await stock.stop()
    await ours.stop()

    assert (stock._fetch_max_wait_ms, ours._fetch_max_wait_ms) == (1500, 100), (
        "recovery makes five requests for the ends of changelogs, each behind a fetch on the same connection"
    )


async def test_a_partition_taken_over_by_its_standby_is_not_newly_assigned(app: ChunkApp) -> None:
    app._update_assignment({CHANGELOG})

    revoked, newly_assigned = app._update_assignment({CHANGELOG, PLAYS})
    back = app._update_assignment({CHANGELOG})

    assert (revoked, newly_assigned) == (set(), {PLAYS}), "its store would be closed, or opened twice"
    assert back == ({PLAYS}, set()), "the store of a partition that leaves a standby behind would be closed"


async def test_what_a_standby_has_read_is_applied_before_partitions_are_reassigned(app: ChunkApp) -> None:
    applied: list[object] = []
    table, recovery = app.tables["listeners"], app.tables.recovery
    table.apply_changelog_batch = applied.extend
    recovery.buffers[table].append("a chunk")

    recovery.on_partitions_revoked({CHANGELOG})

    assert applied == ["a chunk"], "it would be applied later, over newer states"


async def test_the_store_of_a_partition_that_has_just_moved_may_be_ahead_of_what_can_be_read(app: ChunkApp) -> None:
    class EndsAtTen:
        async def highwaters(self, *tps: TP) -> dict[TP, int]:
            return dict.fromkeys(tps, 10)

    other, recovery = TP(CHANGELOG.topic, 1), app.tables.recovery
    recovery.standby_offsets.update({CHANGELOG: 12, other: 3})

    for title in ("active", "standby"):
        await recovery._build_highwaters(
            EndsAtTen(), {CHANGELOG, other}, getattr(recovery, f"{title}_highwaters"), title
        )

    source = inspect.getsource(Recovery._restart_recovery.fun)
    assert "standby_offsets[tp] > standby_highwaters[tp]" in source, "standbys ahead are no longer refused"
    assert recovery.standby_highwaters == {CHANGELOG: 12, other: 9}, "the worker would refuse to start every time"
    assert recovery.active_highwaters == {CHANGELOG: 9, other: 9}, "a lost changelog would go unnoticed"


# -- the store


def test_the_offset_of_a_store_has_a_key_that_no_listener_can_have() -> None:
    assert Store.offset_key == b"__faust\0offset__", "existing stores would be read from the beginning, or wrongly"
    assert Store.offset_key[:1] not in (KIND_LISTENER, KIND_MARK)


async def test_faust_finds_the_offset_that_we_wrote_with_the_states(app: ChunkApp) -> None:
    app.conf.tabledir.mkdir(parents=True)
    store: ChunkStore = app.tables["listeners"].data

    before = store.persisted_offset(CHANGELOG)
    store.write_batch(0, [(b"\x01u1", b"state")], changelog_offset=12)

    assert (before, store.persisted_offset(CHANGELOG)) == (None, 12), "recovery would start at the wrong record"
    assert isinstance(store._dbs[0], rocksdict.Rdict), "apply_changelog_batch() reads _dbs to see what is open"
    await store.stop()


# -- aiokafka


async def test_the_thread_creates_a_consumer_that_reads_committed_records(
    app: ChunkApp, consumer: ChunkConsumer
) -> None:
    thread = consumer._thread
    stock = AIOKafkaConsumerThread._create_worker_consumer(thread, app.transport)
    ours = thread._create_worker_consumer(app.transport)
    await stock.stop()
    await ours.stop()

    assert stock._isolation_level == "read_uncommitted", "Faust reads committed records by itself: drop our thread"
    assert ours._isolation_level == "read_committed", "recovery would apply aborted batches"


def test_a_producer_can_send_whole_batches() -> None:
    assert list(inspect.signature(AIOKafkaProducer.send_batch).parameters) == ["self", "batch", "topic", "partition"]
    assert inspect.signature(AIOKafkaConsumer).parameters["isolation_level"].default == "read_uncommitted"
