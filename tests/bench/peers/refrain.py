"""The whole job by a worker of Refrain: `python -m tests.bench.peers.refrain BROKERS DIRECTORY RELEASE`.

A worker with default settings that answers each play, as the others do; exactly once.
"""

import asyncio
import sys
from pathlib import Path

from streamer.kafka.topics import ensure_topics
from streamer.settings import Settings
from streamer.worker.app import create_worker
from streamer.worker.engine import Engine
from streamer.worker.run import spare_collector
from tests.bench.apart import mark
from tests.bench.stage import settings_of

_LOOK_S = 0.02


async def serve(settings: Settings, engine: Engine | None = None) -> None:
    """Answer plays until killed, and mark how many are done."""
    worker = create_worker(settings, await ensure_topics(settings), engine)
    await worker.answering.releases.start()
    await worker.answering.withdrawals.start()
    await worker.app.start()
    spare_collector()
    marked, done = 0, worker.answering.metrics.plays._value.get
    while True:
        await asyncio.sleep(_LOOK_S)
        if done() > marked:
            mark(marked := int(done()))


if __name__ == "__main__":
    asyncio.run(serve(settings_of(sys.argv[1], Path(sys.argv[2]), "refrain", answer="each")))
