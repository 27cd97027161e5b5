"""SIGTERM and SIGINT end every process within its grace, whatever it is doing."""

import asyncio
import contextlib
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.error import HTTPError

import pytest

from streamer.local.devkafka import DevKafka
from streamer.runtime.statuses import Status
from streamer.runtime.stop import GRACE_S
from tests.cases.observations import Observe
from tests.faults.proxy import Proxy
from tests.hostile.commands import Commands, deployed
from tests.onkafka import produce
from tests.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.kind(3), pytest.mark.timeout(300)]

_LATEST_S: Final = GRACE_S + 2  # the machine is shared
_LASTING: Final = ("worker", "trainer")  # a signal is how they end
_CONTROL: Final = Path(__file__).parents[1] / "cases" / "files" / "00-control.csv"

#: Changes that keep a process where it is: the event loop turns, or does not, or a thread cannot be interrupted.
_ENDLESS: Final = """
import asyncio, time
async def turning(*_, **__):
    print("in it", flush=True)
    await asyncio.sleep(600)
def stuck(*_, **__):
    print("in it", flush=True)
    time.sleep(600)
async def blocking(*_, **__):
    stuck()
async def nothing(*_, **__):
    await asyncio.sleep(0.1)
    return {}
"""


@pytest.fixture
def silent(topic_prefix: str, tmp_path: Path) -> Iterator[Commands]:
    """A deployment whose Kafka accepts connections and never answers."""
    server = socket.create_server(("127.0.0.1", 0))
    with server, deployed(f"127.0.0.1:{server.getsockname()[1]}", topic_prefix, tmp_path) as commands:
        yield commands


async def send_play(kafka: str, topic: str) -> None:
    played = {"user_id": "u", "track_id": "t", "played_at": time.time_ns() // 1_000_000}
    await produce(kafka, topic, json.dumps(played).encode())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "command_line",
    [
        "worker",
        "trainer",
        "trainer --once",
        "offsets show",
        "offsets reset --to latest --yes",
        "dead-letters list",
        "releases list",
        "releases rollback",
    ],
)
async def test_a_command_that_waits_for_a_silent_kafka_ends(
    silent: Commands, observe: Observe, command_line: str, number: signal.Signals
) -> None:
    command = silent.start(
        *command_line.split(), sabotage="import logging; logging.getLogger('aiokafka').setLevel('DEBUG')"
    )
    await command.logged("ApiVersionRequest")  # it has connected

    status, took_s = await command.stopped(number)

    assert status == (0 if command_line in _LASTING else 128 + number)
    assert took_s < _LATEST_S
    observe(f"`{command_line}` without an answer from Kafka, {number.name}: status {status} in time")


@pytest.mark.parametrize(
    ("arguments", "place", "status"),
    [
        pytest.param("worker", "streamer.faust.table.ListenerTable.commit = turning", 70, id="a batch"),
        pytest.param("worker", "streamer.faust.table.ListenerTable.commit = blocking", 70, id="a loop"),
        pytest.param("trainer", "streamer.archive.archiver.Archivist._append = stuck", 0, id="a thread"),
    ],
)
async def test_a_process_whose_work_hangs_ends(
    commands: Commands, observe: Observe, arguments: str, place: str, status: int
) -> None:
    where = place.partition(" ")[0]
    module = where.rpartition(".")[0].rpartition(".")[0]
    settings = commands.environment
    command = commands.start(arguments, sabotage=f"{_ENDLESS}import {module}\n{place}")
    await command.ready()
    await send_play(settings["KAFKA_BOOTSTRAP_SERVERS"], settings["PLAYS_TOPIC"])
    await command.logged("in it")

    ended, took_s = await command.stopped()

    assert ended == status, command.log
    assert took_s < _LATEST_S
    observe(f"`{arguments}` with {where.rpartition('.')[2]} hanging, SIGTERM: status {status} in time")


