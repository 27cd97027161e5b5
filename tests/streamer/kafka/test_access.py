"""What a secured Kafka does to those whom it does not let in."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError

from streamer.errors import AccessError, SettingsError
from streamer.kafka.access import check_access
from streamer.kafka.connection import connection_of
from streamer.kafka.rights import Right, release_reader_rights, worker_rights
from streamer.local.devkafka import DevKafka
from streamer.settings import Settings
from tests.cases.observations import Observe
from tests.certificates import make_authority, sign
from tests.onkafka import create_topic
from tests.secured import LISTENERS, SecuredKafka

pytestmark = pytest.mark.kafka

#: Changes to the settings; None removes one.
Changes = Mapping[str, str | None]

NOBODY: Changes = {"SASL_MECHANISM": None, "USERNAME": None, "PASSWORD": None}
PLAINTEXT: Changes = {**NOBODY, "CA_FILE": None, "SECURITY_PROTOCOL": "PLAINTEXT"}
UNENCRYPTED: Changes = {"CA_FILE": None, "SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
CERTIFIED: Changes = {**NOBODY, "SECURITY_PROTOCOL": "SSL"}


def settings_of(secured: SecuredKafka, listener: str, changes: Changes) -> Settings:
    environment = secured.environment() | {"REFRAIN_KAFKA_BOOTSTRAP_SERVERS": secured.address(listener)}
    for name, text in changes.items():
        environment.pop(f"REFRAIN_KAFKA_{name}", None)
        if text is not None:
            environment[f"REFRAIN_KAFKA_{name}"] = text
    return Settings.from_environment(environment)


async def refusal(settings: Settings) -> str:
    """Return why a check of the access fails, with the same address on each run."""
    with pytest.raises((AccessError, SettingsError)) as caught:
        await check_access(connection_of(settings))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(settings.kafka_bootstrap_servers, "kafka:9093")


def token(valid_s: float) -> str:
    """Return an unsigned token, as the broker of the tests takes them."""
    claims = {"sub": "refrain", "iat": time.time() - 3600, "exp": time.time() + valid_s}
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, claims)
    ) + "."  # fmt: skip


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("listener", ["sasl", "clear"])
async def test_a_user_with_the_right_password_is_let_in(secured: SecuredKafka, listener: str, mechanism: str) -> None:
    changes = {} if listener == "sasl" else UNENCRYPTED

    await check_access(connection_of(settings_of(secured, listener, {**changes, "SASL_MECHANISM": mechanism})))


async def test_a_token_and_a_certificate_are_let_in(secured: SecuredKafka, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{token(60)}\n")
    bearer = {**NOBODY, "SASL_MECHANISM": "OAUTHBEARER", "TOKEN_FILE": str(tmp_path / "token")}
    certificate = str(sign(secured.authority, tmp_path, "client", password="s3cret"))
    certified = {**CERTIFIED, "CERTIFICATE_FILE": certificate, "KEY_PASSWORD": "s3cret"}
    careless = {"CHECK_HOSTNAME": "false"}

    for listener, changes in (("sasl", bearer), ("mutual", certified), ("elsewhere", careless)):
        await check_access(connection_of(settings_of(secured, listener, changes)))


@pytest.mark.kind(2)
@pytest.mark.parametrize(
    ("listener", "changes", "cause"),
    [
        ("sasl", {"PASSWORD": "s3cret"}, "does not let user 'refrain' in"),
        ("sasl", {"PASSWORD": "s3cret", "SASL_MECHANISM": "PLAIN"}, "does not let user 'refrain' in"),
        ("sasl", {"USERNAME": "nobody"}, "does not let user 'nobody' in"),
        ("expired", {}, "the certificate of kafka:9093 has expired"),
        ("elsewhere", {}, "the certificate of kafka:9093 is for another host"),
        ("sasl", {"CA_FILE": None}, "is not signed by an authority we trust"),
        ("sasl", {"CA_FILE": __file__}, "holds no certificates"),
        ("sasl", {"CERTIFICATE_FILE": __file__}, "the certificate and its key cannot be used"),
        ("mutual", CERTIFIED, "kafka:9093 refuses our certificate"),
        ("clear", {}, "kafka:9093 does not speak TLS"),
        ("sasl", PLAINTEXT, "kafka:9093 speaks TLS: set REFRAIN_KAFKA_SECURITY_PROTOCOL to SSL"),
        ("sasl", UNENCRYPTED, "kafka:9093 speaks TLS: set REFRAIN_KAFKA_SECURITY_PROTOCOL to SASL_SSL"),
        ("clear", PLAINTEXT, "kafka:9093 hangs up on whoever does not log in"),
        ("sasl", CERTIFIED, "kafka:9093 hangs up on whoever does not log in"),
        ("mutual", {}, "kafka:9093 refuses our certificate"),
    ],
)
async def test_whoever_is_not_let_in_hears_why(
    secured: SecuredKafka, listener: str, changes: Changes, cause: str, observe: Observe
) -> None:
    line = await refusal(settings_of(secured, listener, changes))

    assert cause in line
    assert "s3cret" not in line
    observe(f"{LISTENERS[listener]} listener: {line.replace(__file__, 'FILE')}")


@pytest.mark.kind(2)
async def test_strangers_and_tokens_that_are_refused_hear_why(
    secured: SecuredKafka, tmp_path: Path, observe: Observe
) -> None:
    stranger = make_authority(tmp_path, "stranger")
    certified = {**CERTIFIED, "CERTIFICATE_FILE": str(sign(stranger, tmp_path, "client"))}
    bearer = {**NOBODY, "SASL_MECHANISM": "OAUTHBEARER", "TOKEN_FILE": str(tmp_path / "token")}

    lines = [
        await refusal(settings_of(secured, "mutual", certified)),
        await refusal(settings_of(secured, "sasl", {"CA_FILE": str(stranger.file)})),
    ]
    for text in (token(-60), "nonsense", ""):
        (tmp_path / "token").write_text(text)
        lines.append(await refusal(settings_of(secured, "sasl", bearer)))

    causes = ("refuses our certificate", "not signed by an authority", "refuses the token", "refuses the token",
              "gives an empty token")  # fmt: skip
    assert [cause in line for cause, line in zip(causes, lines, strict=True)] == [True] * 5, lines
    for line in lines:
        observe(line.replace(str(tmp_path), "DIRECTORY"))


async def test_a_login_where_there_is_none_is_refused(kafka: DevKafka, secured: SecuredKafka) -> None:
    settings = settings_of(secured, "sasl", {**UNENCRYPTED, "BOOTSTRAP_SERVERS": kafka.bootstrap_servers})

    assert "rejects REFRAIN_KAFKA_SASL_MECHANISM" in await refusal(settings)


async def test_a_broker_that_does_not_answer_refuses_nobody(secured: SecuredKafka) -> None:
    silent = settings_of(secured, "sasl", {"BOOTSTRAP_SERVERS": "127.0.0.1:1,nowhere.invalid:9092"})

    with pytest.raises(KafkaConnectionError, match=r"no broker answers: .*127\.0\.0\.1:1 \("):
        await check_access(connection_of(silent))


async def test_the_first_broker_that_answers_is_asked(secured: SecuredKafka) -> None:
    servers = f"127.0.0.1:1,{secured.address('sasl')}"

    await check_access(connection_of(settings_of(secured, "sasl", {"BOOTSTRAP_SERVERS": servers})))


async def test_without_an_authorizer_no_right_is_missing(kafka: DevKafka, topic_prefix: str) -> None:
    settings = Settings(kafka_bootstrap_servers=kafka.bootstrap_servers, app_id=topic_prefix)

    await check_access(connection_of(settings), worker_rights(settings))


@pytest.mark.kind(2)
async def test_each_missing_right_is_named(secured: SecuredKafka, topic_prefix: str, observe: Observe) -> None:
    settings = with_topics_of_its_own(secured, topic_prefix)
    rights = worker_rights(settings)
    for topic in {right.name for right in rights if right.resource == "topic"}:
        await create_topic(secured.plain.bootstrap_servers, topic)
    await secured.grant(rights)
    await check_access(connection_of(settings), rights)

    for right in rights:
        await secured.revoke(right)
        with pytest.raises(AccessError) as caught:
            await check_access(connection_of(settings), rights)
        await secured.grant([right])

        assert str(caught.value) == f"user 'refrain' lacks {right}; see docs/access.md"
    await check_access(connection_of(settings), rights)
    observe(
        f"each of {len(rights)} rights of a worker, taken away, is named: {caught.value}".replace(topic_prefix, "app")
    )


async def test_all_missing_rights_are_named_at_once(secured: SecuredKafka, topic_prefix: str) -> None:
    settings = with_topics_of_its_own(secured, topic_prefix)
    rights = [Right("Read", "group", topic_prefix), *release_reader_rights(settings)]

    with pytest.raises(AccessError, match=rf"lacks Read on topic {topic_prefix}\S*, Read on group {topic_prefix};"):
        await check_access(connection_of(settings), rights)


def with_topics_of_its_own(secured: SecuredKafka, prefix: str) -> Settings:
    return settings_of(secured, "sasl", {}).model_copy(
        update={"app_id": prefix}
        | {
            f"{name}_topic": f"{prefix}.{name}"
            for name in ("plays", "short_term", "long_term", "dead_letter", "releases", "catalogue")
        }
    )
