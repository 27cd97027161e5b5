from collections.abc import Mapping
from pathlib import Path

import pytest

from streamer.errors import SettingsError
from streamer.settings import Settings
from tests.cases.observations import Observe

K = "REFRAIN_KAFKA_"
SCRAM = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "SCRAM-SHA-512", "USERNAME": "u", "PASSWORD": "s3cret"}
TOKEN = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER", "TOKEN_FILE": __file__}


def read(given: Mapping[str, str]) -> Settings:
    return Settings.from_environment({K + name: text for name, text in given.items()})


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"SECURITY_PROTOCOL": "ssl"},
        {"SECURITY_PROTOCOL": "SSL", "CA_FILE": __file__, "CERTIFICATE_FILE": __file__, "CHECK_HOSTNAME": "false"},
        {"SECURITY_PROTOCOL": "SSL", "CERTIFICATE_FILE": __file__, "KEY_FILE": __file__, "KEY_PASSWORD": "s3cret"},
        SCRAM,
        SCRAM | {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_MECHANISM": "plain"},
        TOKEN,
    ],
)
def test_settings_of_security_that_go_together_are_taken(given: Mapping[str, str]) -> None:
    assert read(given).kafka_security_protocol == given.get("SECURITY_PROTOCOL", "PLAINTEXT").upper()


@pytest.mark.kind(2)
@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"SECURITY_PROTOCOL": "TLS"}, "must be one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ({"CA_FILE": __file__}, "CA_FILE"),
        ({"CHECK_HOSTNAME": "false"}, "CHECK_HOSTNAME"),
        ({"SECURITY_PROTOCOL": "SSL", "CA_FILE": "/nowhere/ca.pem"}, "is no file that can be read"),
        ({"SECURITY_PROTOCOL": "SSL", "KEY_FILE": __file__}, "needs REFRAIN_KAFKA_CERTIFICATE_FILE"),
        ({"SECURITY_PROTOCOL": "SSL", "USERNAME": "u", "PASSWORD": "s3cret"}, "needs REFRAIN_KAFKA_SASL_MECHANISM"),
        ({"USERNAME": "u", "PASSWORD": "s3cret"}, "needs REFRAIN_KAFKA_SASL_MECHANISM"),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "REFRAIN_KAFKA_SASL_MECHANISM='': is needed by"),
        ({"SASL_MECHANISM": "PLAIN"}, "needs REFRAIN_KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT or SASL_SSL"),
        ({**SCRAM, "SASL_MECHANISM": "GSSAPI"}, "must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"),
        ({**SCRAM, "USERNAME": ""}, "REFRAIN_KAFKA_USERNAME='': is needed by"),
        ({**SCRAM, "PASSWORD": ""}, "REFRAIN_KAFKA_PASSWORD: is needed by"),
        ({**SCRAM, "TOKEN_FILE": __file__}, "needs REFRAIN_KAFKA_SASL_MECHANISM=OAUTHBEARER"),
        ({**TOKEN, "PASSWORD": "s3cret"}, "needs REFRAIN_KAFKA_SASL_MECHANISM=PLAIN"),
        ({**TOKEN, "TOKEN_FILE": ""}, "needs either this or REFRAIN_KAFKA_TOKEN_FILE"),
        ({**TOKEN, "TOKEN_PROVIDER": "p"}, "needs either this or REFRAIN_KAFKA_TOKEN_FILE"),
        ({"SECURITY_PROTOCOL": "SSL", "CHECK_HOSTNAME": "perhaps"}, "must be true or false"),
    ],
)
def test_settings_of_security_that_do_not_go_together_are_refused(
    given: Mapping[str, str], wrong: str, observe: Observe
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(given)

    assert wrong in str(caught.value)
    assert "s3cret" not in str(caught.value)
    observe(str(caught.value).splitlines()[0].replace(__file__, "FILE"))


@pytest.mark.kind(2)
def test_a_password_may_come_from_a_file_and_is_never_shown(tmp_path: Path, observe: Observe) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    given = {name: text for name, text in SCRAM.items() if name != "PASSWORD"}

    settings = read(given | {"PASSWORD_FILE": str(tmp_path / "password")})

    assert settings.kafka_password.get_secret_value() == "s3cret"
    assert "s3cret" not in f"{settings} {settings!r} {settings.describe()} {settings.model_dump_json()}"
    with pytest.raises(SettingsError, match="REFRAIN_KAFKA_PASSWORD and REFRAIN_KAFKA_PASSWORD_FILE are both set"):
        read(SCRAM | {"PASSWORD_FILE": str(tmp_path / "password")})
    observe("a password is read from a file, and shown as ***")
