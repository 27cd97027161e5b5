"""Background tasks that die, and members that Kafka refuses: somebody hears of it."""

import json
import time
from typing import Final

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import InconsistentGroupProtocolError

from streamer.kafka.clients import running
from streamer.runtime.statuses import Status
from tests.cases.observations import Observe
from tests.hostile.commands import Commands
from tests.onkafka import create_topic, produce
from tests.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.kind(3), pytest.mark.timeout(300)]

_APPLIED: Final = "refrain_plays_total"


def play(number: int) -> bytes:
    return json.dumps({"user_id": "u1", "track_id": f"t{number}", "played_at": time.time_ns() // 1_000_000}).encode()


async def send_plays(commands: Commands, count: int) -> None:
    settings = commands.environment
    plays = [play(number) for number in range(count)]
    await produce(settings["KAFKA_BOOTSTRAP_SERVERS"], settings["PLAYS_TOPIC"], *plays, key=b"u1")


def stranger(commands: Commands) -> AIOKafkaConsumer:
    """A consumer that somebody started with the deployment's group, such as a console consumer."""
    settings = commands.environment
    return AIOKafkaConsumer(
        settings["PLAYS_TOPIC"],
        bootstrap_servers=settings["KAFKA_BOOTSTRAP_SERVERS"],
        group_id=settings["APP_ID"],
        client_id="console-consumer",
        enable_auto_commit=False,
    )


async def test_a_stranger_in_the_group_makes_a_worker_wait_until_it_leaves(
    commands: Commands, observe: Observe
) -> None:
    settings = commands.environment
    await create_topic(settings["KAFKA_BOOTSTRAP_SERVERS"], settings["PLAYS_TOPIC"], 2)
    await send_plays(commands, 4)
    async with running(stranger(commands)):
        worker = commands.start("worker")
        await worker.logged("is taken by console-consumer at 127.0.0.1")
        await until(lambda: worker.metric("refrain_group_taken") == "1.0", "a metric says so")
        assert worker.page("healthz") == (200, "ok")
        status, text = worker.page("readyz")
        assert (status, text) == (503, f"the consumer group {settings['APP_ID']} is taken by others")
        observe(f"with a stranger in the group: unready ({text.replace(settings['APP_ID'], 'refrain')}), healthy")

    await worker.ready()
    await until(lambda: worker.metric(_APPLIED) == "4.0", "the plays are applied")
    assert worker.metric("refrain_group_taken") == "0.0"
    assert len(worker.lines) <= 4, worker.lines
    observe("after it has left: ready, and every play applied")

    late = stranger(commands)
    with pytest.raises(InconsistentGroupProtocolError):
        await late.start()
    await late.stop()
    await send_plays(commands, 4)
    await until(lambda: worker.metric(_APPLIED) == "8.0", "the plays are applied")
    observe("a stranger who comes later is refused by Kafka")


async def test_a_worker_kept_out_of_its_group_stops_at_once(commands: Commands, observe: Observe) -> None:
    settings = commands.environment
    await create_topic(settings["KAFKA_BOOTSTRAP_SERVERS"], settings["PLAYS_TOPIC"], 2)
    async with running(stranger(commands)):
        worker = commands.start("worker")
        await worker.logged("is taken by")

        status, took_s = await worker.stopped()

    assert (status, took_s < 10) == (0, True)
    observe("SIGTERM while a stranger holds the group: status 0 within ten seconds")


async def test_a_session_timeout_that_brokers_do_not_allow_is_refused_with_its_remedy(
    commands: Commands, observe: Observe
) -> None:
    worker = commands.start("worker", SESSION_TIMEOUT_S="5")

    assert await worker.ended() == Status.REFUSED
    refusal = worker.log.splitlines()[-1]
    assert refusal.startswith("refrain: REFRAIN_SESSION_TIMEOUT_S=5 but the brokers have group.min.session.timeout.ms")
    observe(refusal)


_AFTER_A_WHILE: Final = """
import itertools
def failing(owner, name, after):
    original, calls = getattr(owner, name), itertools.count()
    def call(*args, **kwargs):
        if next(calls) == after:
            raise RuntimeError("bad luck")
        return original(*args, **kwargs)
    setattr(owner, name, call)
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
"""


@pytest.mark.parametrize(
    ("bad_luck", "says"),
    [
        ("failing(Fetcher, '_get_actions_per_node', 20)", "the fetching task of the consumer has failed"),
        ("failing(AIOKafkaClient, '_metadata_update', 5)", "the metadata task of the consumer has failed"),
        ("failing(GroupCoordinator, '_maybe_do_autocommit', 0)", "the coordinating task of the consumer has failed"),
        ("failing(GroupCoordinator, '_do_heartbeat', 2)", "the consumer cannot take part in the group"),
        (
            "from streamer.faust.marks import Marks; failing(Marks, 'check_assignment', 0)",
            "the assignment of partitions failed",
        ),
        (
            "from streamer.worker.champion import Releases; failing(Releases, '_read_on', 0)",
            "the reader of releases has failed",
        ),
        ("from streamer.worker.health import Watch; failing(Watch, '_note', 2)", "the watch has failed"),
    ],
)
async def test_the_death_of_a_background_task_ends_a_worker_and_is_named(
    commands: Commands, observe: Observe, bad_luck: str, says: str
) -> None:
    worker = commands.start("worker", sabotage=_AFTER_A_WHILE + bad_luck, HEARTBEAT_S="0.5")

    assert await worker.ended() == Status.CRASHED
    assert any(says in line for line in worker.lines), worker.log
    observe(f"status 70: {says}")


async def test_the_death_of_a_background_task_ends_a_trainer_and_is_named(commands: Commands, observe: Observe) -> None:
    trainer = commands.start("trainer", sabotage=f"{_AFTER_A_WHILE}failing(Fetcher, '_get_actions_per_node', 20)")

    assert await trainer.ended() == Status.CRASHED
    assert any("the fetching task of the consumer has failed" in line for line in trainer.lines), trainer.log
    observe("status 70: the fetching task of the consumer has failed")


async def test_a_worker_without_a_partition_is_ready_and_says_that_it_is_spare(
    commands: Commands, observe: Observe
) -> None:
    owner = commands.start("worker", PARTITIONS="1", INSTANCE_ID="owner")
    await owner.ready()
    spare = commands.start(
        "worker", PARTITIONS="1", INSTANCE_ID="spare", STATE_DIR=f"{commands.environment['STATE_DIR']}-2"
    )
    await spare.logged("spare: every partition belongs to another worker")
    await until(lambda: "spare" in spare.page("readyz")[1], "its page says so")
    assert spare.page("readyz") == (200, "ok, spare: every partition belongs to another worker")
    assert spare.metric("refrain_partitions_owned") == "0.0"
    observe(f"/readyz of a second worker on one partition: 200, {spare.page('readyz')[1]}")

    owner.kill()
    await send_plays(commands, 3)

    await until(lambda: spare.metric(_APPLIED) == "3.0", "the spare has taken over")
    await until(lambda: "ok, but plays get no answers" in spare.page("readyz")[1], "it is no longer spare")
    observe("after the owner was killed: owns its partition, and every play applied")
