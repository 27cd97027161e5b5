import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from streamer.kafka.chunk import Chunk
from streamer.worker.batching import Drain, gather_chunks
from streamer.worker.pace import Pace
from tests.builders import play

LONG_S = 60.0  # a wait that no test sees the end of


class Queue:
    """Chunks in the order of their arrival; None ends them."""

    def __init__(self, *sizes: int) -> None:
        self._queue: asyncio.Queue[Chunk | None] = asyncio.Queue()
        self.acknowledged: list[int] = []
        for size in sizes:
            self.put(size)

    def put(self, size: int, partition: int = 0) -> None:
        async def acknowledge() -> None:
            self.acknowledged.append(size)

        self._queue.put_nowait(
            Chunk(partition, [play(number, "u", "t1") for number in range(size)], time.monotonic(), acknowledge)
        )

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def chunks(self) -> AsyncIterator[Chunk]:
        while (chunk := await self._queue.get()) is not None:
            yield chunk


def sizes(batch: list[Chunk]) -> list[int]:
    return [len(chunk.records) for chunk in batch]


async def all_sizes(queue: Queue, *, max_plays: int, pace: Pace) -> list[list[int]]:
    batches = gather_chunks(queue.chunks(), max_plays=max_plays, pace=pace)
    return [sizes(batch) async for batch in batches]


@pytest.mark.parametrize(
    ("chunks", "batches"),
    [
        ([3, 3, 4], [[3, 3, 4]]),
        ([3, 3, 5], [[3, 3], [5]]),
        ([10, 1], [[10], [1]]),
        ([11, 1], [[11], [1]]),
        ([1, 11, 1], [[1], [11], [1]]),
        ([9, 2, 8], [[9], [2, 8]]),
        ([], []),
    ],
)
async def test_chunks_are_gathered_in_order_up_to_the_largest_batch(
    chunks: list[int], batches: list[list[int]]
) -> None:
    queue = Queue(*chunks)
    queue.end()

    assert await all_sizes(queue, max_plays=10, pace=Pace(LONG_S)) == batches


async def test_a_full_batch_does_not_wait() -> None:
    batches = gather_chunks(Queue(6, 4).chunks(), max_plays=10, pace=Pace(LONG_S))

    async with asyncio.timeout(5):
        assert sizes(await anext(batches)) == [6, 4]
    await batches.aclose()


async def test_a_lone_chunk_waits_no_longer_than_the_limit() -> None:
    queue = Queue(3)
    batches = gather_chunks(queue.chunks(), max_plays=10, pace=Pace(0.01))

    async with asyncio.timeout(5):
        assert sizes(await anext(batches)) == [3]
    await batches.aclose()


async def test_chunks_that_arrive_during_a_batch_form_the_next_one() -> None:
    queue = Queue(3)
    batches = gather_chunks(queue.chunks(), max_plays=10, pace=Pace(0.0))

    first = await anext(batches)
    queue.put(1)
    queue.put(2)
    queue.end()

    assert sizes(first) == [3]
    rest = [size async for batch in batches for size in sizes(batch)]
    assert rest == [1, 2]


async def test_without_a_wait_a_chunk_that_has_arrived_is_still_gathered() -> None:
    queue = Queue(3, 4)
    queue.end()

    batches = await all_sizes(queue, max_plays=10, pace=Pace(0.0))

    assert [size for batch in batches for size in batch] == [3, 4]


async def test_a_failing_fetch_fails_the_batch() -> None:
    async def failing() -> AsyncIterator[Chunk]:
        queue = Queue(1)
        yield await anext(queue.chunks())
        raise ConnectionError("broker gone")

    with pytest.raises(ConnectionError, match="broker gone"):
        _ = [batch async for batch in gather_chunks(failing(), max_plays=10, pace=Pace(LONG_S))]


async def test_a_consumer_that_stops_leaves_no_task_behind() -> None:
    batches = gather_chunks(Queue(3).chunks(), max_plays=10, pace=Pace(0.0))
    await anext(batches)

    await batches.aclose()
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_open_gate_lets_everything_through() -> None:
    queue, drain = Queue(3, 4), Drain()
    queue.end()

    batches = [sizes(b) async for b in drain.guard(gather_chunks(queue.chunks(), max_plays=3, pace=Pace(0.0)))]

    assert batches == [[3], [4]]


async def test_closing_waits_for_the_current_batch_and_lets_no_other_start() -> None:
    queue, drain, batches, has_started, may_end = (
        Queue(3, 4),
        Drain(),
        list[list[int]](),
        asyncio.Event(),
        asyncio.Event(),
    )

    async def work() -> None:
        async for batch in drain.guard(gather_chunks(queue.chunks(), max_plays=3, pace=Pace(0.0))):
            batches.append(sizes(batch))
            has_started.set()
            await may_end.wait()

    working = asyncio.create_task(work())
    await has_started.wait()
    closing = asyncio.create_task(drain.close())
    assert not (await asyncio.wait({closing}, timeout=0.01))[0]

    may_end.set()
    await asyncio.wait_for(closing, 5)

    assert not (await asyncio.wait({working}, timeout=0.01))[0]
    assert batches == [[3]]
    working.cancel()


async def test_an_idle_gate_closes_at_once() -> None:
    await asyncio.wait_for(Drain().close(), 5)
