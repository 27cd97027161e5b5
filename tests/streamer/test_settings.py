import dataclasses
from pathlib import Path

import pytest

from streamer.errors import SettingsError
from streamer.settings import Settings


def test_without_variables_the_defaults_apply() -> None:
    assert Settings.from_environment({"PATH": "/bin"}) == Settings()


def test_each_variable_sets_its_field_in_its_type() -> None:
    settings = Settings.from_environment(
        {
            "REFRAIN_APP_ID": "mine",
            "REFRAIN_MAX_WAIT_S": "0.25",
            "REFRAIN_PARTITIONS": "3",
            "REFRAIN_STATE_DIR": "there",
            "REFRAIN_ANSWER": "each",
        }
    )

    assert (settings.app_id, settings.max_wait_s, settings.partitions) == ("mine", 0.25, 3)
    assert (settings.state_dir, settings.answer) == (Path("there"), "each")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("REFRAIN_MAX_WAITS_S", "1", "unknown setting REFRAIN_MAX_WAITS_S; known settings: .*REFRAIN_MAX_WAIT_S"),
        ("REFRAIN_PARTITIONS", "0", "REFRAIN_PARTITIONS='0': must be at least 1, and finite; partitions of"),
        ("REFRAIN_PARTITIONS", "many", "REFRAIN_PARTITIONS='many'"),
        ("REFRAIN_PARTITIONS", "1.5", "REFRAIN_PARTITIONS='1.5'"),
        ("REFRAIN_MAX_WAIT_S", "-0.1", "must be at least 0"),
        ("REFRAIN_MAX_WAIT_S", "nan", "must be at least 0"),
        ("REFRAIN_MAX_WAIT_S", "inf", "REFRAIN_MAX_WAIT_S='inf'"),
        ("REFRAIN_ANSWER", "all", "must be one of latest, each"),
        ("REFRAIN_DEVICE", "tpu", "must be one of auto, cpu, cuda"),
        ("REFRAIN_STANDBYS", "-1", "must be at least 0"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(name: str, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.from_environment({name: text})


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("max_step_s", "transaction_timeout_s"),
        ("transaction_timeout_s", "rebalance_timeout_s"),
        ("heartbeat_s", "session_timeout_s"),
    ],
)
def test_times_that_do_not_fit_together_are_refused(low: str, high: str) -> None:
    limit_s = getattr(Settings(), high)

    with pytest.raises(SettingsError, match=f"REFRAIN_{low.upper()}=.* must be below REFRAIN_{high.upper()}"):
        Settings.from_environment({f"REFRAIN_{low.upper()}": str(limit_s)})


def test_every_field_gives_its_reason() -> None:
    assert [field.name for field in dataclasses.fields(Settings) if len(field.metadata["reason"]) < 10] == []


def test_every_default_survives_being_written_as_a_variable() -> None:
    fields = dataclasses.fields(Settings)
    environment = {f"REFRAIN_{field.name.upper()}": str(getattr(Settings(), field.name)) for field in fields}

    assert Settings.from_environment(environment) == Settings()


def test_the_description_names_every_variable() -> None:
    description = Settings().describe()

    for field in dataclasses.fields(Settings):
        assert f"REFRAIN_{field.name.upper()}=" in description


def test_the_changelog_is_named_after_the_deployment() -> None:
    assert Settings(app_id="mine").changelog_topic == "mine-listeners-changelog"
