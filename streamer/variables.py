"""A frozen class read from environment variables, with everything that is wrong with them said at once.

A field is the variable `REFRAIN_` followed by its name in capitals. A field of type `SecretStr` may also be given by
`REFRAIN_X_FILE`, the path of a file that holds it; its value appears in no message. An empty variable is an error,
unless the field is empty by default: a template that lost its value does not mean the default.
"""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from streamer.errors import SettingsError

PREFIX: Final = "REFRAIN_"
_FILE: Final = "_FILE"

Fields = TypeVar("Fields", bound=BaseModel)

#: What pydantic finds wrong, in plain words.
_WRONG: Final = {
    "bool_parsing": "must be true or false",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a shorter number",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "value_error": "{error}",
}


def variable(field: str) -> str:
    """Name the variable of a field."""
    return PREFIX + field.upper()


def secrets(kind: type[BaseModel]) -> frozenset[str]:
    """Return the fields that are never printed, and may be given by a file."""
    return frozenset(name for name, field in kind.model_fields.items() if field.annotation is SecretStr)


def find_file(field: str, environment: Mapping[str, str]) -> str | None:
    """Return the path of the file that holds a secret; None if no variable names one."""
    path = environment.get(variable(field) + _FILE)
    return None if path is None else path.strip()


def read_variables(kind: type[Fields], environment: Mapping[str, str]) -> Fields:
    """Make a frozen class of the variables that begin with `REFRAIN_`.

    Raises:
        SettingsError: variables are unknown, or their values impossible; its message has a line for each.
    """
    given = {name: text for name, text in environment.items() if name.upper().startswith(PREFIX)}
    problems, texts = list(_unknown(kind, given)), dict[str, str]()
    for field in kind.model_fields:
        try:
            text = _text(kind, field, given)
        except ValueError as exc:
            problems.append(str(exc))
            continue
        if text is not None:
            texts[field] = text
    try:
        fields = kind.model_validate(texts)
    except ValidationError as exc:
        problems += [_problem(kind, error, texts) for error in exc.errors()]
    if problems:
        raise SettingsError("\n".join(problems))  # without pydantic's error as its cause: that one shows secrets
    return fields


def _unknown(kind: type[BaseModel], given: Mapping[str, str]) -> Iterator[str]:
    known = sorted([*map(variable, kind.model_fields), *(variable(field) + _FILE for field in secrets(kind))])
    endings = [name.removeprefix(PREFIX) for name in known]  # else all names are alike
    retired: Mapping[str, str] = getattr(kind, "RETIRED", {})
    for name in sorted(given.keys() - known):
        if name in retired:
            yield f"{name} is no longer a setting; {retired[name]}"
            continue
        near = difflib.get_close_matches(name.upper().removeprefix(PREFIX), endings, n=1)
        hint = f"did you mean {PREFIX}{near[0]}?" if near else f"known are {', '.join(known)}"
        yield f"unknown setting {name}; {hint}"


def _text(kind: type[BaseModel], field: str, given: Mapping[str, str]) -> str | None:
    """Return the text of a field, None if it is not given.

    Raises:
        ValueError: there is none to be had; the message is the problem's line.
    """
    name = variable(field)
    if field in secrets(kind):
        return _secret(name, given)
    if (text := given.get(name)) is None:
        return None
    text, default = text.strip(), str(kind.model_fields[field].default)
    if not text and default:
        raise ValueError(f"{name} is empty: give it a value, or remove it to have {default}{_reason(kind, field)}")
    if _is_not_utf8(text):
        raise ValueError(f"{name}={text!r}: must be UTF-8{_reason(kind, field)}")
    return text


def _secret(name: str, given: Mapping[str, str]) -> str | None:
    text, path = given.get(name), given.get(name + _FILE)
    if path is not None and text is not None:
        raise ValueError(f"{name} and {name}{_FILE} are both set: remove one of them")
    if path is not None:
        try:
            return Path(path.strip()).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError) as exc:
            cause = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
            raise ValueError(f"{name}{_FILE}={path!r} cannot be read: {cause}") from None
    if text is not None and _is_not_utf8(text):
        raise ValueError(f"{name}: must be UTF-8")
    return text


def _is_not_utf8(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text)  # how Python keeps bytes that are not


def _problem(kind: type[BaseModel], error: ErrorDetails, texts: Mapping[str, str]) -> str:
    field = str(error["loc"][0])
    if error["type"] == "literal_error":
        wrong = f"must be one of {', '.join(filter(None, get_args(kind.model_fields[field].annotation)))}"
    else:
        limits = {name: str(limit).removesuffix(".0") for name, limit in error.get("ctx", {}).items()}
        wrong = _WRONG.get(error["type"], error["msg"]).format(**limits)
    given = "" if field in secrets(kind) else f"={texts.get(field, kind.model_fields[field].default)!r}"
    return f"{variable(field)}{given}: {wrong}{_reason(kind, field)}"


def _reason(kind: type[BaseModel], field: str) -> str:
    return f"; {kind.model_fields[field].description}"
