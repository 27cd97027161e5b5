"""Which settings of security go together, and what is wrong where they do not."""

from collections.abc import Mapping
from typing import Any, Final

_TLS: Final = ("SSL", "SASL_SSL")
_SASL: Final = ("SASL_PLAINTEXT", "SASL_SSL")
_TOKEN: Final = "OAUTHBEARER"  # noqa: S105  the name of a mechanism

_OF_TLS: Final = ("kafka_ca_file", "kafka_certificate_file", "kafka_key_file", "kafka_key_password")
_OF_CERTIFICATE: Final = ("kafka_key_file", "kafka_key_password")
_OF_USER: Final = ("kafka_username", "kafka_password")
_OF_TOKEN: Final = ("kafka_token_file", "kafka_token_provider")


def find_misfit(field: str, *, is_given: bool, earlier: Mapping[str, Any]) -> str | None:
    """Say why a setting of security contradicts those before it; None if it does not.

    Args:
        field: its name.
        is_given: whether it has a value, other than the default.
        earlier: the valid settings before it, in the order of `Settings`.
    """
    protocol, mechanism = earlier.get("kafka_security_protocol"), earlier.get("kafka_sasl_mechanism")
    if is_given and protocol is not None and (needed := _needed_protocols(field)) and protocol not in needed:
        return f"needs REFRAIN_KAFKA_SECURITY_PROTOCOL={' or '.join(needed)}, which is {protocol}"
    if is_given and field in _OF_CERTIFICATE and earlier.get("kafka_certificate_file") == "":
        return "needs REFRAIN_KAFKA_CERTIFICATE_FILE, the certificate that the key belongs to"
    if field == "kafka_sasl_mechanism" and not is_given and protocol in _SASL:
        return f"is needed by REFRAIN_KAFKA_SECURITY_PROTOCOL={protocol}"
    if field in _OF_USER and mechanism is not None:
        return _misfit_of_user(mechanism, is_given=is_given)
    if field in _OF_TOKEN and mechanism is not None:
        return _misfit_of_token(field, mechanism, earlier, is_given=is_given)
    return None


def _needed_protocols(field: str) -> tuple[str, ...]:
    if field in (*_OF_TLS, "kafka_check_hostname"):
        return _TLS
    return _SASL if field == "kafka_sasl_mechanism" else ()


def _misfit_of_user(mechanism: str, *, is_given: bool) -> str | None:
    if mechanism in {"", _TOKEN} and is_given:
        return "needs REFRAIN_KAFKA_SASL_MECHANISM=PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    if mechanism not in {"", _TOKEN} and not is_given:
        return f"is needed by REFRAIN_KAFKA_SASL_MECHANISM={mechanism}"
    return None


def _misfit_of_token(field: str, mechanism: str, earlier: Mapping[str, Any], *, is_given: bool) -> str | None:
    if is_given and mechanism != _TOKEN:
        return f"needs REFRAIN_KAFKA_SASL_MECHANISM={_TOKEN}"
    if field == "kafka_token_file" or mechanism != _TOKEN or "kafka_token_file" not in earlier:
        return None
    if is_given == bool(earlier["kafka_token_file"]):
        return f"REFRAIN_KAFKA_SASL_MECHANISM={_TOKEN} needs either this or REFRAIN_KAFKA_TOKEN_FILE"
    return None
