"""A Kafka whose topics have the names of the examples, with a worker that has a release."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer

from streamer.kafka.connection import connection_of
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.releases.alias import move_alias
from streamer.settings import Settings
from streamer.variables import variable
from streamer.wire.messages import ReleaseNotice
from tests.builders import save_tiny_release
from tests.commands import Command
from tests.k8s.conftest import program

__all__ = ["program"]

NUM_PARTITIONS: Final = 12  # not a power of two: there, partitioners that differ in a sign agree
ROLLED_BACK: Final = b"rolled-back"


@dataclass(frozen=True, slots=True)
class Service:
    """What a client sees of Refrain, and the worker behind it."""

    kafka: str
    worker: Command


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a worker that rejects plays on wrong partitions; in front of its answers are some that were rolled back."""
    directory = tmp_path_factory.mktemp("service")
    with DevKafka(directory / "kafka") as broker:
        environment = {
            variable("kafka_bootstrap_servers"): broker.bootstrap_servers,
            variable("partitions"): str(NUM_PARTITIONS),
            variable("partitioner"): "murmur2",
            variable("replication"): "1",
            variable("device"): "cpu",
            variable("state_dir"): str(directory / "state"),
            variable("releases_url"): str(directory / "releases"),
            variable("web_host"): "127.0.0.1",
            variable("web_port"): "0",
        }
        asyncio.run(_prepare(Settings.from_environment(environment), directory / "releases"))
        worker = Command(environment, "worker")
        try:
            yield Service(broker.bootstrap_servers, worker)
        finally:
            worker.kill()


async def _prepare(settings: Settings, releases: Path) -> None:
    await ensure_topics(settings)
    release = save_tiny_release(releases)
    await move_alias(connection_of(settings), settings.releases_topic, ReleaseNotice(*release))
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, transactional_id="rolls-back")
    async with producer:
        for _ in range(2):  # of one producer: a reader that looks for one roll-back of each may show the first
            await producer.begin_transaction()
            for partition in range(NUM_PARTITIONS):
                await producer.send(settings.short_term_topic, b"{}", ROLLED_BACK, partition=partition)
            await producer.flush()
            await producer.abort_transaction()
