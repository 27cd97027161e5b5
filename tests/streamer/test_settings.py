from pathlib import Path
from typing import Final

import pytest
from pydantic import Field, SecretStr

from streamer.errors import SettingsError
from streamer.settings import Settings
from streamer.variables import variable
from tests.cases.observations import Observe


class GuardedSettings(Settings):
    token: SecretStr = Field(default=SecretStr(""), description="proves who asks")


#: What an operator may set, and what Refrain then says; with the reason of the setting behind it.
WRONG: Final = [
    ("MAX_STEPS_S", "1", "unknown setting REFRAIN_MAX_STEPS_S; did you mean REFRAIN_MAX_STEP_S?"),
    ("MAX_WAIT_S", "1", "REFRAIN_MAX_WAIT_S is no longer a setting; set REFRAIN_TARGET_LATENCY_MS"),
    ("ZEBRA", "1", "unknown setting REFRAIN_ZEBRA; known are REFRAIN_A"),
    ("app_id", "mine", "unknown setting REFRAIN_app_id; did you mean REFRAIN_APP_ID?"),
    ("TOKEN_FILE", "/token", "unknown setting REFRAIN_TOKEN_FILE; "),
    ("PARTITIONS", "0", "REFRAIN_PARTITIONS='0': must be at least 1; partitions of `plays`"),
    ("PARTITIONS", "many", "REFRAIN_PARTITIONS='many': must be a whole number; "),
    ("PARTITIONS", "1.5", "REFRAIN_PARTITIONS='1.5': must be a whole number; "),
    ("PARTITIONS", "1e3", "REFRAIN_PARTITIONS='1e3': must be a whole number; "),
    ("PARTITIONS", "99999999", "REFRAIN_PARTITIONS='99999999': must be at most 10000; "),
    ("PARTITIONS", "", "REFRAIN_PARTITIONS is empty: give it a value, or remove it to have 8; "),
    ("APP_ID", "  ", "REFRAIN_APP_ID is empty: give it a value, or remove it to have refrain; "),
    ("TRAIN_MIN_PLAYS", "9" * 30, f"REFRAIN_TRAIN_MIN_PLAYS='{'9' * 30}': must be below 2147483648; "),
    ("TARGET_LATENCY_MS", "-0.1", "REFRAIN_TARGET_LATENCY_MS='-0.1': must be at least 0; "),
    ("TARGET_LATENCY_MS", "nan", "REFRAIN_TARGET_LATENCY_MS='nan': must be a finite number; "),
    ("TARGET_LATENCY_MS", "1e9999", "REFRAIN_TARGET_LATENCY_MS='1e9999': must be a finite number; "),
    ("TARGET_LATENCY_MS", "5ms", "REFRAIN_TARGET_LATENCY_MS='5ms': must be a number; "),
    ("REBALANCE_TIMEOUT_S", "1e12", "REFRAIN_REBALANCE_TIMEOUT_S='1e12': must be at most 1000000; "),
    ("ANSWER", "all", "REFRAIN_ANSWER='all': must be one of latest, each; "),
    ("PARTITIONER", "md5", "REFRAIN_PARTITIONER='md5': must be one of murmur2, crc32; "),
    ("DEVICE", "tpu", "REFRAIN_DEVICE='tpu': must be one of auto, cpu, cuda; "),
    ("STANDBYS", "-1", "REFRAIN_STANDBYS='-1': must be at least 0; "),
    ("READ_TOKEN", "guessable", "REFRAIN_READ_TOKEN: must be 16 characters or more, of letters, digits and -._~+/=; "),
    ("ACT_TOKEN", "a b" * 16, "REFRAIN_ACT_TOKEN: must be 16 characters or more"),
    ("WEB_PORT", "70000", "REFRAIN_WEB_PORT='70000': must be at most 65535; "),
    ("WEB_PORT", "-1", "REFRAIN_WEB_PORT='-1': must be at least 0; "),
    ("ADVERTISED_URL", "worker-0:6066", "REFRAIN_ADVERTISED_URL='worker-0:6066': write it as http://host:port or "),
    ("ADVERTISED_URL", "http://me:pw@worker-0", "write it without user, password, path, query and fragment; "),
    ("ADVERTISED_URL", "http://worker-0:0", "REFRAIN_ADVERTISED_URL='http://worker-0:0': name the port"),
    ("WEB_HOST", "caf\udcff", r"REFRAIN_WEB_HOST='caf\udcff': must be UTF-8; "),
    ("APP_ID", "my app", "REFRAIN_APP_ID='my app': must be at most 249 of Kafka's characters: letters, digits, "),
    ("APP_ID", "é", "REFRAIN_APP_ID='é': must be at most 249 of Kafka's characters: "),
    ("APP_ID", "a" * 230, f"REFRAIN_APP_ID='{'a' * 230}': must be at most 249 of Kafka's characters: "),
    ("INSTANCE_ID", "worker/1", "REFRAIN_INSTANCE_ID='worker/1': must be at most 249 of Kafka's characters: "),
    ("PLAYS_TOPIC", "..", "REFRAIN_PLAYS_TOPIC='..': must be at most 249 of Kafka's characters: "),
    ("SHORT_TERM_TOPIC", "plays", "REFRAIN_SHORT_TERM_TOPIC='plays': must differ from REFRAIN_PLAYS_TOPIC=plays"),
    ("DEAD_LETTER_TOPIC", "recommendations_long-term", "must differ from REFRAIN_LONG_TERM_TOPIC=recommendations.long"),
    ("RELEASES_TOPIC", "refrain-listeners-changelog", "must differ from the changelog of the states=refrain-listeners"),
    ("KAFKA_BOOTSTRAP_SERVERS", "kafka:notaport", "the port of kafka:notaport must be a number from 1 to 65535; "),
    ("MAX_STEP_S", "30", "REFRAIN_TRANSACTION_TIMEOUT_S=30.0: must be above REFRAIN_MAX_STEP_S=30; "),
    ("TRANSACTION_TIMEOUT_S", "60", "must be below REFRAIN_REBALANCE_TIMEOUT_S=60; "),
    ("HEARTBEAT_S", "10", "REFRAIN_HEARTBEAT_S='10': must be below REFRAIN_SESSION_TIMEOUT_S=10; "),
]  # fmt: skip