async def test_a_worker_that_recovers_ends(commands: Commands, observe: Observe) -> None:
    settings = commands.environment
    first = commands.start("worker")
    await first.ready()
    await send_play(settings["KAFKA_BOOTSTRAP_SERVERS"], settings["PLAYS_TOPIC"])
    await until(lambda: first.metric("refrain_plays_total") == "1.0", "the play is applied")
    assert (await first.stopped())[0] == 0
    worker = commands.start(
        "worker",
        STATE_DIR=f"{settings['STATE_DIR']}-lost",
        sabotage=f"{_ENDLESS}import streamer.faust.transport as t\nt.ChunkConsumer._getmany = nothing",
    )
    await until(lambda: worker.page("readyz") == (503, "recovering"), "it recovers")
    with pytest.raises(HTTPError) as moving:
        worker.opened("api/v1/listener", {"user_id": "u"})
    with moving.value:
        assert json.loads(moving.value.read())["error"]["code"] == "moving"
    with worker.opened("api/v1/events") as events:
        assert events.readline().startswith(b"event: ")

        status, took_s = await worker.stopped()
    assert (status, took_s < _LATEST_S) in {(0, True), (Status.CRASHED, True)}, worker.log
    observe("a worker in the midst of a long recovery, SIGTERM: ends in time")


async def test_a_worker_whom_many_follow_ends_and_so_do_their_streams(commands: Commands, observe: Observe) -> None:
    worker = commands.start("worker")
    await worker.ready()
    await send_play(commands.environment["KAFKA_BOOTSTRAP_SERVERS"], commands.environment["PLAYS_TOPIC"])
    await until(lambda: worker.metric("refrain_plays_total") == "1.0", "the play is applied")
    with contextlib.ExitStack() as stack:
        streams = [
            stack.enter_context(worker.opened("api/v1/listener/follow", {"user_id": name}))
            for name in ("u", *"abcdefg")
        ]
        streams += [stack.enter_context(worker.opened("api/v1/events")) for _ in range(8)]
        for stream in streams:
            assert stream.readline().startswith(b"event: ")

        status, took_s = await worker.stopped()

        for stream in streams:
            stream.read()  # up to the end, which is orderly
    assert (status, took_s < _LATEST_S) == (0, True), worker.log
    observe("a worker with 16 open event streams, SIGTERM: ends in time, and so do the streams")


@pytest.mark.parametrize("after_s", [1.0, 20.0], ids=["just now", "for a while"])
async def test_a_worker_whose_kafka_has_gone_ends(
    behind_proxy: tuple[DevKafka, Proxy], proxied: Commands, observe: Observe, after_s: float
) -> None:
    kafka, proxy = behind_proxy
    worker = proxied.start("worker")
    await worker.ready()
    await send_play(kafka.bootstrap_servers, proxied.environment["PLAYS_TOPIC"])
    await until(lambda: worker.metric("refrain_plays_total") == "1.0", "the play is applied")
    await proxy.swallow()
    await asyncio.sleep(after_s)  # the fault itself

    status, took_s = await worker.stopped()

    assert status in {0, Status.CRASHED}, worker.log
    assert took_s < _LATEST_S
    observe(f"a worker whose Kafka has been silent for {after_s:.0f} s, SIGTERM: ends in time")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["train", str(_CONTROL), "--epochs", "1"], "streamer.training.offline._read_dataset"),
        (["replay", str(_CONTROL)], "streamer.replay.run._provide_release"),
    ],
    ids=["train", "replay"],
)
async def test_a_command_in_the_midst_of_long_work_ends(
    commands: Commands, observe: Observe, arguments: list[str], place: str, number: signal.Signals
) -> None:
    module = place.rpartition(".")[0]
    command = commands.start(*arguments, sabotage=f"{_ENDLESS}import {module}\n{place} = stuck")
    await command.logged("in it")

    status, took_s = await command.stopped(number)

    assert status == 128 + number, command.log
    assert took_s < _LATEST_S
    observe(f"`{arguments[0]}` in a call that cannot be interrupted, {number.name}: status {status} in time")


async def test_a_demo_ends_with_all_its_processes(commands: Commands, observe: Observe) -> None:
    demo = commands.start("demo")
    await asyncio.sleep(5)  # Kafka or the first workers are starting

    status, took_s = await demo.stopped()

    assert status == 128 + signal.SIGTERM, demo.log
    assert took_s < _LATEST_S
    observe(f"`demo` while it starts, SIGTERM: status {status} in time")
