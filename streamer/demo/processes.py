"""The processes of a demo: Kafka, workers and trainer, watched while they run and stopped at the end.

Rules of this file:
- A worker or trainer that ends by itself is started again, as an orchestrator would.
- One that keeps ending before it is ready ends the demo, and so does one that no restart mends, and the only Kafka.
"""

import asyncio
import contextlib
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from streamer.errors import KafkaUnavailableError
from streamer.local.child import describe_end
from streamer.local.cluster import Cluster, ClusterError, connecting_to
from streamer.local.devkafka import DevKafka
from streamer.runtime.statuses import UNCHANGED_BY_RESTART

_CHECK_PERIOD_S: Final = 0.5
_HEAR_LIMIT_S: Final = 5.0  # until the end of a process is heard of, on a busy machine
MAX_ENDS: Final = 3  # of a process that was not ready in between

#: Answers are large and old ones are not needed: small segments let Kafka compact a demo that runs for hours.
_BROKER_CONFIG: Final = {
    "log.segment.bytes": 64 << 20,
    "log.cleaner.min.compaction.lag.ms": 300_000,  # not before the demo's own reader has read them
}


@dataclass(frozen=True, slots=True)
class Processes:
    """Kafka, and the workers and trainer that use it.

    Attributes:
        cluster: workers and trainer.
        kafka_failures: the reason why Kafka ended, once it has.
        restarts: how often each worker or trainer was started again, by name.
        unready: how often in a row those have ended that have not been ready since.
    """

    cluster: Cluster
    kafka_failures: list[KafkaUnavailableError]
    restarts: Counter[str] = field(default_factory=Counter)
    unready: Counter[str] = field(default_factory=Counter)

    def check_kafka(self) -> None:
        """Check that Kafka runs.

        Raises:
            KafkaUnavailableError: it ended; the message says how.
        """
        for failure in self.kafka_failures:
            raise failure

    async def blame_kafka(self) -> None:
        """Check that Kafka runs after a request to it failed: the request may hear of its end first.

        Raises:
            KafkaUnavailableError: it ended; the message says how.
        """
        ends_s = time.monotonic() + _HEAR_LIMIT_S
        while time.monotonic() < ends_s:
            self.check_kafka()
            await asyncio.sleep(_CHECK_PERIOD_S)

    def kill_workers(self) -> None:
        """Kill the workers: without Kafka, or after a second Ctrl-C, they cannot stop cleanly."""
        for number in range(self.cluster.num_workers):
            self.cluster.kill_worker(number)

    async def watch(self, tell: Callable[[str, str], None]) -> None:
        """Start again forever what ends by itself.

        Args:
            tell: called with the name of each process that is started again, and how it ended.

        Raises:
            KafkaUnavailableError: Kafka ended.
            ClusterError: a process keeps ending, or no restart mends it; the message names it, its end and its log.
        """
        while True:
            self.check_kafka()
            for name, status in self.cluster.ended().items():
                self._start_again(name, status)
                tell(name, describe_end(status))
            for name in tuple(self.unready):
                if await asyncio.to_thread(self.cluster.is_ready, name):
                    del self.unready[name]
            await asyncio.sleep(_CHECK_PERIOD_S)

    def _start_again(self, name: str, status: int) -> None:
        self.unready[name] += 1
        hopeless = None
        if status in UNCHANGED_BY_RESTART:
            hopeless = "which a restart does not change"
        elif self.unready[name] == MAX_ENDS:
            hopeless = f"{MAX_ENDS} times in a row without becoming ready in between"
        if hopeless is not None:
            raise ClusterError(f"{name} {describe_end(status)}, {hopeless}. {self.cluster.last_words(name)}")
        self.restarts[name] += 1
        self.cluster.start_again(name)


@contextlib.asynccontextmanager
async def started(environment: Mapping[str, str], num_workers: int) -> AsyncIterator[Processes]:
    """Start Kafka, and at the end stop it and everything else that was started meanwhile.

    Args:
        environment: of workers and trainer, which the caller starts.
        num_workers: maximum number of workers.

    Raises:
        KafkaUnavailableError: Kafka does not start.
    """
    resources = contextlib.ExitStack()
    starting = asyncio.create_task(asyncio.to_thread(_start, resources, environment, num_workers))
    try:
        processes = await asyncio.shield(starting)
        try:
            yield processes
        except BaseException:
            await asyncio.to_thread(processes.kill_workers)
            raise
    finally:
        await asyncio.wait({starting})  # if cancelled meanwhile, what it starts must be stopped too
        await asyncio.to_thread(resources.__exit__, *sys.exc_info())


def _start(resources: contextlib.ExitStack, environment: Mapping[str, str], num_workers: int) -> Processes:
    directory = resources.enter_context(tempfile.TemporaryDirectory(prefix="refrain-demo-"))
    kafka = resources.enter_context(DevKafka(Path(directory), broker_config=_BROKER_CONFIG))
    failures: list[KafkaUnavailableError] = []
    threading.Thread(target=_note_end, args=(kafka, failures), name="kafka", daemon=True).start()
    plain = connecting_to(kafka, environment)
    return Processes(resources.enter_context(Cluster(plain, num_workers=num_workers)), failures)


def _note_end(kafka: DevKafka, failures: list[KafkaUnavailableError]) -> None:
    """Wait in a separate thread for the broker to end, which then needs no polling."""
    with contextlib.suppress(OSError):  # the broker was stopped and its log deleted
        try:
            kafka.wait()
        except KafkaUnavailableError as exc:
            failures.append(exc)
