"""The lines of the log: an event each, as text or as JSON.

A line begins with the name of its event, which is public and does not change; what follows may. The template
`release taken up id=%s tracks=%d` is the event `release taken up` with the fields `id` and `tracks`.
"""

import json
import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final

#: What every line of JSON has; no event has fields of these names.
RESERVED: Final = ("at", "level", "logger", "event", "message", "traceback")

_OURS: Final = "streamer"
_FOLDER: Final = str(Path(__file__).parents[1])
_END_OF_NAME: Final = re.compile(r"[;:,%]| \w+=")
_PLACE: Final = re.compile(r"(?:(\w+)=)?%[-#0 +]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa]")


def event_of(template: str) -> str:
    """Return the name of the event that a template of ours writes; empty if it begins with a value."""
    return _END_OF_NAME.split(template, maxsplit=1)[0].strip()


def fields_of(template: str) -> list[str]:
    """Return the names of a template's fields, in order; empty for values without a name."""
    return [place[1] or "" for place in _PLACE.finditer(template)]


class JsonLines(logging.Formatter):
    """Writes each record as a line of JSON: time, level, logger, event, fields, the message as text, and a traceback.

    The lines of libraries have the name of the library as their event.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return a line without its end."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record),
            "message": record.getMessage(),
            **dict(_fields(record)),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


#: By the value of REFRAIN_LOG_FORMAT.
FORMATTERS: Final[Mapping[str, Callable[[], logging.Formatter]]] = {
    "text": lambda: logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"),
    "json": JsonLines,
}


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether we wrote a line: Faust logs under the name of classes of ours that are derived from its own."""
    return record.name.partition(".")[0] == _OURS and record.pathname.startswith(_FOLDER)


def _event(record: logging.LogRecord) -> str:
    if _is_ours(record):
        return event_of(str(record.msg))
    library = record.name.partition(".")[0]
    return "faust" if library == _OURS else library


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    if not _is_ours(record) or not isinstance(record.args, tuple):
        return
    for name, value in zip(fields_of(str(record.msg)), record.args, strict=False):
        if name:
            yield name, _plain(value)


def _plain(value: object) -> int | float | str:
    """Return what JSON has for a value: a number, those of numpy too, or text."""
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and math.isfinite(value):
        return float(value)
    return str(value)
