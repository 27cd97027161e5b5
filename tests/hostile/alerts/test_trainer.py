"""A trainer whose disk is full, which comes too late, or which cannot remove what it must."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.local.devkafka import DevKafka
from tests.faults import disks
from tests.faults.disks import SmallDisk
from tests.hostile.alerts.conftest import StartDrill
from tests.hostile.alerts.kafka_tools import run_tool
from tests.hostile.alerts.system import play_of, playing, start
from tests.hostile.commands import Commands, deployed
from tests.onkafka import create_topic, produce
from tests.until import until, until_awaited

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.drill, pytest.mark.timeout(900)]

#: A trainer retries after 30 s, 60 s and so on; here, as much faster as time passes for Prometheus.
_HURRIED: Final = """
import functools, streamer.training.process as process
process.TrainerConfig = functools.partial(process.TrainerConfig, retry_s=30 / 120, erase_period_s=30 / 120)
"""

#: A day becomes 17 s.
_MUCH_FASTER: Final = 5000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Put the archive on a small disk; request it before the deployment."""
    yield from disks.small_disk(tmp_path / "archive")


@pytest.fixture(scope="module")
def expiring_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevKafka]:
    """Run another broker, which looks every second for what has expired."""
    config = {"log.retention.check.interval.ms": 1000, "log.initial.task.delay.ms": 0}
    with DevKafka(tmp_path_factory.mktemp("kafka"), broker_config=config) as broker:
        yield broker


@pytest.fixture
def expiring(expiring_kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> Iterator[Commands]:
    """A deployment on that broker."""
    with deployed(expiring_kafka.bootstrap_servers, topic_prefix, tmp_path) as commands:
        yield commands


async def test_a_full_disk_is_reported_until_it_is_enlarged(
    small_disk: SmallDisk, commands: Commands, ports: dict[str, int], drill: StartDrill
) -> None:
    kafka, topic = commands.environment["KAFKA_BOOTSTRAP_SERVERS"], commands.environment["PLAYS_TOPIC"]
    await create_topic(kafka, topic, 2, {"retention.ms": "60000"})
    trainer = start(commands, "trainer", ports, sabotage=_HURRIED)
    await trainer.ready()
    how = "the disk of the archive is full"
    fills, fails = drill("RefrainDiskFills", how), drill("RefrainTrainerFails", how)
    expiring = drill("RefrainPlaysExpireUnarchived", f"{how}, and Kafka keeps plays for 60 s")

    await asyncio.to_thread(small_disk.fill)
    async with playing(commands, lambda number: play_of(f"t{number}")):
        await asyncio.gather(fills.fires(), fails.fires(), expiring.fires())
        assert "the disk is full: free some space" in trainer.log
        expiring.follow("Gain time with a longer `retention.ms`")
        await expiring.run(commands, "kafka-configs.sh")
        fails.follow("What the line says")
        fills.follow("Enlarge the volume")
        expiring.follow("Then mend the trainer: a full disk")
        await asyncio.to_thread(small_disk.remount, "size=600m")
        fails.follow("Then restart the trainer")
        await trainer.stopped()
        trainer = start(commands, "trainer", ports, sabotage=_HURRIED)
        await asyncio.gather(fills.ends(), expiring.ends(), fails.ends())
    assert trainer.status is None


@pytest.mark.parametrize("prometheus", [_MUCH_FASTER], indirect=True)
async def test_what_the_trainer_missed_or_cannot_remove_is_reported_until_it_can(
    expiring: Commands, ports: dict[str, int], drill: StartDrill
) -> None:
    kafka, topic = expiring.environment["KAFKA_BOOTSTRAP_SERVERS"], expiring.environment["PLAYS_TOPIC"]
    letters = expiring.environment["DEAD_LETTER_TOPIC"]
    worker, trainer = start(expiring, "worker", ports), start(expiring, "trainer", ports, sabotage=_HURRIED)
    await asyncio.gather(worker.ready(), trainer.ready())
    await until(lambda: worker.metric("refrain_partitions_owned") == "2.0", "it owns the partitions")
    waits = drill("RefrainErasuresWait", "the max.message.bytes of the topic of dead letters is too small")

    trainer.signal(signal.SIGSTOP)  # so that no pass comes in between
    await produce(kafka, topic, b"no play", key=b"gone")
    forgetting = expiring.start("forget", "gone", "--yes")
    assert await forgetting.ended() == 0, forgetting.log
    await configure(kafka, letters, "max.message.bytes=10")
    trainer.signal(signal.SIGCONT)
    await waits.fires()
    waits.follow("Mend what the log says")
    await configure(kafka, letters, "max.message.bytes=1048588")
    await waits.run(expiring, "refrain dead-letters erase-forgotten")
    await waits.ends()

    lost = drill("RefrainPlaysLost", "plays expired while the trainer was away")
    await trainer.stopped()
    await configure(kafka, topic, "retention.ms=1000")
    await produce(kafka, topic, *(play_of("t") for _ in range(5)))
    await until_awaited(lambda: begins_at(kafka, topic, 6), "the plays have expired")  # behind the bad one
    trainer = start(expiring, "trainer", ports)
    await lost.fires()
    assert "records lost to retention" in trainer.log
    await lost.run(expiring, "kafka-configs.sh")
    lost.follow("start the trainer again")
    await trainer.stopped()
    trainer = start(expiring, "trainer", ports)
    await lost.ends()


async def configure(kafka: str, topic: str, setting: str) -> None:
    arguments = ["--bootstrap-server", kafka, "--alter", "--topic", topic, "--add-config", setting]
    await asyncio.to_thread(run_tool, ["kafka-configs.sh", *arguments])


async def begins_at(kafka: str, topic: str, offset: int) -> bool:
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
        begins = await consumer.beginning_offsets([partition])
    return int(begins[partition]) >= offset
