import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from streamer.errors import SettingsError
from streamer.operations.setting_listing import list_settings
from streamer.operations.settings import settings
from streamer.runtime.commands import Surroundings, invoke
from streamer.settings import Settings
from streamer.variables import secrets, variable


def show(environment: dict[str, str], *arguments: str) -> None:
    invoke(settings, arguments, Surroundings(environment, lambda: Settings.from_environment(environment)))


def test_each_setting_is_shown_with_unit_value_source_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    show({"REFRAIN_MAX_STEP_S": "12", "REFRAIN_RELEASES_URL": "s3://me:secret@store/releases"})

    shown = capsys.readouterr().out
    assert "Answers\n" in shown
    assert (
        "  REFRAIN_MAX_STEP_S=12.0 s  (variable; default: 20.0)\n"
        "      seconds a step may take before the worker ends itself\n"
    ) in shown
    assert "REFRAIN_PARTITIONS=8 partitions  (default)\n" in shown
    assert "me:secret" not in shown


def test_json_has_every_setting_and_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text("-----BEGIN PRIVATE KEY-----")

    show({"REFRAIN_RELEASES_SIGNING_KEY_FILE": str(tmp_path / "key"), "REFRAIN_ANSWER": "EACH"}, "--json")

    text = capsys.readouterr().out
    shown = {each["name"]: each for each in json.loads(text)["settings"]}
    assert set(shown) == set(map(variable, Settings.model_fields))
    assert shown["REFRAIN_ANSWER"] == {
        "name": "REFRAIN_ANSWER",
        "section": "Answers",
        "unit": "",
        "choices": ["latest", "each"],
        "default": "latest",
        "value": "each",
        "source": "variable",
        "file": None,
        "reason": Settings.model_fields["answer"].description,
    }
    key = shown["REFRAIN_RELEASES_SIGNING_KEY"]
    assert (key["value"], key["source"], key["file"]) == ("***", "file", str(tmp_path / "key"))
    assert "PRIVATE" not in text


def test_a_secret_of_a_variable_is_masked() -> None:
    for field in secrets(Settings):
        given = Settings().model_copy(update={field: SecretStr("hush")})

        (listed,) = [each for each in list_settings(given, {variable(field): "hush"}) if each.name == variable(field)]
        assert (listed.value, listed.default, listed.source) == ("***", "", "variable")


def test_wrong_settings_are_said_instead() -> None:
    with pytest.raises(SettingsError, match="REFRAIN_PARTITIONS='0': must be at least 1"):
        show({"REFRAIN_PARTITIONS": "0"})
