"""The files of a recording, as plain files in UTF-8: folders and archives opened, compression and encodings undone.

What a file is, its first bytes say, whatever its name says.
"""

import bz2
import codecs
import gzip
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa

from streamer.errors import RecordingError

_HEAD_BYTES: Final = 1 << 16
_ZIP: Final = b"PK\x03\x04"
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0"
_PARQUET: Final = b"PAR1"
_WORKBOOK: Final = "is a spreadsheet; save its sheet as CSV (UTF-8), and name that file"

#: Byte order marks, the longest first: that of UTF-32 begins with that of UTF-16.
_MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def _open_zstd(path: Path) -> AbstractContextManager[_Readable]:
    stream: AbstractContextManager[_Readable] = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return stream


_COMPRESSIONS: Final[Mapping[bytes, Callable[[Path], AbstractContextManager[_Readable]]]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"\x28\xb5\x2f\xfd": _open_zstd,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}


#: What the libraries that undo archives and compression raise.
_UNREADABLE: Final = (
    OSError, EOFError, NotImplementedError, pa.ArrowException, zipfile.BadZipFile, lzma.LZMAError, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A file to read.

    Attributes:
        name: as an operator knows it, e.g. `plays.zip: 2020/plays.csv`.
        path: in the scratch directory, under a name that DuckDB sees no pattern and no suffix in; Parquet, or text in
            UTF-8 without a byte order mark, whose lines end alike.
        head: its first bytes.
        fault: why it can hold no plays; empty if it can.
        num_bytes: of the recording that are this file, packed or compressed as they were.
    """

    name: str
    path: Path
    head: bytes
    fault: str = ""
    num_bytes: int = 0

    @property
    def is_parquet(self) -> bool:
        """Whether it is Parquet; otherwise it is text."""
        return self.head.startswith(_PARQUET)


def num_bytes_of(path: Path) -> int:
    """Return the bytes of a recording: 0 for one that does not exist."""
    return sum(each.stat().st_size for each in _files(path) if each.is_file())


def _files(path: Path) -> list[Path]:
    """Return a file, or those in a folder that are not hidden, sorted by name."""
    if not path.is_dir():
        return [path]
    found = sorted(path.rglob("*"))
    return [
        each
        for each in found
        if each.is_file() and not any(part.startswith(".") for part in each.relative_to(path).parts)
    ]


def plain_files(path: Path, scratch: Path, encoding: str | None) -> Iterator[PlainFile]:
    """Yield the files of a recording: the file itself, or all in a folder or an archive, sorted by name.

    Args:
        path: of a file or a folder; hidden files in it do not count.
        scratch: an empty directory, which keeps what has to be converted; it may be removed after the reading.
        encoding: of text, as Python names it; None: UTF-8, or what the byte order mark says.

    Raises:
        RecordingError: a file cannot be read, or is not what a recording can be.
    """
    try:
        for each in _files(path):
            name = str(each.relative_to(path)) if path.is_dir() else path.name
            for file in _plain(each, name, scratch, encoding):
                yield file if file.num_bytes else replace(file, num_bytes=each.stat().st_size)
    except _UNREADABLE as exc:
        raise RecordingError(f"{path} cannot be read: {exc or type(exc).__name__}; name a readable file") from exc


def _plain(path: Path, name: str, scratch: Path, encoding: str | None) -> Iterator[PlainFile]:
    head = _head(path)
    if head.startswith(_ZIP):
        yield from _unpacked(path, name, scratch, encoding)
        return
    if head.startswith(_OLD_OFFICE):
        yield PlainFile(name, path, head, _WORKBOOK)
        return
    for magic, open_compressed in _COMPRESSIONS.items():
        if head.startswith(magic):
            with open_compressed(path) as source:
                path = _copied(source, scratch)
            yield from _plain(path, name, scratch, encoding)
            return
    yield _in_utf8(path, name, scratch, encoding)


def _unpacked(path: Path, name: str, scratch: Path, encoding: str | None) -> Iterator[PlainFile]:
    with zipfile.ZipFile(path) as archive:
        members = [each for each in sorted(archive.infolist(), key=lambda each: each.filename) if not each.is_dir()]
        if any(each.filename == "[Content_Types].xml" for each in members):
            yield PlainFile(name, path, b"", _WORKBOOK)
            return
        for member in members:
            if member.flag_bits & 1:
                raise RecordingError(f"{name} is encrypted; unpack it first")
            with archive.open(member) as source:
                unpacked = _copied(source, scratch)
            for file in _plain(unpacked, f"{name}: {member.filename}", scratch, encoding):
                yield replace(file, num_bytes=member.compress_size)


def _in_utf8(path: Path, name: str, scratch: Path, encoding: str | None) -> PlainFile:
    head = _head(path)
    if head.startswith(_PARQUET):
        return PlainFile(name, _linked(path, scratch), head)
    marked = next((marked for mark, marked in _MARKS.items() if head.startswith(mark)), None)
    if marked is None and encoding is None:
        if b"\0" in head:
            return PlainFile(name, path, head, "is binary, or UTF-16 without a byte order mark: --encoding utf-16-le")
        if head.count(b"\r\n") in (0, head.count(b"\n")):
            return PlainFile(name, _linked(path, scratch), head)
    converted = _next(scratch)
    try:
        with (
            path.open(encoding=marked or encoding or "utf-8") as source,  # which makes all lines end alike
            converted.open("w", encoding="utf-8", newline="") as target,
        ):
            shutil.copyfileobj(source, target)
    except LookupError as exc:
        raise RecordingError(f"there is no encoding {encoding!r}; try utf-8, utf-16, latin-1 or cp1252") from exc
    except UnicodeDecodeError as exc:
        return PlainFile(
            name, path, head, f"is not {marked or encoding or 'UTF-8'}, {exc}: name its encoding with --encoding"
        )
    return PlainFile(name, converted, _head(converted))


def _copied(source: _Readable, scratch: Path) -> Path:
    target = _next(scratch)
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, _HEAD_BYTES)
    return target


def _linked(path: Path, scratch: Path) -> Path:
    link = _next(scratch)
    link.symlink_to(path.absolute())
    return link


def _next(scratch: Path) -> Path:
    return scratch / f"{len(list(scratch.iterdir()))}"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)
