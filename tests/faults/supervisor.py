"""Restarts workers that end by themselves, as Kubernetes and systemd do."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

from streamer.runtime.statuses import Status
from tests.faults.harness import Deployment
from tests.faults.process import Fault, WorkerProcess
from tests.until import until

#: Between the end of a worker and its next start, seconds.
_BACK_OFF_S: Final = 1.0


class Supervisor:
    """Keeps workers running; created by `supervised`.

    Attributes:
        statuses: exit statuses of the workers that ended by themselves, in order.
        ended: those workers.
    """

    def __init__(self, deployment: Deployment, settings: dict[str, str]) -> None:
        self.statuses: list[int] = []
        self.ended: list[WorkerProcess] = []
        self._deployment = deployment
        self._settings = settings
        self._workers: dict[str, WorkerProcess] = {}

    @property
    def workers(self) -> list[WorkerProcess]:
        """The latest process of each worker."""
        return list(self._workers.values())

    def start(self, name: str) -> None:
        """Start a worker, for the first time or again."""
        self._workers[name] = self._deployment.start(name, **self._settings)

    async def stop(self, name: str) -> None:
        """Stop a worker cleanly and no longer restart it."""
        assert await self._workers.pop(name).stop() == 0

    def note_fault(self) -> None:
        """Record a fault of all workers now, so that their recovery is measured."""
        for worker in self.workers:
            worker.faults.append(Fault(time.time() * 1000, tuple(worker.partitions)))

    async def ready(self) -> None:
        """Wait until all workers answer plays."""
        await until(
            self._all_ready, f"workers are ready; ended with {self.statuses}; logs in {self._deployment.directory}"
        )

    def _all_ready(self) -> bool:
        return all(worker.is_running and worker.is_ready() for worker in self.workers)

    async def watch(self) -> None:
        """Restart each worker that ends, forever."""
        while True:
            for name, worker in list(self._workers.items()):
                if not worker.is_running:
                    self.ended.append(worker)
                    self.statuses.append(await worker.ended())
                    assert self.statuses[-1] not in (0, Status.REFUSED), worker.log[-4000:]
                    await asyncio.sleep(_BACK_OFF_S)
                    self.start(name)
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def supervised(deployment: Deployment, *names: str, **settings: str) -> AsyncIterator[Supervisor]:
    """Start workers, wait until they answer, and restart those that end; at the end all are ready and none is watched.

    Args:
        deployment: of the workers.
        names: of the workers.
        settings: REFRAIN_ variables that override the deployment's.
    """
    supervisor = Supervisor(deployment, settings)
    for name in names:
        supervisor.start(name)
    watching = asyncio.create_task(supervisor.watch())
    try:
        await supervisor.ready()
        yield supervisor
        await supervisor.ready()
    finally:
        print(f"ended by themselves: {supervisor.statuses}")  # noqa: T201  pytest shows it where the test fails
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
