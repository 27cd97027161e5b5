"""Processes that die, hang, start again and again, or have lost Kafka or their group."""

import asyncio
import functools
import signal

import pytest

from streamer.kafka.clients import running
from streamer.local.devkafka import DevKafka
from streamer.runtime.statuses import Status
from tests.faults.proxy import Proxy
from tests.hostile.alerts.conftest import StartDrill
from tests.hostile.alerts.system import at_port, orchestrated, play_of, playing, start
from tests.hostile.alerts.watching import Watching
from tests.hostile.commands import Command, Commands
from tests.hostile.test_client_tasks import stranger
from tests.onkafka import create_topic
from tests.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.drill, pytest.mark.timeout(900)]

#: An hour becomes a minute: time for killed processes to be missed, and to start again.
_SLOW = 60

#: Half an hour becomes a minute and a half: time for a worker to start again and again.
_SLOWER = 20

#: A batch with a play of the track `deadlock` waits for ever, as two locks taken in turn would.
_DEADLOCK = """
import asyncio
from streamer.worker.pipeline import Answering
answer = Answering.answer_batch
async def wait(self, chunks):
    if any(b"deadlock" in (record.value or b"") for chunk in chunks for record in chunk.records):
        await asyncio.Event().wait()
    await answer(self, chunks)
Answering.answer_batch = wait
"""


async def owned(worker: Command, num: int) -> None:
    await until(lambda: worker.metric("refrain_partitions_owned") == f"{num}.0", f"it owns {num} partitions")


@pytest.mark.parametrize("prometheus", [_SLOW], indirect=True)
async def test_processes_that_were_killed_are_missed_until_they_are_started(
    commands: Commands, prometheus: Watching, ports: dict[str, int], drill: StartDrill
) -> None:
    worker, trainer = start(commands, "worker", ports), start(commands, "trainer", ports)
    await asyncio.gather(worker.ready(), trainer.ready())
    await owned(worker, 2)
    await prometheus.ends("RefrainNobodyAnswers", "RefrainTrainerDown")

    how = "worker and trainer killed with SIGKILL"
    nobody, down, killed = (drill(f"Refrain{name}", how) for name in ("NobodyAnswers", "WorkerDown", "Killed"))
    trainer_down = drill("RefrainTrainerDown", how)
    worker.kill()
    trainer.kill()
    await asyncio.gather(nobody.fires(), down.fires(), trainer_down.fires())

    trainer_down.follow("Start it")
    killed.follow("a lower `REFRAIN_TRAIN_WINDOW_PLAYS`")
    trainer = trainer_down.start(commands, "refrain trainer", TRAIN_WINDOW_PLAYS="1000", **at_port("trainer", ports))
    nobody.follow("If no worker runs: start one")
    down.follow("start it")
    killed.follow("a lower `REFRAIN_MAX_BATCH_PLAYS`")
    worker = nobody.start(commands, "refrain worker", MAX_BATCH_PLAYS="500", **at_port("worker", ports))
    await killed.fires()
    await asyncio.gather(nobody.ends(), down.ends(), trainer_down.ends())
    assert "the last run crashed cause=killed" in worker.log
    assert "the last run crashed cause=killed" in trainer.log
    await killed.ends()


async def test_workers_that_hang_are_ended_and_their_partitions_are_answered_again(
    commands: Commands, ports: dict[str, int], drill: StartDrill
) -> None:
    worker = start(commands, "worker", ports, INSTANCE_ID="a", SESSION_TIMEOUT_S="240")
    await worker.ready()
    second = start(commands, "second-worker", ports, INSTANCE_ID="b", SESSION_TIMEOUT_S="240", sabotage=_DEADLOCK)
    await second.ready()
    await asyncio.gather(owned(worker, 1), owned(second, 1))

    unanswered = drill("RefrainPartitionsUnanswered", "a worker frozen with SIGSTOP within its session timeout")
    worker.signal(signal.SIGSTOP)
    await unanswered.fires()
    unanswered.follow("If one hangs, or does not answer, delete it")
    worker.kill()
    worker = start(commands, "worker", ports, INSTANCE_ID="a", SESSION_TIMEOUT_S="240")
    await unanswered.ends()

    stuck = drill("RefrainWorkerStuck", "a fault put into the worker: a step that waits for ever, as at a deadlock")
    async with playing(commands, lambda number: play_of("deadlock" if number in (8, 9) else "t")):
        await stuck.fires()
        stuck.follow("end the process with SIGTERM")
        assert (await second.stopped())[0] == Status.CRASHED
        second = start(commands, "second-worker", ports, INSTANCE_ID="b", SESSION_TIMEOUT_S="240")
        await stuck.ends()
    assert "RefrainNobodyAnswers" not in stuck.prometheus.firing()


@pytest.mark.parametrize("prometheus", [_SLOWER], indirect=True)
async def test_workers_that_share_an_identity_fence_each_other_until_each_has_its_own(
    commands: Commands, ports: dict[str, int], drill: StartDrill
) -> None:
    await create_topic(commands.environment["KAFKA_BOOTSTRAP_SERVERS"], commands.environment["PLAYS_TOPIC"], 2)
    how = "two workers with one REFRAIN_INSTANCE_ID, started again whenever one ends"
    loop, fenced = drill("RefrainCrashLoop", how), drill("RefrainFencesLost", how)
    shared = functools.partial(start, commands, ports=ports, INSTANCE_ID="a")
    async with playing(commands, lambda _: play_of("t")):
        async with orchestrated(lambda: shared("worker")), orchestrated(lambda: shared("second-worker")):
            await asyncio.gather(loop.fires(), fenced.fires())
        loop.follow("[RefrainFencesLost](#refrainfenceslost)")
        fenced.follow("give each its own identity")
        worker, second = shared("worker"), shared("second-worker", INSTANCE_ID="b")
        await asyncio.gather(owned(worker, 1), owned(second, 1))
        await asyncio.gather(loop.ends(), fenced.ends())
    assert worker.status is second.status is None


async def test_an_outage_of_kafka_is_reported_until_it_answers(
    behind_proxy: tuple[DevKafka, Proxy], proxied: Commands, ports: dict[str, int], drill: StartDrill
) -> None:
    worker, trainer = start(proxied, "worker", ports), start(proxied, "trainer", ports)
    await asyncio.gather(worker.ready(), trainer.ready())
    async with playing(proxied, lambda _: play_of("t")):
        await until(lambda: float(worker.metric("refrain_plays_total") or 0) > 1, "plays are applied")
    unreachable = drill("RefrainKafkaUnreachable", "the broker is stopped")

    await asyncio.to_thread(behind_proxy[0].stop)
    await unreachable.fires()
    assert not unreachable.prometheus.firing() & {"RefrainWorkerStuck", "RefrainWorkerDown", "RefrainTrainerDown"}

    unreachable.follow("Mend Kafka. Leave workers and trainer alone")
    await asyncio.to_thread(behind_proxy[0].start)
    await unreachable.ends()
    assert worker.status is trainer.status is None


async def test_a_stranger_in_the_group_is_reported_until_it_leaves(
    commands: Commands, ports: dict[str, int], drill: StartDrill
) -> None:
    await create_topic(commands.environment["KAFKA_BOOTSTRAP_SERVERS"], commands.environment["PLAYS_TOPIC"], 2)
    taken = drill("RefrainGroupTaken", "a console consumer with the group's name")
    async with running(stranger(commands)):
        worker = start(commands, "worker", ports)
        await taken.fires()
        taken.follow("Stop them")
    await taken.ends()
    await worker.ready()
