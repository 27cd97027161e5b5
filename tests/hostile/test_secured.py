"""Worker, trainer and commands on a Kafka with TLS, users and ACLs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from streamer.kafka.rights import (
    Right,
    letter_reader_rights,
    letter_remover_rights,
    letter_sender_rights,
    listener_reader_rights,
    offset_reader_rights,
    promoter_rights,
    release_reader_rights,
    sender_rights,
    trainer_rights,
    worker_rights,
)
from streamer.runtime.statuses import Status
from streamer.settings import Settings
from tests.cases.observations import Observe
from tests.commands import Command, Ended, run_command
from tests.faults.conftest import DeployOn, TinyRelease
from tests.faults.harness import Deployment, load
from tests.faults.process import WorkerProcess
from tests.faults.supervisor import supervised
from tests.faults.verdict import judge
from tests.secured import SecuredKafka
from tests.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.kind(2)]

Rights = Callable[[Settings], Sequence[Right]]

RECORDING: Final = Path(__file__).parents[1] / "cases" / "files" / "00-control.csv"

#: What each command needs to do what it does, and no more.
COMMANDS: Final[Mapping[tuple[str, ...], Rights]] = {
    ("releases", "list"): release_reader_rights,
    ("releases", "promote", "--force", "RELEASE"): promoter_rights,
    ("send", str(RECORDING)): sender_rights,
    ("offsets", "show"): offset_reader_rights,
    ("offsets", "reset", "--to", "earliest", "--yes"): worker_rights,
    ("listener", "u"): listener_reader_rights,
    ("dead-letters", "list"): letter_reader_rights,
    ("dead-letters", "send-again", "--cause", "uncomputable"): letter_sender_rights,
    ("dead-letters", "discard", "--all", "--yes"): letter_remover_rights,
    ("dead-letters", "erase-forgotten"): letter_remover_rights,
}


@pytest_asyncio.fixture
async def deployment(secured: SecuredKafka, deploy_on: DeployOn) -> AsyncIterator[Deployment]:
    """The test's own topics; what the test itself does there, it does as the super user."""
    async with deploy_on(secured.plain.bootstrap_servers) as deployment:
        yield deployment


async def admit(secured: SecuredKafka, deployment: Deployment, user: str, rights: Sequence[Right]) -> dict[str, str]:
    """Add a user with exactly these rights; return the settings by which it comes in."""
    user = f"{deployment.app_id}-{user}"
    await secured.add_user(user, "s3cret")
    await secured.grant(rights, user)
    return deployment.environment(user) | secured.environment(user=user, password="s3cret")


def without_prefix(environment: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix("REFRAIN_"): text for name, text in environment.items()}


def last_line(ended: Ended) -> str:
    """Return the only thing that a refused command may say."""
    assert "Traceback" not in ended.output
    assert "s3cret" not in ended.output
    lines = [line for line in ended.output.splitlines() if " INFO " not in line and not line.startswith("read ")]
    assert len(lines) == 1, ended.output
    return lines[0]


async def test_nothing_is_lost_or_repeated_on_a_secured_kafka_through_a_kill_and_a_broker_restart(
    secured: SecuredKafka, deployment: Deployment, first_release: TinyRelease, tmp_path: Path, observe: Observe
) -> None:
    settings = deployment.settings
    working = without_prefix(await admit(secured, deployment, "worker", worker_rights(settings)))
    del working["INSTANCE_ID"], working["STATE_DIR"]
    training = await admit(secured, deployment, "trainer", trainer_rights(settings))
    operating = await admit(secured, deployment, "operator", [
        *promoter_rights(settings), *offset_reader_rights(settings), *letter_reader_rights(settings),
    ])  # fmt: skip
    await deployment.announce(first_release.saved)
    trainer = Command(
        training | {"REFRAIN_ARCHIVE_DIR": str(tmp_path / "archive"), "REFRAIN_TRAINER_WEB_PORT": "0"}, "trainer"
    )

    async with supervised(deployment, "a", "b", **working) as supervisor:
        await load(deployment, 400)
        victim = supervisor.workers[0]
        await asyncio.to_thread(victim.kill)
        await load(deployment, 400)
        await supervisor.ready()
        supervisor.note_fault()
        restart = asyncio.create_task(asyncio.to_thread(secured.plain.restart))
        await deployment.feed_until(restart.done, "the broker is back")
        await restart
        await load(deployment, 400)
        await deployment.all_done()
        reports = [await run_command(operating, *command) for command in
                   (("releases", "list"), ("offsets", "show"), ("dead-letters", "list"))]  # fmt: skip

    assert [report.status for report in reports] == [0, 0, 0], reports
    assert set(supervisor.statuses) <= {-9, Status.CRASHED, 4}
    assert set(await deployment.stop_all()) == {0}
    await judge(deployment, [first_release.release])
    assert trainer.is_running, trainer.output
    trainer.stop()
    assert (await trainer.ended()).status == 0
    assert not any("s3cret" in worker.log for worker in deployment.workers)
    observe("TLS, SCRAM-SHA-512 and exactly the listed ACLs: a worker killed, the broker restarted; every play is "
            "answered once, states equal the oracle's, the trainer went on, commands exit with 0")  # fmt: skip


