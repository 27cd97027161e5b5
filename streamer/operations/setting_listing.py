"""What `refrain settings` prints and docs/settings.md says: each setting with its unit, value and reason."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from streamer.addresses import mask
from streamer.sections import SECTIONS
from streamer.settings import Settings
from streamer.variables import find_file, secrets, variable

Value: TypeAlias = str | int | float | bool
Source: TypeAlias = Literal["default", "variable", "file"]

#: By how the name of a setting ends.
_UNITS: Final = {
    "_s": "s",
    "_ms": "ms",
    "_mb": "MiB",
    "_days": "days",
    "_plays": "plays",
    "_size": "tracks",
    "_above": "tracks",
    "_kept": "releases",
    "_epochs": "passes",
    "_threads": "threads",
    "_overlap": "share",
    "partitions": "partitions",
    "replication": "replicas",
    "standbys": "replicas",
}


@dataclass(frozen=True, slots=True)
class ListedSetting:
    """A setting as it is listed; the keys of the JSON are the names of the attributes.

    Attributes:
        name: of its variable.
        section: what it is about.
        unit: empty where it has none.
        choices: empty where it is free.
        default: without one, an empty text.
        value: `***` for a secret that is given.
        source: where the value is from.
        file: of a secret, whose path is in the variable `<name>_FILE`; else None.
        reason: what it decides, and why the default is what it is.
    """

    name: str
    section: str
    unit: str
    choices: Sequence[str]
    default: Value
    value: Value
    source: Source
    file: str | None
    reason: str


def list_settings(settings: Settings, environment: Mapping[str, str]) -> list[ListedSetting]:
    """List the settings, section by section.

    Args:
        settings: as they were read.
        environment: that they were read from.
    """
    return [_listed(settings, environment, section, field) for section, fields in SECTIONS.items() for field in fields]


def to_json(listed: Iterable[ListedSetting]) -> str:
    """Write one object whose `settings` are a list, ending with a newline."""
    return msgspec.json.encode({"settings": [asdict(each) for each in listed]}).decode() + "\n"


def to_text(listed: Iterable[ListedSetting]) -> str:
    """Lay the settings out for a reader, ending with a newline."""
    return "\n".join(_lines(listed)) + "\n"


def _lines(listed: Iterable[ListedSetting]) -> Iterator[str]:
    for place, (section, settings) in enumerate(groupby(listed, lambda each: each.section)):
        yield from ([""] if place else []) + [section]
        for each in settings:
            yield f"  {each.name}={_text(each.value)}{f' {each.unit}' if each.unit else ''}  ({_origin(each)})"
            yield f"      {each.reason}"


def _origin(listed: ListedSetting) -> str:
    if listed.source == "default":
        return "default"
    origin = f"file {listed.file}" if listed.source == "file" else "variable"
    return f"{origin}; default: {_text(listed.default)}" if listed.default != "" else origin


def _listed(settings: Settings, environment: Mapping[str, str], section: str, field: str) -> ListedSetting:
    name, info = variable(field), type(settings).model_fields[field]
    is_secret, file = field in secrets(type(settings)), find_file(field, environment)
    return ListedSetting(
        name=name,
        section=section,
        unit=next((unit for ending, unit in _UNITS.items() if field.endswith(ending)), ""),
        choices=[choice for choice in get_args(info.annotation) if choice],
        default="" if is_secret else _plain(info.default),
        value=_plain(_masked(getattr(settings, field)) if is_secret else getattr(settings, field)),
        source="file" if is_secret and file else "variable" if name in environment else "default",
        file=file if is_secret else None,
        reason=info.description or "",
    )


def _masked(secret: object) -> str:
    return "***" if str(secret) else ""  # pydantic masks what is not empty


def _plain(value: object) -> Value:
    return value if isinstance(value, bool | int | float) else mask(str(value))


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
