"""What `refrain settings` prints and docs/settings.md says: each setting with its unit, value and reason."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final, get_args

from streamer.addresses import mask
from streamer.operations.shapes import ListedSetting, Value
from streamer.sections import SECTIONS
from streamer.settings import Settings
from streamer.variables import find_file, secrets, variable

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


def list_settings(settings: Settings, environment: Mapping[str, str]) -> list[ListedSetting]:
    """List the settings, section by section.

    Args:
        settings: as they were read.
        environment: that they were read from.
    """
    return [_listed(settings, environment, section, field) for section, fields in SECTIONS.items() for field in fields]


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
        choices=tuple(choice for choice in get_args(info.annotation) if choice),
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
