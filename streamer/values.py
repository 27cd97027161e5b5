"""What a setting may be: types that check a value and say what would be right."""

import os
import re
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from streamer.addresses import parse_servers, parse_web_url

_INT32: Final = 2**31

#: Kafka's own rule for topics and for the members of a group.
_NAME: Final = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9._-]*")
_MAX_NAME: Final = 249

#: What may stand behind `Bearer` in a header, RFC 6750, and is too long to be guessed.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise ValueError(
            f"must be at most {_MAX_NAME} of Kafka's characters: letters, digits, dots, hyphens, underscores"
        )
    return name


def _check_app_id(app_id: str) -> str:
    _check_name(f"{app_id}-listeners-changelog")
    return _check_name(app_id)


def _check_brokers(text: str) -> str:
    return ",".join(parse_servers(text))


def _check_web_url(text: str) -> str:
    return text and parse_web_url(text)


def _check_file(path: str) -> str:
    if path and not (Path(path).is_file() and os.access(path, os.R_OK)):
        raise ValueError("is no file that can be read")
    return path


def _check_token(token: SecretStr) -> SecretStr:
    if token.get_secret_value() and not _TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError(
            "must be 16 characters or more, of letters, digits and -._~+/=; `openssl rand -hex 32` makes one"
        )
    return token


def _raise_case(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _fold_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Brokers: TypeAlias = Annotated[str, AfterValidator(_check_brokers)]
WebUrl: TypeAlias = Annotated[str, AfterValidator(_check_web_url)]
ReadableFile: TypeAlias = Annotated[str, AfterValidator(_check_file)]
KafkaName: TypeAlias = Annotated[str, AfterValidator(_check_name)]
AppId: TypeAlias = Annotated[str, AfterValidator(_check_app_id)]

#: Lets whoever sends it in; empty: there is none.
Token: TypeAlias = Annotated[SecretStr, AfterValidator(_check_token)]

#: A setting may have a lower limit of its own, as `le`.
Num: TypeAlias = Annotated[int, Field(ge=1, lt=_INT32)]
Count: TypeAlias = Annotated[int, Field(ge=0, lt=_INT32)]
Port: TypeAlias = Annotated[int, Field(ge=0, le=65_535)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Milliseconds: TypeAlias = Annotated[float, Field(ge=0, le=60_000, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

#: A time that Kafka keeps as milliseconds of 32 bits.
KafkaSeconds: TypeAlias = Annotated[float, Field(ge=0.001, le=1_000_000, allow_inf_nan=False)]

#: Beside the literals of a choice: `INFO` is `info`.
ANY_CASE: Final = BeforeValidator(_fold_case)

#: The same for names that are written in capitals.
UPPER_CASE: Final = BeforeValidator(_raise_case)
