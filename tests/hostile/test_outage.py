"""Kafka goes away while worker and trainer run: everybody is told, and everything goes on by itself."""

import asyncio
import functools
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import pytest

from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import Connection
from streamer.local.devkafka import DevKafka
from streamer.runtime.statuses import Status
from tests.cases.observations import Observe
from tests.faults.proxy import Proxy
from tests.hostile.commands import Command, Commands
from tests.onkafka import delete_topic, produce
from tests.until import until, until_awaited

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.kind(4), pytest.mark.timeout(400)]

_TOLD_WITHIN_S: Final = 15.0
_OUTAGE_S: Final = 45.0
_MAX_LINES: Final = 25

Switch = Callable[[DevKafka, Proxy], Awaitable[None]]


async def _swallow(_: DevKafka, proxy: Proxy) -> None:
    await proxy.swallow()


async def _refuse(_: DevKafka, proxy: Proxy) -> None:
    await proxy.refuse()


async def _heal(_: DevKafka, proxy: Proxy) -> None:
    await proxy.heal()


async def _stop(kafka: DevKafka, _: Proxy) -> None:
    await asyncio.to_thread(kafka.stop)


async def _start(kafka: DevKafka, _: Proxy) -> None:
    await asyncio.to_thread(kafka.start)


@dataclass(frozen=True, slots=True)
class Outage:
    """How Kafka goes away, how it comes back, and what it does meanwhile."""

    begin: Switch
    end: Switch
    what: str


def plays(count: int) -> list[bytes]:
    now_ms = time.time_ns() // 1_000_000
    return [
        json.dumps({"user_id": "u", "track_id": f"t{number}", "played_at": now_ms}).encode() for number in range(count)
    ]


def is_unready(process: Command) -> bool:
    return process.page("readyz")[0] == 503


async def started(commands: Commands) -> tuple[Command, Command]:
    worker = commands.start("worker")
    await worker.ready()
    trainer = commands.start("trainer")
    await trainer.ready()
    return worker, trainer


@pytest.mark.parametrize(
    "outage",
    [
        pytest.param(Outage(_swallow, _heal, "answers nothing"), id="swallowing"),
        pytest.param(Outage(_refuse, _heal, "refuses connections"), id="refusing"),
        pytest.param(Outage(_stop, _start, "is stopped"), id="stopped"),
    ],
)
async def test_an_outage_shows_in_probes_metrics_and_log_and_ends_by_itself(
    behind_proxy: tuple[DevKafka, Proxy], proxied: Commands, observe: Observe, outage: Outage
) -> None:
    worker, trainer = await started(proxied)
    await produce(behind_proxy[0].bootstrap_servers, proxied.environment["PLAYS_TOPIC"], *plays(4))
    await until(lambda: worker.metric("refrain_plays_total") == "4.0", "the plays are applied")
    num_lines = {process: len(process.log.splitlines()) for process in (worker, trainer)}

    await outage.begin(*behind_proxy)
    fell_s = time.monotonic()
    for process in (worker, trainer):
        await until(functools.partial(is_unready, process), "it is unready", deadline_s=30)
        assert process.page("readyz")[1].startswith("Kafka has not answered for ")
        assert float(process.metric("refrain_kafka_unreachable_seconds")) >= 10
    assert time.monotonic() - fell_s < _TOLD_WITHIN_S + 3  # the machine is shared
    await until(lambda: worker.metric('refrain_lag_plays{partition="0"}') == "NaN", "lag is unknown")
    await asyncio.sleep(max(0.0, _OUTAGE_S - (time.monotonic() - fell_s)))  # the fault itself
    for process in (worker, trainer):
        assert process.page("healthz") == (200, "ok"), process.log
    observe(f"Kafka {outage.what}: within 15 s worker and trainer are unready (`Kafka has not answered for N s`)")

    await outage.end(*behind_proxy)
    for process in (worker, trainer):
        await process.ready()
        assert process.log.count("Kafka has not answered") == process.log.count("Kafka answers again") == 1
        assert len(process.log.splitlines()) - num_lines[process] < _MAX_LINES, process.log
    await produce(behind_proxy[0].bootstrap_servers, proxied.environment["PLAYS_TOPIC"], *plays(4))
    await until(lambda: worker.metric("refrain_plays_total") == "8.0", "the plays are applied")
    observe(f"{_OUTAGE_S:.0f} s later it answers: both go on by themselves; fewer than {_MAX_LINES} lines each")


async def test_plays_deleted_under_worker_and_trainer_are_noticed_and_named(
    commands: Commands, observe: Observe
) -> None:
    worker, trainer = await started(commands)
    topic, kafka = commands.environment["PLAYS_TOPIC"], commands.environment["KAFKA_BOOTSTRAP_SERVERS"]
    await produce(kafka, topic, *plays(4))
    await until(lambda: worker.metric("refrain_plays_total") == "4.0", "the plays are applied")

    await delete_topic(kafka, topic)

    for process, name in ((worker, "worker"), (trainer, "trainer")):
        assert await process.ended() == Status.REFUSED, process.log
        said = process.lines[-1].partition("refused: ")[2]
        assert said.startswith(f"the topic {topic} was deleted")
        observe(f"{name}, status 3: {said.replace(topic, 'plays')}")
    again = commands.start("worker")
    assert await again.ended() == Status.REFUSED, again.log
    assert "the topic was recreated" in again.log.splitlines()[-1], again.log
    observe("the next start, status 3: the topic was recreated; names `refrain offsets`")


#: Metadata that is asked for again at once, so that the group hears of the deletion before anybody else does.
_REBALANCES_FIRST: Final = """
import streamer.faust.app as app
from streamer.kafka.contact import Contact
app._METADATA_AGE_MS = 300
Contact.note_answer = lambda *_: None
"""


async def test_a_rebalance_that_hears_first_of_deleted_plays_names_them_too(
    commands: Commands, observe: Observe
) -> None:
    worker = commands.start("worker", sabotage=_REBALANCES_FIRST)
    await worker.ready()
    topic, kafka = commands.environment["PLAYS_TOPIC"], commands.environment["KAFKA_BOOTSTRAP_SERVERS"]
    await produce(kafka, topic, *plays(4))
    await until_awaited(lambda: is_committed(commands, 4), "the plays are committed, so no commit delays the rebalance")

    await delete_topic(kafka, topic)

    assert await worker.ended() == Status.REFUSED, worker.log
    assert worker.lines[-1].partition("refused: ")[2].startswith(f"the topic {topic} was deleted")
    observe("a rebalance that hears of the deletion first: status 3, and the same words")


async def is_committed(commands: Commands, offset: int) -> bool:
    settings = commands.environment
    async with KafkaAdmin(Connection.parse(settings["KAFKA_BOOTSTRAP_SERVERS"])) as admin:
        commits = await admin.read_commits(settings["APP_ID"])
    return {partition.partition: commit.offset for partition, commit in commits.items()}.get(0) == offset
