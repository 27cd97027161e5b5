"""The directory of a release at an fsspec URL: a folder, S3, anything fsspec has a driver for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

import fsspec

_T = TypeVar("_T")

_SIZE_UNKNOWN: Final = -1  # of a file whose store does not say it
_PIECE_BYTES: Final = 16 << 20  # of a file that is read: what is held of it at a time


class FileTooLargeError(Exception):
    """Raised when a file is larger than expected; it is not copied."""


class Folder:
    """A directory below an fsspec URL; every call asks fsspec for the file system, which it keeps.

    Args:
        url: fsspec URL or path.
        path: below the URL, with `/` between its parts; empty: the URL itself.
    """

    def __init__(self, url: str, path: str = "") -> None:
        self.url = url
        self.path = path

    @property
    def location(self) -> str:
        """The directory as a URL."""
        return f"{self.url.rstrip('/')}/{self.path}" if self.path else self.url

    def folder(self, name: str) -> Folder:
        """Return a directory in this one."""
        return Folder(self.url, "/".join(part for part in (self.path, name) if part))

    def read(self, name: str, max_bytes: int) -> bytes:
        """Read a whole file; errors are those of `pieces`."""
        return b"".join(self.pieces(name, max_bytes))

    def pieces(self, name: str, max_bytes: int) -> Iterator[bytes]:
        """Read a file piece by piece unless it is too large: its size is looked up first, and no more is copied.

        Raises:
            FileNotFoundError: there is no such file, though the URL can be reached.
            FileTooLargeError: it has more than `max_bytes`, or than its store said.
            OSError: the URL cannot be reached.
        """
        size = self._call(f"look for {name}", lambda files, root: self._size(files, root, name))
        if size is None:
            raise FileNotFoundError(f"{self.location} has no {name}")
        limit = max_bytes if size == _SIZE_UNKNOWN else min(size, max_bytes)
        self._refuse_more(name, size, limit)
        begin = 0
        while begin != size:
            end = min(begin + _PIECE_BYTES, limit + 1)  # one more byte shows that there are more
            piece = self._read_piece(name, begin, end)
            self._refuse_more(name, begin + len(piece), limit)
            yield piece
            if len(piece) < end - begin:
                return
            begin = end

    def write(self, name: str, content: bytes) -> None:
        """Write a file; its directory is created if absent.

        Raises:
            OSError: the location cannot be written.
        """

        def write(files: Any, root: str) -> None:
            files.makedirs(self._path(root), exist_ok=True)
            files.pipe_file(self._path(root, name), content)

        self._call(f"write {name}", write, len(content))

    def write_pieces(self, name: str, pieces: Iterable[bytes | memoryview], num_bytes: int) -> None:
        """Write a file of that many bytes piece by piece, which its store may show before it is complete.

        Raises:
            OSError: the location cannot be written.
        """

        def write(files: Any, root: str) -> None:
            files.makedirs(self._path(root), exist_ok=True)
            with files.open(self._path(root, name), "wb") as file:
                for piece in pieces:
                    file.write(piece)

        self._call(f"write {name}", write, num_bytes)

    def holds(self, name: str) -> bool:
        """Whether there is such a file.

        Raises:
            OSError: the location cannot be reached.
        """
        return bool(self._call(f"look for {name}", lambda files, root: files.exists(self._path(root, name))))

    def _call(self, what: str, operation: Callable[[Any, str], _T], num_bytes: int = 0) -> _T:  # noqa: ARG002
        """Do something in the file system; the seam at which a subclass limits errors and time.

        Args:
            what: an infinitive and the file's name, for messages.
            operation: is given the file system and the path of the URL in it.
            num_bytes: the most that are copied.
        """
        files, root = fsspec.core.url_to_fs(self.url)
        files.invalidate_cache()  # of listings: other processes write here too
        return operation(files, root)

    def _read_piece(self, name: str, begin: int, end: int) -> bytes:
        piece: bytes = self._call(
            f"read {name}", lambda files, root: files.cat_file(self._path(root, name), begin, end), end - begin
        )
        return piece

    def _refuse_more(self, name: str, num_bytes: int, limit: int) -> None:
        if num_bytes > limit:
            raise FileTooLargeError(
                f"{self.location}/{name} has {num_bytes:,} bytes or more instead of at most {limit:,}"
            )

    def _path(self, root: str, name: str = "") -> str:
        return "/".join(part for part in (root.rstrip("/"), self.path, name) if part)

    def _size(self, files: Any, root: str, name: str) -> int | None:
        """Return a file's size, `_SIZE_UNKNOWN` if the store does not say it, or None if there is no such file.

        Raises:
            FileNotFoundError: not even the URL exists: a disk that is not mounted, or a bucket that is gone.
        """
        try:
            size = files.info(self._path(root, name))["size"]
        except FileNotFoundError:
            if self.path and not files.exists(root):
                raise
            return None
        return _SIZE_UNKNOWN if size is None else int(size)
