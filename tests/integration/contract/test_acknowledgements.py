"""How Faust acknowledges and commits, and where ours differs."""

from __future__ import annotations

import functools

import pytest
from faust.transport.drivers.aiokafka import Consumer

from streamer.faust.app import ChunkApp
from streamer.faust.schema import records_chunk
from streamer.faust.transport import ChunkConsumer
from tests.integration.contract.places import PLAYS, close, record


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
