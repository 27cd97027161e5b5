"""The processes of a demo: Kafka, workers and trainer, watched while they run and stopped at the end."""

import asyncio
import contextlib
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.errors import KafkaUnavailableError
from streamer.local.cluster import Cluster, connecting_to
from streamer.local.devkafka import DevKafka

_CHECK_PERIOD_S: Final = 0.5

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
    """

    cluster: Cluster
    kafka_failures: list[KafkaUnavailableError]

    def check(self) -> None:
        """Check that all processes run.

        Raises:
            RefrainError: a process ended by itself; the message names it.
        """
        for failure in self.kafka_failures:
            raise failure
        self.cluster.check()

    def kill_workers(self) -> None:
        """Kill the workers: without Kafka, or after a second Ctrl-C, they cannot stop cleanly."""
        for number in range(self.cluster.num_workers):
            self.cluster.kill_worker(number)

    async def watch(self) -> None:
        """Check forever.

        Raises:
            RefrainError: a process ended by itself; the message names it.
        """
        while True:
            self.check()
            await asyncio.sleep(_CHECK_PERIOD_S)


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
