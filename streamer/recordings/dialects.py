"""The dialect of delimited text: what separates its fields, whether it has quotes, and the names of its columns."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

_DELIMITERS: Final = "\t;,|"  # the likeliest first, if a line has as many of each

#: A type behind a column's name, as RecBole writes it.
_TYPE: Final = re.compile(r":(token|token_seq|float|float_seq)$")

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*")
_LASTFM_TIME: Final = re.compile(r"\d\d? [A-Z][a-z]{2} \d{4},? \d\d:\d\d")
_NUMBER: Final = re.compile(r"\d+(\.\d*)?")

_LASTFM_NAMES: Final = ("artist", "album", "track", "utc_time")
_LASTFM_1K_NAMES: Final = ("userid", "timestamp", "artid", "artname", "traid", "traname")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to read delimited text.

    Attributes:
        delimiter: between two fields; a space may belong to it.
        quote: around fields, doubled within; empty: quotes are text.
        names: of the columns.
        has_header: whether the first line has them.
        num_blank: lines before that.
    """

    delimiter: str
    quote: str
    names: Sequence[str]
    has_header: bool
    num_blank: int = 0

    @property
    def other_quote(self) -> "Dialect":
        """The same, with quotes that are text instead, or the other way round."""
        return replace(self, quote="" if self.quote else '"')

    @property
    def may_lack_header(self) -> bool:
        """Whether what was taken for a header looks like a row."""
        return self.has_header and any(_TIME.fullmatch(name) or _NUMBER.fullmatch(name) for name in self.names)


def read_dialect(head: bytes, *, may_have_header: bool = True) -> Dialect:
    """Read the dialect from the first bytes of a file, which are not all blank.

    In text separated by tabs, a quote is text, unless the first line has one: few programs that write it know quotes,
    and titles have them. Elsewhere fields may be quoted. Whoever reads finds out whether that was right.
    """
    lines = head.decode(errors="replace").splitlines()
    num_blank, line = next((number, line) for number, line in enumerate(lines) if line.strip())
    delimiter = max(_DELIMITERS, key=line.count)
    quote = '"' if delimiter != "\t" or '"' in line else ""
    fields = next(csv.reader([line], delimiter=delimiter), [])
    if len(fields) > 1 and all(field.startswith(" ") for field in fields[1:]):  # "user, track, ts"
        delimiter += " "
    fields = [field.strip() for field in fields]
    if names := _names_of_rows(fields):
        return Dialect(delimiter, quote, names, has_header=False, num_blank=num_blank)
    if not may_have_header:
        numbers = [str(number + 1) for number in range(len(fields))]
        return Dialect(delimiter, quote, numbers, has_header=False, num_blank=num_blank)
    names = [_TYPE.sub("", field) for field in fields]
    return Dialect(delimiter, quote, names, has_header=True, num_blank=num_blank)


def _names_of_rows(fields: Sequence[str]) -> Sequence[str]:
    """Return the names of the columns of a format that never has a header; none if the fields are of no such one."""
    if len(fields) == len(_LASTFM_1K_NAMES) and _TIME.fullmatch(fields[1]):
        return _LASTFM_1K_NAMES
    if len(fields) == len(_LASTFM_NAMES) and _LASTFM_TIME.fullmatch(fields[3]):
        return _LASTFM_NAMES
    return ()
