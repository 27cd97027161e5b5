"""The stream alone by a worker of Refrain whose network costs nothing: exactly once, whole records, both lists.

`python -m tests.bench.peers.refrain_stream BROKERS DIRECTORY RELEASE`
"""

import asyncio
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.plays.catalogue import FIRST_TRACK
from models.release import Release
from models.serving.step import Ranked, StepOutput
from streamer.worker.batch import Batch
from streamer.worker.engine import Engine
from streamer.worker.narrowing import NOTHING
from tests.bench.peers.refrain import serve
from tests.bench.stage import settings_of

SIZES = (20, 50)


class FlatEngine(Engine):
    """Ranks the same tracks for every listener; states stay as they are."""

    async def step(
        self, release: Release, batch: Batch, answered: NDArray[np.int64], withdrawn: NDArray[np.uint64] = NOTHING
    ) -> StepOutput:
        """Count the plays, which is part of a state's record, and compute nothing."""
        ranked = tuple(self._list(len(answered), size) for size in SIZES)
        return StepOutput(batch.hidden, batch.count_plays(), ranked)

    def _list(self, num_answers: int, size: int) -> Ranked:
        rows = np.tile(np.arange(FIRST_TRACK, FIRST_TRACK + size), (num_answers, 1))
        return Ranked(rows, np.tile(np.linspace(1, 0.1, size, dtype=np.float32), (num_answers, 1)))


if __name__ == "__main__":
    flat = FlatEngine(sizes=SIZES, heard_masked=(0, 0), max_step_s=20, num_threads=1)
    asyncio.run(serve(settings_of(sys.argv[1], Path(sys.argv[2]), "refrain-stream", answer="each"), flat))
