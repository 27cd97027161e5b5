"""The engine: the device, and the one thread that computes on it, so that heartbeats never wait for a step."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from models.release import Release
from models.step import StepInput, StepOutput, step
from streamer.batch import Batch
from streamer.crash import crash


def pick_device(name: str) -> torch.device:
    """Return the device of a REFRAIN_DEVICE setting; `auto` takes the GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


class Engine:
    """Computes steps, one at a time.

    Args:
        sizes: length of the lists, short-term and long-term.
        heard_masked: how many of the latest plays are left out of the lists, by horizon.
        max_step_s: a step that takes longer ends the process: its device is gone, or the transaction would be.
        num_threads: threads of one step on a CPU.
    """

    def __init__(
        self, *, sizes: tuple[int, int], heard_masked: tuple[int, int], max_step_s: float, num_threads: int
    ) -> None:
        self._sizes = sizes
        self._heard_masked = heard_masked
        self._max_step_s = max_step_s
        self._thread = ThreadPoolExecutor(1, "compute", initializer=torch.set_num_threads, initargs=(num_threads,))

    async def step(self, release: Release, batch: Batch, answered: NDArray[np.int64]) -> StepOutput:
        """Advance every life of a batch and rank after the plays `answered`.

        Args:
            release: whose network computes.
            batch: R lives.
            answered: int64 (A,), rising indices of the batch's new plays.
        """
        step_input = StepInput(batch.hidden, batch.histories, batch.fold_from, batch.new[answered])
        computing = asyncio.get_running_loop().run_in_executor(self._thread, self._compute, release, step_input)
        try:
            return await asyncio.wait_for(computing, self._max_step_s)
        except TimeoutError as exc:
            crash(f"a step of {len(batch)} listeners took longer than {self._max_step_s} s; check the device", exc)

    def _compute(self, release: Release, step_input: StepInput) -> StepOutput:
        output = step(
            release.network, release.catalogue, step_input, sizes=self._sizes, heard_masked=self._heard_masked
        )
        if not np.isfinite(output.hidden).all():
            raise FloatingPointError(f"release {release.release_id} computed a state that is not finite")
        return output

    def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(wait=False, cancel_futures=True)
