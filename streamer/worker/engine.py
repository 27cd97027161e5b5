"""The engine: the device and the one thread that computes on it, so that heartbeats never wait for a step."""

import asyncio
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from models.plays.catalogue import track_keys
from models.release import Release
from models.serving.step import StepOutput, step
from models.serving.step_input import StepInput
from models.wording import plural
from streamer.errors import StepError
from streamer.runtime.crash import crash
from streamer.worker.batch import Batch
from streamer.worker.narrowing import NOTHING, Narrowing
from streamer.worker.trial import first_plays, require_numbers


class Engine:
    """Computes steps, one at a time.

    A failed step raises StepError. A step that does not end, or a dead thread, ends the process.

    Args:
        sizes: length of the lists, short-term and long-term.
        heard_masked: how many of the latest plays are left out of the lists, by horizon.
        max_step_s: a longer step ends the process: its device is gone, or its transaction soon will be.
        num_threads: CPU threads per step.

    Attributes:
        cpu_s: of the compute thread, since the start; what torch's other threads spend is not in it.
    """

    def __init__(
        self, *, sizes: tuple[int, int], heard_masked: tuple[int, int], max_step_s: float, num_threads: int
    ) -> None:
        self._sizes = sizes
        self._heard_masked = heard_masked
        self._max_step_s = max_step_s
        self._thread = ThreadPoolExecutor(1, "compute", initializer=torch.set_num_threads, initargs=(num_threads,))
        self._narrowing = Narrowing()
        self.cpu_s = 0.0
        self._known_good: tuple[int, NDArray[np.uint64]] | None = None  # key of a release, and tracks it can compute

    async def step(
        self, release: Release, batch: Batch, answered: NDArray[np.int64], withdrawn: NDArray[np.uint64] = NOTHING
    ) -> StepOutput:
        """Advance every life of a batch and rank after the plays `answered`.

        Args:
            release: its network computes.
            batch: R lives.
            answered: int64 (A,), ascending indices of the batch's new plays.
            withdrawn: uint64 (W,), distinct keys of tracks that no list holds; another array once they change.

        Raises:
            StepError: the step raised, ran out of memory, or produced a state or a score that is not finite.
        """
        return await self._run(
            release,
            StepInput(
                hidden=batch.hidden,
                histories=batch.histories,
                fold_from=batch.fold_from,
                counts=batch.base.count_maps,
                count_from=batch.count_from,
                anchors=batch.new[answered],
            ),
            withdrawn,
        )

    async def check(self, release: Release, withdrawn: NDArray[np.uint64] = NOTHING) -> None:
        """End the process unless the device computes a known good play, without the tracks that the others go without.

        It is the first play of a new listener. A few tracks of the catalogue are tried, because any one of them may be
        the fault; the first that succeeds is the known good one from then on, so that a device that fails
        intermittently is not tried until it succeeds.
        """
        if self._known_good is None or self._known_good[0] != release.key:
            tracks = release.catalogue.track_ids
            self._known_good = release.key, track_keys(tracks[:: 1 + len(tracks) // 3])
        failure: StepError | None = None
        for number, key in enumerate(keys := self._known_good[1]):
            try:
                await self._run(release, first_plays(release, key), withdrawn)
            except StepError as exc:
                failure = exc
            else:
                self._known_good = release.key, keys[number : number + 1]
                return
        crash("not even a known good play can be computed; check the device, then the release", failure)

    async def _run(self, release: Release, step_input: StepInput, withdrawn: NDArray[np.uint64]) -> StepOutput:
        asked = release, step_input, withdrawn
        try:
            computing = asyncio.get_running_loop().run_in_executor(self._thread, self._attempt, *asked)
            return await asyncio.wait_for(computing, self._max_step_s)
        except TimeoutError as exc:
            num = step_input.histories.num_listeners
            crash(f"a step of {plural(num, 'listener')} took longer than {self._max_step_s} s; check the device", exc)
        except (RuntimeError, SystemExit) as exc:  # from the pool: errors of a step are StepErrors
            crash("the compute thread is dead; a restart creates a new one", exc)

    def _attempt(self, release: Release, step_input: StepInput, withdrawn: NDArray[np.uint64] = NOTHING) -> StepOutput:
        begun_s = time.thread_time()
        try:
            output = self._compute(self._narrowing.without(release, withdrawn), step_input)
            require_numbers(output)
        except Exception as exc:
            traceback.clear_frames(exc.__traceback__)  # they hold tensors, and a step out of memory will be retried
            raise StepError(f"release {release.release_id} failed with {type(exc).__name__}") from exc
        finally:
            self.cpu_s += time.thread_time() - begun_s
        return output

    def _compute(self, release: Release, step_input: StepInput) -> StepOutput:
        return step(release.recommender, step_input, sizes=self._sizes, heard_masked=self._heard_masked)

    def close(self) -> None:
        """Release the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
