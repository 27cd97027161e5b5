"""A file as a table: which formats are read, and which column has which role."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from streamer.errors import RefrainError


class RecordingError(RefrainError):
    """Raised when a file of plays cannot be read, or a column has the wrong content."""


def read_table(path: Path) -> pa.Table:
    """Read a file of plays, Parquet or CSV, compressed or not.

    Raises:
        RecordingError: the file cannot be read, or is empty.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    try:
        if suffixes[-1:] in ([".csv"], [".tsv"]):
            delimiter = "\t" if suffixes[-1] == ".tsv" else ","
            table = pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter))
        else:
            table = pyarrow.parquet.read_table(path)
    except (OSError, pa.ArrowException) as exc:
        raise RecordingError(f"{path} cannot be read as plays ({exc}); name a Parquet or CSV file") from exc
    if not table.num_rows:
        raise RecordingError(f"{path} contains no plays; name another file")
    return table


def find_column(table: pa.Table, role: str, names: Sequence[str]) -> str:
    """Find the column with a role, by the first of the names that exists.

    Raises:
        RecordingError: none exists.
    """
    present: dict[str, str] = {column.lower(): column for column in reversed(table.column_names)}
    column = next((present[name] for name in names if name in present), None)
    if column is None:
        raise RecordingError(
            f"no column contains the {role}: looked for {', '.join(names)}, found {', '.join(table.column_names)}; "
            "rename a column, or name it with an option"
        )
    return column


def without_nulls(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column without missing values.

    Raises:
        RecordingError: a value is missing.
    """
    values = table[name]
    if values.null_count:
        raise RecordingError(f"{values.null_count} plays have no {name}; remove them from the file")
    return values


def numbered(table: pa.Table, name: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the values of a column by rank: int64 (P,), and the value of each number."""
    coded = pa.concat_arrays(without_nulls(table, name).chunks).dictionary_encode()
    order = pc.sort_indices(coded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    values = coded.dictionary.take(pa.array(order)).cast(pa.string()).to_pylist()
    return rank[coded.indices.to_numpy()], tuple(values)
