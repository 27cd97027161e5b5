"""Batching: chunks of several partitions wait for each other, as long as the pace allows, and become one batch."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from streamer.kafka.chunk import Chunk
from streamer.worker.pace import Pace

#: A batch that is late still waits for this long, seconds: chunks of one fetch arrive one after the other.
_SAME_FETCH_S = 0.001


async def gather_chunks(
    chunks: AsyncIterator[Chunk], *, max_plays: int, pace: Pace
) -> AsyncGenerator[list[Chunk], None]:
    """Yield batches of chunks, in order, each only on request: the time to the next request is what a batch takes.

    Args:
        chunks: as fetched; those of a partition in order.
        max_plays: the most records in a batch, unless a single chunk has more.
        pace: says how long the first chunk of a batch waits for others.
    """
    loop = asyncio.get_running_loop()
    upcoming = asyncio.ensure_future(anext(chunks, None))
    try:
        while (first := await upcoming) is not None:
            batch, num_plays = [first], len(first.records)
            upcoming = asyncio.ensure_future(anext(chunks, None))
            soonest_s = loop.time() + _SAME_FETCH_S
            while num_plays < max_plays:
                due_s = max(soonest_s, pace.due_s(first.arrived_s, num_plays))
                await asyncio.wait({upcoming}, timeout=max(0.0, due_s - loop.time()))
                chunk = upcoming.result() if upcoming.done() else None
                if chunk is None or num_plays + len(chunk.records) > max_plays:
                    break
                batch.append(chunk)
                num_plays += len(chunk.records)
                upcoming = asyncio.ensure_future(anext(chunks, None))
            began_s = loop.time()
            pace.begin(num_plays, began_s)
            yield batch
            pace.note(num_plays, loop.time() - began_s)
    finally:
        upcoming.cancel()


class Drain:
    """A gate for batches, which closes between two of them, so that none is left half done."""

    def __init__(self) -> None:
        self._is_closed = False
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    async def guard(self, batches: AsyncIterator[list[Chunk]]) -> AsyncIterator[list[Chunk]]:
        """Yield batches until the gate is closed; then wait forever: the consumer must be stopped from outside."""
        async for batch in batches:
            if self._is_closed:
                await asyncio.Event().wait()
            self._is_idle.clear()
            yield batch
            self._is_idle.set()

    async def close(self) -> None:
        """Let no further batch start; return when the current one is done."""
        self._is_closed = True
        await self._is_idle.wait()
