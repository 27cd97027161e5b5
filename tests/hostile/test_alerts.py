"""Alerts on a running system, watched by a real Prometheus: they fire, and end when the runbook's steps are taken."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from streamer.kafka.clients import running
from streamer.local.devkafka import DevKafka
from streamer.releases.alias import CHAMPION
from streamer.runtime.statuses import Status
from streamer.wire.messages import ReleaseNotice
from tests.faults.proxy import Proxy
from tests.hostile.commands import Command, Commands
from tests.hostile.test_client_tasks import stranger
from tests.hostile.watching import Watching, watching
from tests.onkafka import create_topic, produce
from tests.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]

#: Half an hour becomes 15 s, and a day 12 minutes.
_TIMES_FASTER: Final = 120

PLAY: Final = b'{"user_id": "u", "track_id": "t", "played_at": 1700000000000}'

MISSING: Final = "20261129T070410.123Z-0a1b2c3d"

#: Half an hour becomes a minute and a half: time for a worker to start again and again.
_SLOWER: Final = 20


@pytest.fixture
def ports(unused_tcp_port_factory: Callable[[], int]) -> dict[str, int]:
    return {"worker": unused_tcp_port_factory(), "trainer": unused_tcp_port_factory()}


@pytest.fixture
def watched(
    program: Callable[[str], str], ports: dict[str, int], unused_tcp_port: int, tmp_path: Path
) -> Callable[[int], AbstractContextManager[Watching]]:
    """Return what runs a Prometheus for which time passes so many times faster."""
    path, directory = program("prometheus"), tmp_path / "watching"
    directory.mkdir()
    return lambda times_faster: watching(path, ports, unused_tcp_port, directory, times_faster=times_faster)


@pytest.fixture
def prometheus(watched: Callable[[int], AbstractContextManager[Watching]]) -> Iterator[Watching]:
    with watched(_TIMES_FASTER) as alerts:
        yield alerts


def start(commands: Commands, name: str, ports: dict[str, int]) -> Command:
    variable = {"worker": "WEB_PORT", "trainer": "TRAINER_WEB_PORT"}[name]
    return commands.start(name, **{variable: str(ports[name])})


async def play(commands: Commands, *, is_bad: bool = False) -> None:
    """Produce plays until cancelled; with the bad ones, half of them."""
    number = 0
    while True:
        number += 1
        event = {"user_id": "u", "track_id": f"t{number}", "played_at": time.time_ns() // 1_000_000}
        values = [json.dumps(event).encode(), *([b"no play"] if is_bad else [])]
        await produce(commands.environment["KAFKA_BOOTSTRAP_SERVERS"], commands.environment["PLAYS_TOPIC"], *values)
        await asyncio.sleep(0.2)  # the load itself


async def fence(commands: Commands, worker: Command) -> None:
    """Take a partition from a worker while it works, as another that took it for dead would."""
    kafka, app_id = commands.environment["KAFKA_BOOTSTRAP_SERVERS"], commands.environment["APP_ID"]
    await until(lambda: worker.metric("refrain_partitions_owned") == "2.0", "it owns the partitions")
    async with AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{app_id}-0"):
        playing = asyncio.create_task(play(commands))
        assert await worker.ended() == Status.CRASHED
        playing.cancel()


async def test_dead_processes_are_missed_until_they_are_back(
    commands: Commands, prometheus: Watching, ports: dict[str, int]
) -> None:
    worker, trainer = start(commands, "worker", ports), start(commands, "trainer", ports)
    await asyncio.gather(worker.ready(), trainer.ready())
    await prometheus.ends("RefrainNobodyAnswers", "RefrainTrainerDown")
    await until(lambda: worker.metric("refrain_partitions_owned") == "2.0", "it owns the partitions")

    worker.kill()
    trainer.kill()
    await prometheus.fires("RefrainNobodyAnswers", "RefrainWorkerDown", "RefrainTrainerDown")

    worker, trainer = start(commands, "worker", ports), start(commands, "trainer", ports)
    await prometheus.fires("RefrainKilled")
    await prometheus.ends("RefrainNobodyAnswers", "RefrainWorkerDown", "RefrainTrainerDown")
    assert "the last run crashed cause=killed" in worker.log
    assert "the last run crashed cause=killed" in trainer.log


async def test_bad_plays_are_reported_until_the_producer_is_mended(
    commands: Commands, prometheus: Watching, ports: dict[str, int]
) -> None:
    worker = start(commands, "worker", ports)
    await worker.ready()

    faulty = asyncio.create_task(play(commands, is_bad=True))
    await prometheus.fires("RefrainRefusesPlays")
    assert "RefrainWorkerStuck" not in prometheus.firing()
    faulty.cancel()
    mended = asyncio.create_task(play(commands))

    await prometheus.ends("RefrainRefusesPlays")
    await prometheus.fires("RefrainNoRelease")
    mended.cancel()


async def test_a_worker_that_is_fenced_again_and_again_is_named_with_the_cause(
    commands: Commands, watched: Callable[[int], AbstractContextManager[Watching]], ports: dict[str, int]
) -> None:
    with watched(_SLOWER) as prometheus:
        for _ in range(3):
            await fence(commands, start(commands, "worker", ports))
        worker = start(commands, "worker", ports)
        await prometheus.fires("RefrainCrashLoop", "RefrainFencesLost")

    assert worker.metric('refrain_crashes_total{cause="ProducerFenced"}') == "3.0"


async def test_an_outage_of_kafka_is_reported_until_it_answers(
    behind_proxy: tuple[DevKafka, Proxy], proxied: Commands, prometheus: Watching, ports: dict[str, int]
) -> None:
    worker, trainer = start(proxied, "worker", ports), start(proxied, "trainer", ports)
    await asyncio.gather(worker.ready(), trainer.ready())
    await prometheus.ends("RefrainNobodyAnswers")

    await asyncio.to_thread(behind_proxy[0].stop)
    await prometheus.fires("RefrainKafkaUnreachable")
    assert not prometheus.firing() & {"RefrainWorkerStuck", "RefrainWorkerDown", "RefrainTrainerDown"}

    await asyncio.to_thread(behind_proxy[0].start)
    await prometheus.ends("RefrainKafkaUnreachable", "RefrainNobodyAnswers")


async def test_plays_that_kafka_is_about_to_delete_are_reported_until_they_are_read(
    commands: Commands, prometheus: Watching, ports: dict[str, int]
) -> None:
    kafka, topic = commands.environment["KAFKA_BOOTSTRAP_SERVERS"], commands.environment["PLAYS_TOPIC"]
    await create_topic(kafka, topic, 2, {"retention.ms": "20000"})
    worker, trainer = start(commands, "worker", ports), start(commands, "trainer", ports)
    await asyncio.gather(worker.ready(), trainer.ready())
    await produce(kafka, topic, PLAY)
    await until(lambda: worker.metric("refrain_plays_total") == "1.0", "the play is applied")

    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{topic}.hangs")
    async with producer, producer.transaction():
        await producer.send_and_wait(topic, PLAY, b"u", partition=0)
        await prometheus.fires("RefrainPlaysExpireUnanswered", "RefrainPlaysExpireUnarchived")

    await prometheus.ends("RefrainPlaysExpireUnanswered", "RefrainPlaysExpireUnarchived")
    await until(lambda: worker.metric("refrain_plays_total") == "2.0", "the play behind it is applied")


async def test_a_stranger_in_the_group_and_a_release_that_does_not_exist_are_reported(
    commands: Commands, prometheus: Watching, ports: dict[str, int]
) -> None:
    kafka, topic = commands.environment["KAFKA_BOOTSTRAP_SERVERS"], commands.environment["PLAYS_TOPIC"]
    await create_topic(kafka, topic, 2)
    async with running(stranger(commands)):
        worker = start(commands, "worker", ports)
        await prometheus.fires("RefrainGroupTaken")
    await worker.ready()
    await prometheus.ends("RefrainGroupTaken")

    notice = msgspec.json.encode(ReleaseNotice(MISSING, MISSING, "0" * 64))
    await produce(kafka, commands.environment["RELEASES_TOPIC"], notice, key=CHAMPION)
    await prometheus.fires("RefrainReleaseNotTakenUp")
