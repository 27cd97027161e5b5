"""The doctor finds what is broken, and names the remedy: on one Kafka, a deployment for each fault."""

import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from streamer.errors import ContractError
from streamer.kafka.broker_version import require_version
from streamer.kafka.connection import connection_of
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from streamer.operations import machine_checks
from streamer.operations.doctor import diagnose, doctor
from streamer.operations.machine_checks import check_open_files
from streamer.operations.shapes import Finding
from streamer.releases.alias import move_alias
from streamer.runtime.files import hold_directory
from streamer.runtime.statuses import Status
from streamer.settings import Settings
from streamer.wire.changelog import MARK_KEY, Mark
from streamer.wire.messages import ReleaseNotice
from tests.builders import NOON_MS, play_value, save_tiny_release
from tests.commands import run_here
from tests.onkafka import create_topic, produce

Break = Callable[[Settings], Awaitable[None]]


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a machine where no Kafka answers."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return Settings(
        kafka_bootstrap_servers=f"127.0.0.1:{free_port()}", state_dir=tmp_path / "state", web_port=0, device="cpu"
    )


@pytest.fixture
def settings(kafka: DevKafka, topic_prefix: str, offline: Settings, tmp_path: Path) -> Settings:
    return offline.model_copy(
        update={
            "kafka_bootstrap_servers": kafka.bootstrap_servers,
            "app_id": topic_prefix,
            "plays_topic": f"{topic_prefix}.plays",
            "short_term_topic": f"{topic_prefix}.short",
            "long_term_topic": f"{topic_prefix}.long",
            "dead_letter_topic": f"{topic_prefix}.dead",
            "releases_topic": f"{topic_prefix}.releases",
            "catalogue_topic": f"{topic_prefix}.catalogue",
            "partitions": 1,
            "replication": 1,
            "releases_url": str(tmp_path / "releases"),
        }
    )


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def changed(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update=changes)


def of(findings: list[Finding], check: str) -> list[tuple[str, str]]:
    return [(each.outcome, each.says) for each in findings if each.check == check]


def sole(findings: list[Finding], check: str) -> tuple[str, str]:
    (found,) = of(findings, check)
    return found


async def test_without_kafka_the_machine_is_checked_and_the_rest_is_skipped(offline: Settings) -> None:
    findings = await diagnose(offline)

    outcome, says = sole(findings, "access")
    assert (outcome, says.endswith("check that Kafka runs at REFRAIN_KAFKA_BOOTSTRAP_SERVERS")) == ("failed", True)
    assert {each.outcome for each in findings if each.check in {"device", "state directory", "web server"}} == {"ok"}
    assert {each.outcome for each in findings if each.check in {"topics", "limits", "release"}} == {"skipped"}


async def test_what_is_wrong_with_the_machine_is_found(
    offline: Settings, taken_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(machine_checks, "_LEAST_FREE_BYTES", 1 << 60)
    wrong = changed(offline, device="cuda", web_host="203.0.113.9", kafka_token_provider="")
    in_use = changed(offline, web_host="127.0.0.1", web_port=taken_port)

    with hold_directory(offline.state_dir, name="state directory", remedy=""):
        findings, used = await diagnose(wrong), await diagnose(in_use)
    unwritable = await diagnose(changed(offline, state_dir=tmp_path / "file"))

    assert sole(findings, "device")[0] == "failed"
    assert "install its driver, or set auto or cpu" in sole(findings, "device")[1]
    assert "to an address that is free" in sole(findings, "web server")[1]
    held, disk = of(findings, "state directory")
    assert held[0] == "note"
    assert "is in use by process" in held[1]
    assert disk[0] == "failed"
    assert "GiB left: free some space" in disk[1]
    assert sole(used, "web server")[0] == "note"
    assert "cannot be used (File exists); set another REFRAIN_STATE_DIR" in sole(unwritable, "state directory")[1]
    (files,) = await check_open_files(1 << 20)
    assert (files.outcome, "raise the limit" in files.says) == ("failed", True)


def test_brokers_that_are_too_old_are_named() -> None:
    require_version("kafka:9092", [(0, 0, 9), (22, 0, 3)])

    with pytest.raises(ContractError, match=r"kafka:9092 is older than Kafka 2.5: upgrade"):
        require_version("kafka:9092", [(0, 0, 9), (22, 0, 2)])


async def nothing(settings: Settings) -> None:
    await ensure_topics(settings)


async def no_topics(_: Settings) -> None:
    """Start from an empty Kafka."""


async def states_that_are_deleted(settings: Settings) -> None:
    await create_topic(settings.kafka_bootstrap_servers, settings.changelog_topic)
    await ensure_topics(changed(settings, app_id=f"{settings.app_id}x"))


async def partitions_that_differ(settings: Settings) -> None:
    compact = {"cleanup.policy": "compact"}
    await create_topic(settings.kafka_bootstrap_servers, settings.short_term_topic, 2, compact)
    await create_topic(settings.kafka_bootstrap_servers, settings.plays_topic)


async def a_topic_that_refuses_answers(settings: Settings) -> None:
    configs = {"cleanup.policy": "compact", "max.message.bytes": "1000"}
    await create_topic(settings.kafka_bootstrap_servers, settings.long_term_topic, 1, configs)
    await ensure_topics(settings)


async def a_topic_that_forgets_nobody(settings: Settings) -> None:
    await create_topic(settings.kafka_bootstrap_servers, settings.long_term_topic, 1, {"cleanup.policy": "compact"})
    await ensure_topics(settings)


async def plays_of_tomorrow(settings: Settings) -> None:
    await ensure_topics(settings)
    at_ms = int(time.time() * 1000) + 3_600_000
    await produce(settings.kafka_bootstrap_servers, settings.plays_topic, play_value("u", "t1"), timestamp_ms=at_ms)


async def a_recreated_topic(settings: Settings) -> None:
    await ensure_topics(settings)
    mark = Mark(99, NOON_MS).encode()
    await produce(settings.kafka_bootstrap_servers, settings.changelog_topic, mark, key=MARK_KEY)


async def an_open_transaction(settings: Settings) -> None:
    await ensure_topics(settings)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, transactional_id=f"{settings.app_id}-foreign"
    )
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(settings.plays_topic, b"{}", b"u", partition=0)
    await producer._sender.close()  # dies without ending it
    await producer.client.close()
    producer._closed = True


