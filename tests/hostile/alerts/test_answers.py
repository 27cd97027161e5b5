"""Plays that are answered late, not at all, or are no plays."""

import asyncio
import json
import re
import shlex
import time
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer

from streamer.local.devkafka import DevKafka
from tests.builders import play_value
from tests.faults.proxy import Proxy
from tests.hostile.alerts.conftest import StartDrill
from tests.hostile.alerts.drill import run_words
from tests.hostile.alerts.system import play_of, playing, promote, save_good, start
from tests.hostile.commands import Command, Commands
from tests.onkafka import create_topic, produce
from tests.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.drill, pytest.mark.timeout(900)]

#: Plays that wait when an overload begins: more than LagGrows tolerates, and half a minute of work.
_BACKLOG: Final = 2000

#: A worker knows how many plays wait from its latest fetch, and one brings up to a MiB of a partition: with long plays
#: it knows it every second, as a faster worker would.
_PADDING: Final = "x" * 20_000


async def test_what_a_faulty_producer_sends_is_reported_until_it_is_mended(
    commands: Commands, ports: dict[str, int], drill: StartDrill
) -> None:
    worker = start(commands, "worker", ports)
    await worker.ready()
    await promote(commands, save_good)
    await until(lambda: worker.metric("refrain_releases_taken_up_total") == "1.0", "it has a release")
    refused = drill("RefrainRefusesPlays", "a producer that sends no JSON in every third play")
    unknown = drill("RefrainTracksUnknown", "a producer that puts a prefix before the ids of tracks")

    async with playing(
        commands, lambda number: b"no play" if number % 3 == 0 else play_of("spotify:track:t1"), per_s=10
    ):
        await asyncio.gather(refused.fires(), unknown.fires())

    unknown.follow("mend the producer")
    refused.follow("Mend the producer")
    async with playing(commands, known_track, per_s=20):
        assert "not-json" in await refused.run(commands, "refrain dead-letters list")
        await refused.run(commands, "refrain dead-letters discard", {"CAUSE": "not-json"})
        await asyncio.gather(refused.ends(), unknown.ends())


async def test_a_transaction_left_open_is_reported_until_the_printed_command_ends_it(
    commands: Commands, ports: dict[str, int], drill: StartDrill
) -> None:
    kafka, topic = commands.environment["KAFKA_BOOTSTRAP_SERVERS"], commands.environment["PLAYS_TOPIC"]
    await create_topic(kafka, topic, 2, {"retention.ms": "40000"})
    worker = start(commands, "worker", ports)
    await worker.ready()
    how = "a producer that ended within a transaction"
    blocked = drill("RefrainPlaysBlocked", how)
    expiring = drill("RefrainPlaysExpireUnanswered", f"{how}, in front of plays that Kafka keeps for 40 s")
    async with playing(commands, lambda _: play_of("t")):
        await until(lambda: float(worker.metric("refrain_plays_total") or 0) > 3, "plays are applied")
        await leave_open(kafka, topic)
        await expiring.fires()
        await expiring.run(commands, "kafka-configs.sh")
        await expiring.ends()
        await blocked.fires()
        shown = await blocked.run(commands, "refrain offsets show")
        blocked.follow("run the command that `offsets show` prints")
        (command,) = set(re.findall(r"`(kafka-transactions.sh [^`]* abort [^`]*)`", shown))
        await run_words(commands, shlex.split(command))
        await blocked.ends()
    await until(lambda: worker.metric('refrain_lag_plays{partition="0"}') == "0.0", "what waited is applied")


async def leave_open(kafka: str, topic: str) -> None:
    """Begin a transaction in partition 0, and go away."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, transactional_id=f"{topic}.gone", transaction_timeout_ms=900_000
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, play_of("t"), b"u0", partition=0)
    finally:
        await producer.stop()


async def test_a_damaged_batch_is_reported_until_it_is_given_up(
    behind_proxy: tuple[DevKafka, Proxy], proxied: Commands, ports: dict[str, int], drill: StartDrill, tmp_path: Path
) -> None:
    kafka, topic = behind_proxy[0], proxied.environment["PLAYS_TOPIC"]
    await create_topic(kafka.bootstrap_servers, topic, 2)
    await produce(kafka.bootstrap_servers, topic, play_of("t0"), play_of("t1"), play_of("t2"))
    await asyncio.to_thread(kafka.stop)
    damage(kafka.directory / "topics" / f"{topic}-0" / "00000000000000000000.log")
    await asyncio.to_thread(kafka.start)
    unreadable = drill("RefrainPlaysUnreadable", "a byte of a batch changed on the broker's disk")

    worker = start(proxied, "worker", ports)
    await unreadable.fires()
    assert f"offset 1 of {topic}-0 cannot be read" in worker.page("readyz")[1]
    unreadable.follow("stop the workers")
    await worker.stopped()
    (tmp_path / "given-up.json").write_text(
        json.dumps({"version": 1, "partitions": [{"topic": topic, "partition": 0, "offset": 2}]})
    )
    await unreadable.run(proxied, "kafka-delete-records.sh", {"FILE": str(tmp_path / "given-up.json")})
    await unreadable.run(proxied, "refrain offsets reset")
    unreadable.follow("start the workers")
    worker = start(proxied, "worker", ports)
    await unreadable.ends()
    await until(lambda: worker.metric("refrain_plays_total") == "1.0", "the play behind it is applied")


def damage(segment: Path) -> None:
    """Change a byte of the second play."""
    segment.write_bytes(segment.read_bytes().replace(b'"t1"', b'"T1"'))


async def test_an_overload_is_reported_until_a_worker_is_added(
    behind_proxy: tuple[DevKafka, Proxy], proxied: Commands, ports: dict[str, int], drill: StartDrill
) -> None:
    worker = start(proxied, "worker", ports, MAX_BATCH_PLAYS="10")
    await worker.ready()
    await promote(proxied, save_good)
    await until(lambda: worker.metric("refrain_releases_taken_up_total") == "1.0", "it has a release")
    how = "a Kafka 50 ms away, small batches, and half as many plays again as one worker applies"
    grows, late = drill("RefrainLagGrows", how), drill("RefrainAnswersLate", how)

    behind_proxy[1].delay_s = 0.025
    async with playing(proxied, long_play, per_s=0, at_once=_BACKLOG):
        rate = await applied_per_s(worker)
        async with playing(proxied, long_play, per_s=1.5 * rate):
            await asyncio.gather(grows.fires(), late.fires())
            grows.follow("Add workers, up to the number of partitions")
            late.follow("what [RefrainLagGrows](#refrainlaggrows) says")
            await start(proxied, "second-worker", ports, MAX_BATCH_PLAYS="10").ready()
            await grows.ends()
        await late.ends()


async def applied_per_s(worker: Command) -> float:
    """Measure how many plays a worker applies per second while more are waiting."""

    def applied() -> float:
        return float(worker.metric("refrain_plays_total") or 0)

    await until(lambda: applied() > 100, "it applies plays")
    first, started_s = applied(), time.monotonic()
    await asyncio.sleep(5)  # the measurement itself
    return (applied() - first) / (time.monotonic() - started_s)


def long_play(number: int) -> bytes:
    """Make a play with a field that nobody reads."""
    return play_value("u", f"t{number % 12}", time.time_ns() // 1_000_000, note=_PADDING)


def known_track(number: int) -> bytes:
    """Make a play of a track that the release knows."""
    return play_of(f"t{number % 12}")
