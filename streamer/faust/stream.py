"""The chunks of a topic, as a stream whose consumer acknowledges each once it is done."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable

from faust import StreamT

from streamer.faust.app import ChunkApp
from streamer.faust.schema import ChunkSchema
from streamer.kafka.chunk import Chunk
from streamer.runtime.crash import crash


def consume(app: ChunkApp, topic: str, answer: Callable[[AsyncIterator[Chunk]], Awaitable[None]]) -> None:
    """Feed the chunks of a topic to `answer`, from recovery until the app stops.

    A failure ends the process: Faust would acknowledge what failed, and continue.
    """

    async def agent(stream: StreamT) -> None:
        try:
            await answer(chunks_of(stream))
        except Exception as exc:  # noqa: BLE001  whatever it was, the batch is not answered
            crash("a batch failed; if it fails again, the cause names the step", exc)

    app.agent(app.topic(topic, schema=ChunkSchema(key_type=bytes, value_type=bytes)))(agent)


async def chunks_of(stream: StreamT) -> AsyncIterator[Chunk]:
    """Yield the chunks of a stream, with Faust's own acknowledgement off: it also covers batches that failed."""
    unacknowledged = stream.noack()
    async for event in unacknowledged.events():
        yield Chunk(
            event.message.partition, event.value, event.message.arrived_s, functools.partial(unacknowledged.ack, event)
        )