async def announce(settings: Settings) -> Path:
    await ensure_topics(settings)
    saved = save_tiny_release(Path(settings.releases_url))
    await move_alias(connection_of(settings), settings.releases_topic, ReleaseNotice(*saved))
    return Path(saved.location.removeprefix("file://"))


async def a_release(settings: Settings) -> None:
    await announce(settings)


async def a_damaged_release(settings: Settings) -> None:
    weights = await announce(settings) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")


async def a_lost_release(settings: Settings) -> None:
    (await announce(settings)).rename(Path(settings.releases_url) / "elsewhere")


async def an_unsigned_release(settings: Settings) -> None:
    await announce(settings)
    write_key(settings.releases_public_keys)


def write_key(path: str) -> None:
    public = Ed25519PrivateKey.generate().public_key()
    Path(path).write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("broken", "changes", "check", "outcome", "said"),
    [
        (no_topics, {}, "topics", "note", "the first worker creates it"),
        (
            no_topics,
            {"kafka_security_protocol": "SSL"},
            "access",
            "failed",
            "does not speak TLS: set REFRAIN_KAFKA_SEC",
        ),
        (
            nothing,
            {},
            "release",
            "note",
            "0 plays, and REFRAIN_TRAIN_MIN_PLAYS is 20,000 here: run `refrain trainer`",
        ),
        (nothing, {"replication": 3}, "topics", "note", "set REFRAIN_REPLICATION=1 where one copy is enough"),
        (nothing, {"session_timeout_s": 9000.0}, "limits", "failed", "set REFRAIN_SESSION_TIMEOUT_S to at most"),
        (nothing, {"transaction_timeout_s": 9e5}, "limits", "failed", "set REFRAIN_TRANSACTION_TIMEOUT_S to at most"),
        (states_that_are_deleted, {}, "topics", "failed", "--add-config cleanup.policy=compact`"),
        (partitions_that_differ, {}, "topics", "failed", "with as many, or choose another name"),
        (a_topic_that_refuses_answers, {}, "limits", "failed", "--add-config max.message.bytes="),
        (a_topic_that_forgets_nobody, {}, "topics", "note", "--add-config max.compaction.lag.ms=[86400000]"),
        (plays_of_tomorrow, {}, "clock", "failed", "s ahead of this machine's clock: set the clocks"),
        (a_recreated_topic, {}, "offsets", "failed", "`refrain offsets reset --to earliest`"),
        (
            an_open_transaction,
            {},
            "offsets",
            "note",
            "kafka-transactions.sh --bootstrap-server $REFRAIN_KAFKA_BOOTSTRAP_SERVERS abort",
        ),
        (a_release, {}, "release", "ok", "every byte verified, not checked for a signature"),
        (a_damaged_release, {}, "release", "failed", "see `refrain releases list`, and promote an intact one"),
        (a_lost_release, {}, "release", "failed", "has no manifest.json"),
        (
            an_unsigned_release,
            {"releases_public_keys": "{here}/keys"},
            "release",
            "failed",
            "is not signed; promote it",
        ),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
async def test_each_broken_deployment_is_found_with_its_remedy(
    settings: Settings, tmp_path: Path, *, broken: Break, changes: dict[str, Any], check: str, outcome: str, said: str
) -> None:
    here = {name: value.format(here=tmp_path) if isinstance(value, str) else value for name, value in changes.items()}
    given = changed(settings, **here)
    await broken(settings if check in {"access", "limits"} or "replication" in changes else given)

    findings = await diagnose(given)

    assert any(found == outcome and said in says for found, says in of(findings, check)), findings
    others = [each for each in findings if each.check != check and each.outcome == "failed"]
    assert others == []


@pytest.mark.kafka
async def test_a_sound_deployment_passes(settings: Settings) -> None:
    await a_release(settings)

    findings = await diagnose(settings)

    assert {each.outcome for each in findings} <= {"ok", "note"}
    assert sole(findings, "topics") == ("ok", "7 topics, 1 partition of plays")
    assert sole(findings, "group")[1].endswith("none, no worker runs")


def test_a_failure_is_status_3_and_in_the_json(offline: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_here(doctor, offline, "--json")

    diagnosis = json.loads(capsys.readouterr().out)
    assert ended.value.code == Status.REFUSED
    assert diagnosis["num_failed"] == 1
    assert [each["check"] for each in diagnosis["findings"] if each["outcome"] == "failed"] == ["access"]
