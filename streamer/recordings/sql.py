"""Pieces of SQL: texts and names, calls of DuckDB's readers, and times as ms since the epoch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_NAIVE_FORMATS: Final = (
    "%d %b %Y, %H:%M", "%d %b %Y %H:%M", "%d %b %Y, %H:%M:%S", "%d %b %Y %H:%M:%S",
    "%Y-%m-%d %I:%M %p", "%Y-%m-%d %I:%M:%S %p",
)  # fmt: skip
_ZONED_FORMATS: Final = ("%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %z %Y")


def parsed_ms(sql: str, time_zone: str) -> str:
    """Read text as ms since the epoch: a number, ISO 8601, or a date as Last.fm or an e-mail writes it; else null."""
    naive = f"timezone({quoted(time_zone)}, try_strptime({sql}, {list(_NAIVE_FORMATS)}))"
    zoned = f"try_strptime({sql}, {list(_ZONED_FORMATS)})"
    number = f"try_cast({sql} AS DOUBLE)"
    iso = f"try_cast(regexp_replace({sql}, ',([0-9]+)', '.\\1') AS TIMESTAMPTZ)"  # ISO 8601 allows a comma
    text = f"epoch_ms(coalesce({iso}, {naive}, {zoned}))"
    return f"CASE WHEN {number} IS NULL THEN {text} ELSE {scaled_ms(number)} END"


def scaled_ms(number: str) -> str:
    """Read a number as ms since the epoch; null if it is none.

    Seconds reach 1e11 in the year 5138, ms are that many in 1973, and so on: the units cannot be confused.
    """
    return (
        f"CASE WHEN NOT isfinite({number}) OR abs({number}) >= 9e18 THEN NULL "
        f"WHEN abs({number}) < 1e11 THEN round({number} * 1000)::BIGINT "
        f"WHEN abs({number}) < 1e14 THEN round({number})::BIGINT "
        f"WHEN abs({number}) < 1e17 THEN round({number} / 1000)::BIGINT ELSE round({number} / 1000000)::BIGINT END"
    )


def json_path(keys: list[str]) -> str:
    """Return the text at a path of keys of the column `json`."""
    path = "$." + ".".join('"' + key.replace('"', '\\"') + '"' for key in keys)
    return f"(json->>{quoted(path)})"


def call(function: str, path: Path, options: Mapping[str, str]) -> str:
    """Call a function of DuckDB that reads a file."""
    return f"{function}({', '.join([quoted(str(path)), *(f'{name}={value}' for name, value in options.items())])})"


def identifier(name: str) -> str:
    """Return a column's name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"
