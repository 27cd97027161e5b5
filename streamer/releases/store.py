"""The store of the releases: whatever its driver raises becomes a StoreError, and no call takes forever.

Drivers raise what they like: errors of botocore, aiohttp and gcsfs, a bad zip file, a missing package. Some calls never
return. A worker must outlive all of that, and whoever reads a message must see what to do about it. So every call to a
store passes through here, in a thread of its own that is left behind when its time is up.
"""

import errno
import re
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, TypeVar

import fsspec

from models.release_files import InvalidRelease
from models.release_folder import Folder
from streamer.addresses import mask
from streamer.errors import SettingsError, StoreError
from streamer.runtime.threads import call_within

_T = TypeVar("_T")

LIMIT_S: Final = 30.0  # for a call that copies next to nothing
MAX_HANGING: Final = 32  # calls left behind; each holds a thread, and perhaps a connection
_BYTES_PER_S: Final = 1 << 20  # a store that is slower is as good as gone


class Store(Folder):
    """A directory of the store, and what is below it.

    Args:
        url: fsspec URL or path of the directory that holds the releases.
        path: below the URL.
        limit_s: seconds a call may take, besides a second for each MiB it copies.
        slots: one for each call that may hang at a time; directories of one store share them.
    """

    def __init__(
        self, url: str, path: str = "", *, limit_s: float = LIMIT_S, slots: threading.Semaphore | None = None
    ) -> None:
        is_path = "://" not in url and "::" not in url
        super().__init__(f"file://{Path(url).absolute()}" if is_path else url, path)  # whatever directory comes next
        self._limit_s = limit_s
        self._slots = slots or threading.Semaphore(MAX_HANGING)

    @property
    def location(self) -> str:
        """The directory as a full URL, without what could be a password."""
        return mask(super().location)

    def folder(self, name: str) -> "Store":
        """Return a directory in this one."""
        return Store(self.url, f"{self.path}/{name}".lstrip("/"), limit_s=self._limit_s, slots=self._slots)

    def names(self) -> list[str]:
        """List the names in this directory, in order; none if it does not exist.

        Raises:
            StoreError: it cannot be listed.
        """

        def list_names(files: Any, root: str) -> list[str]:
            try:
                paths = files.ls(self._path(root), detail=False)
            except FileNotFoundError:
                return []
            return sorted(str(path).rstrip("/").rpartition("/")[2] for path in paths)

        return self._call("list the directory", list_names)

    def remove(self, name: str) -> None:
        """Remove a file.

        Raises:
            StoreError: it cannot be removed.
        """
        self._call(f"remove {name}", lambda files, root: files.rm_file(self._path(root, name)))

    def remove_all(self) -> None:
        """Remove this directory and everything in it.

        Raises:
            StoreError: it cannot be removed.
        """
        self._call("remove the directory", lambda files, root: files.rm(self._path(root), recursive=True))

    def _call(self, what: str, operation: Callable[[Any, str], _T], num_bytes: int = 0) -> _T:
        """Do something in the file system, in a thread and within the time allowed.

        Raises:
            InvalidRelease: a link in a local store leads out of it.
            StoreError: anything else went wrong, or the time was up.
        """
        limit_s = self._limit_s + num_bytes / _BYTES_PER_S
        at = f"cannot {what} at {self.location}"
        if not self._slots.acquire(blocking=False):
            raise StoreError(f"{at}: {MAX_HANGING} earlier calls still hang; restart the process if the store is well")

        def call() -> _T:
            try:
                files, root = fsspec.core.url_to_fs(self.url)
                files.invalidate_cache()  # of listings: other processes write here too
                self._refuse_links_out(files, root)
                return operation(files, root)
            finally:
                self._slots.release()

        try:
            return call_within(limit_s, call)
        except InvalidRelease:
            raise
        except TimeoutError as exc:
            reason = describe(exc) if str(exc) else f"no answer within {limit_s:.0f} s"
            raise StoreError(f"{at}: {reason}; {_remedy(exc)}") from exc
        except Exception as exc:
            raise StoreError(f"{at}: {describe(exc)}; {_remedy(exc)}") from exc

    def _refuse_links_out(self, files: Any, root: str) -> None:
        """Refuse a directory of a local store that is a link to somewhere else, or has such links in it."""
        if not self.path or "file" not in (files.protocol if isinstance(files.protocol, tuple) else (files.protocol,)):
            return
        within, directory = Path(root).resolve(), Path(self._path(root))
        for path in (directory, *(directory.iterdir() if directory.is_dir() else ())):
            if not path.resolve().is_relative_to(within):
                raise InvalidRelease(f"{path} is a link that leads out of {root}; copy what it names instead")


def check_driver(releases_url: str) -> None:
    """See that fsspec has a driver for such URLs; the store itself is not asked.

    Raises:
        SettingsError: there is none, or its package is not installed.
    """
    protocol = re.split(r"::|://", releases_url, maxsplit=1)[0] if re.search(r"::|://", releases_url) else "file"
    try:
        fsspec.get_filesystem_class(protocol)
    except Exception as exc:
        raise SettingsError(f"REFRAIN_RELEASES_URL={mask(releases_url)!r} cannot be used: {describe(exc)}") from exc


def check_place(releases_url: str) -> None:
    """See that releases can be saved, before hours of work on one; of a store elsewhere, only that there is a driver.

    Raises:
        SettingsError: they cannot.
    """
    check_driver(releases_url)
    path = releases_url.removeprefix("file://")
    if "::" in path or "://" in path:
        return
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            pass
    except OSError as exc:
        raise SettingsError(
            f"REFRAIN_RELEASES_URL={releases_url!r} cannot be used ({exc.strerror}); name a folder that can be written"
        ) from exc


def _remedy(error: Exception) -> str:
    """Say what an operator does about a driver's error."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "the disk is full: free some space, or lower REFRAIN_RELEASES_KEPT"
    if isinstance(error, ImportError):
        return "install the package it names, or correct REFRAIN_RELEASES_URL"
    return "check REFRAIN_RELEASES_URL, and that this process's network and credentials reach it"


def describe(error: BaseException) -> str:
    """Put a driver's error into one line: its type, and what it says without what could be a password."""
    text = mask(" ".join(str(error).split()))[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
