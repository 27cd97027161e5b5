"""A store of releases that fails in many ways, as an fsspec driver: `failing:///directory`.

Files are in that local directory; a file `failure` in it names the way in which the store fails at the moment, so that
a test can break and mend the store of another process. Without that file the store works.
"""

import asyncio
import errno
import itertools
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import fsspec
from aiohttp import ClientPayloadError
from fsspec.implementations.local import LocalFileSystem

from streamer.releases import store

PROTOCOL: Final = "failing"
SWITCH: Final = "failure"

_HANGS_S: Final = 3600.0


class ClientError(Exception):
    """As botocore raises it: no OSError."""


class NoCredentialsError(Exception):
    """As botocore raises it."""


class HttpError(Exception):
    """As gcsfs raises it."""


#: What a call raises, by the name of the failure.
ERRORS: Final[Mapping[str, Callable[[], BaseException]]] = {
    "service-down": lambda: ClientError("An error occurred (503) when calling the HeadObject operation: slow down"),
    "no-credentials": lambda: NoCredentialsError("Unable to locate credentials"),
    "connection-cut": lambda: ClientPayloadError("Response payload is not completed"),
    "token-expired": lambda: HttpError("Invalid Credentials, 401 https://key:secret@storage.invalid/b?token=secret"),
    "bad-zip": lambda: zipfile.BadZipFile("File is not a zip file"),
    "driver-missing": lambda: ImportError("Install s3fs to access S3"),
    "key-error": lambda: KeyError("ETag"),
    "not-utf-8": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    "out-of-memory": MemoryError,
    "disk-full": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "cancelled": asyncio.CancelledError,
    "exits": lambda: SystemExit(3),
}

#: What becomes of the files, by the name of the failure.
CONTENTS: Final = ("hangs", "truncates", "garbage", "endless", "vanishes")

FAILURES: Final = (*ERRORS, *CONTENTS)


class FailingFileSystem(LocalFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The files of a local directory, and the failure that its switch names."""

    protocol = PROTOCOL
    num_calls = itertools.count(1)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(LocalFileSystem._strip_protocol(path.removeprefix(f"{PROTOCOL}://")))

    def unstrip_protocol(self, name: str) -> str:
        return f"{PROTOCOL}://{name}"

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        failure = self._fail(path)
        if failure == "vanishes" and next(self.num_calls) % 4 == 0:
            raise FileNotFoundError(path)
        found: dict[str, Any] = super().info(path, **kwargs)
        return found

    def ls(self, path: str, detail: bool = False, **kwargs: Any) -> list[Any]:  # noqa: FBT001, FBT002  fsspec's
        self._fail(path)
        return [each for each in super().ls(path, detail=detail, **kwargs) if not str(each).endswith(f"/{SWITCH}")]

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        failure = self._fail(path)
        content: bytes = super().cat_file(path, start=start, end=end, **kwargs)
        if failure == "truncates":
            return content[: len(content) // 2]
        if failure == "garbage":
            return bytes(len(content))
        return content * 1000 if failure == "endless" else content

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        self._fail(path)
        super().pipe_file(path, value, mode=mode, **kwargs)

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        self._fail(path)
        return super()._open(path, mode=mode, **kwargs)

    def _fail(self, path: str) -> str:
        failure = _switched_on(Path(path))
        if failure in ERRORS:
            error = ERRORS[failure]()
            raise error
        if failure == "hangs":
            ends_s = time.monotonic() + _HANGS_S
            while time.monotonic() < ends_s and _switched_on(Path(path)) == failure:
                time.sleep(0.01)
        return failure


def _switched_on(path: Path) -> str:
    for directory in (path, *path.parents):
        if (switch := directory / SWITCH).is_file():
            return switch.read_text()
    return ""


@dataclass(frozen=True, slots=True)
class FailingStore:
    """A store that a test breaks and mends; `install` makes its driver known, in a worker's process too.

    Attributes:
        directory: of its files.
        limit_s: how long a call may take.
    """

    directory: Path
    limit_s: float = store.LIMIT_S

    @property
    def url(self) -> str:
        return f"{PROTOCOL}://{self.directory}"

    def install(self) -> None:
        """Register the driver, and limit all calls of this process."""
        fsspec.register_implementation(PROTOCOL, FailingFileSystem, clobber=True)
        assert store.Store.__init__.__kwdefaults__ is not None
        store.Store.__init__.__kwdefaults__["limit_s"] = self.limit_s

    def fail(self, failure: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "new").write_text(failure)
        (self.directory / "new").rename(self.directory / SWITCH)

    def mend(self) -> None:
        (self.directory / SWITCH).unlink(missing_ok=True)