def test_without_variables_the_defaults_apply() -> None:
    assert Settings.from_environment({"PATH": "/bin"}) == Settings()


def test_each_variable_sets_its_field_in_its_type() -> None:
    settings = Settings.from_environment(
        {
            "REFRAIN_APP_ID": "mine",
            "REFRAIN_TARGET_LATENCY_MS": "0.25",
            "REFRAIN_PARTITIONS": " 3\n",
            "REFRAIN_STATE_DIR": "there",
            "REFRAIN_ANSWER": "each",
            "REFRAIN_LOG_LEVEL": "INFO",
            "REFRAIN_KAFKA_BOOTSTRAP_SERVERS": "kafka-1:9092, [::1]:9093",
        }
    )

    assert (settings.app_id, settings.target_latency_ms, settings.partitions) == ("mine", 0.25, 3)
    assert (settings.state_dir, settings.answer, settings.log_level) == (Path("there"), "each", "info")
    assert settings.kafka_bootstrap_servers == "kafka-1:9092,[::1]:9093"


@pytest.mark.parametrize(("name", "text", "said"), WRONG)
def test_an_impossible_setting_is_refused_in_a_line(name: str, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({f"REFRAIN_{name}": text})

    (line,) = str(refused.value).splitlines()
    assert said in line


@pytest.mark.kind(20)
def test_all_wrong_settings_are_named_at_once(observe: Observe) -> None:
    environment = {
        "REFRAIN_PARTITION": "3",
        "REFRAIN_DEVICE": "tpu",
        "REFRAIN_KAFKA_BOOTSTRAP_SERVERS": "kafka:notaport",
        "REFRAIN_HEARTBEAT_S": "20",
        "REFRAIN_LOG_LEVEL": "",
    }

    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(environment)

    lines = str(refused.value).splitlines()
    assert len(lines) == len(environment)
    assert all(any(name in line for line in lines) for name in environment)
    observe("five wrong settings are named in five lines: " + " / ".join(line.split(";")[0] for line in lines))


def test_a_secret_is_read_from_its_file_and_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" hush \n")

    read = GuardedSettings.from_environment({"REFRAIN_TOKEN_FILE": str(file)})
    given = GuardedSettings.from_environment({"REFRAIN_TOKEN": " hush "})

    assert read == given
    assert read.token.get_secret_value() == " hush "
    assert "hush" not in f"{read!r} {read} {read.describe()}"
    assert "REFRAIN_TOKEN=***" in read.describe()


def test_a_secret_that_cannot_be_read_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    environments = {
        "REFRAIN_TOKEN and REFRAIN_TOKEN_FILE are both set": {"REFRAIN_TOKEN": "hush", "REFRAIN_TOKEN_FILE": "/hush"},
        "cannot be read: No such file": {"REFRAIN_TOKEN_FILE": str(tmp_path / "none")},
        "cannot be read: Is a directory": {"REFRAIN_TOKEN_FILE": str(tmp_path)},
        "cannot be read: it is not UTF-8": {"REFRAIN_TOKEN_FILE": str(tmp_path / "binary")},
        "REFRAIN_TOKEN: must be UTF-8": {"REFRAIN_TOKEN": "hush\udcff"},
    }

    for said, environment in environments.items():
        with pytest.raises(SettingsError, match=said) as refused:
            GuardedSettings.from_environment(environment)
        assert "hush" not in str(refused.value)
        assert refused.value.__cause__ is None


def test_every_field_gives_its_reason() -> None:
    assert [name for name, field in Settings.model_fields.items() if len(field.description or "") < 10] == []


def test_every_default_survives_being_written_as_a_variable() -> None:
    environment = {variable(name): str(value) for name, value in Settings()}

    assert Settings.from_environment(environment) == Settings()


def test_the_description_names_every_variable() -> None:
    description = Settings().describe()

    for name in Settings.model_fields:
        assert f"{variable(name)}=" in description


def test_the_changelog_is_named_after_the_deployment() -> None:
    assert Settings(app_id="mine").changelog_topic == "mine-listeners-changelog"