async def test_a_command_needs_each_of_its_rights_and_names_the_one_that_is_missing(
    secured: SecuredKafka, deployment: Deployment, first_release: TinyRelease, observe: Observe
) -> None:
    await deployment.announce(first_release.saved)
    for number, (template, rights_of) in enumerate(COMMANDS.items()):
        command = [first_release.saved.release_id if word == "RELEASE" else word for word in template]
        rights = rights_of(deployment.settings)
        environment = await admit(secured, deployment, f"operator-{number}", rights)
        done = await run_command(environment, *command)
        assert done.status == 0, done.output

        await needs_each(secured, environment, command, rights)
        observe(f"`{' '.join(template)}` with its {len(rights)} rights: done; without one: 3, and a line with its name")


async def needs_each(
    secured: SecuredKafka, environment: Mapping[str, str], command: Sequence[str], rights: Sequence[Right]
) -> None:
    """Take each right away, and see that the command names it."""
    user = environment["REFRAIN_KAFKA_USERNAME"]
    for right in rights:
        await secured.revoke(right, user)
        refused = await run_command(environment, *command)
        await secured.grant([right], user)

        assert refused.status == Status.REFUSED, (right, refused.output)
        assert f"lacks {right};" in last_line(refused)


@pytest.mark.parametrize(("command", "rights_of"), [("worker", worker_rights), ("trainer", trainer_rights)])
async def test_a_process_needs_each_of_its_rights_and_names_the_one_that_is_missing(
    command: str, rights_of: Rights, secured: SecuredKafka, deployment: Deployment, observe: Observe
) -> None:
    rights = rights_of(deployment.settings)
    environment = await admit(secured, deployment, command, rights)
    environment |= {"REFRAIN_ARCHIVE_DIR": str(deployment.directory / "archive"), "REFRAIN_TRAINER_WEB_PORT": "0"}

    await needs_each(secured, environment, [command], rights)

    observe(f"`{command}` without one of its {len(rights)} rights: 3, and a line with its name")


@pytest.mark.parametrize(
    "obstacle",
    [
        ({"PASSWORD": "wr0ng"}, 3, "does not let user"),
        ({"CA_FILE": ""}, 3, "is not signed by an authority we trust"),
        ({"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "CA_FILE": ""}, 3, "speaks TLS"),
        ({"BOOTSTRAP_SERVERS": "expired"}, 3, "has expired"),
        ({"BOOTSTRAP_SERVERS": "elsewhere"}, 3, "is for another host"),
        ({"BOOTSTRAP_SERVERS": "clear"}, 3, "does not speak TLS"),
        ({"BOOTSTRAP_SERVERS": "127.0.0.1:1"}, 4, "no broker answers"),
        ({"SASL_MECHANISM": "GSSAPI"}, 2, "must be one of"),
    ],
)
async def test_what_keeps_a_process_out_is_one_line_and_the_right_status(
    obstacle: tuple[Mapping[str, str], int, str], secured: SecuredKafka, tmp_path: Path, observe: Observe
) -> None:
    change, status, cause = obstacle
    environment = {
        **secured.environment(), **{f"REFRAIN_KAFKA_{name}": secured.address(text) if text in secured.ports else text
                                    for name, text in change.items()},
        "REFRAIN_WEB_PORT": "0", "REFRAIN_TRAINER_WEB_PORT": "0", "REFRAIN_STATE_DIR": str(tmp_path / "state"),
        "REFRAIN_ARCHIVE_DIR": str(tmp_path / "archive"),
    }  # fmt: skip

    for command in (["worker"], ["trainer"], ["trainer", "--once"], ["releases", "list"], ["offsets", "show"],
                    ["dead-letters", "list"]):  # fmt: skip
        ended = await run_command(environment, *command)

        assert (ended.status, cause in last_line(ended)) == (status, True), (command, ended.output)
    observe(f"worker, trainer and commands, {cause}: one line, status {status}")


async def test_a_worker_whose_right_is_taken_away_ends_and_its_next_start_names_it(
    secured: SecuredKafka, deployment: Deployment, first_release: TinyRelease, observe: Observe
) -> None:
    rights = worker_rights(deployment.settings)
    environment = await admit(secured, deployment, "worker", rights)
    await deployment.announce(first_release.saved)
    worker = deployment.start("a", **without_prefix(environment))
    await worker.ready()

    taken = Right("Write", "topic", deployment.settings.short_term_topic)
    await secured.revoke(taken, environment["REFRAIN_KAFKA_USERNAME"])
    await deployment.feed(40)
    assert await worker.ended() == Status.CRASHED
    again = deployment.start("a", **without_prefix(environment))
    assert await again.ended() == Status.REFUSED
    assert f"lacks {taken};" in again.log
    await secured.grant([taken], environment["REFRAIN_KAFKA_USERNAME"])
    last = await until_it_answers(deployment, environment)

    assert await last.stop() == 0
    await judge(deployment, [first_release.release])
    observe("a right taken away from a running worker: 70, then 3 with its name; given back, it goes on where it was")


async def until_it_answers(deployment: Deployment, environment: Mapping[str, str]) -> WorkerProcess:
    worker = deployment.start("a", **without_prefix(environment))
    await worker.ready()
    await deployment.all_done()
    await until(worker.is_ready, "the worker is ready")
    return worker
