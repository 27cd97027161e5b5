"""Files that survive a power cut: replaced whole, flushed to the disk, in directories that one process holds.

A rename is atomic but not durable, and a file may reach the disk after the name of the file that refers to it. So
content is flushed before it gets its name, and the directory, which keeps the names, after that. Whoever writes a file
that names others flushes those with `sync_file`, then their directory, and only then replaces the file that names them.
"""

import fcntl
import os
import socket
from pathlib import Path
from typing import IO, Final

from streamer.errors import InUseError, SettingsError

_LOCK: Final = "lock"


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file, or create it, so that a crash or a power cut leaves the old content or the new.

    Args:
        path: of the file; `<path>.new` beside it holds the content until it is complete.
        content: all of it.

    Raises:
        OSError: the disk refuses; whether it has the old content or the new is unknown.
    """
    unfinished = path.with_name(f"{path.name}.new")
    with unfinished.open("wb") as file:
        file.write(content)
        sync_file(file)
    unfinished.rename(path)
    sync_directory(path.parent)  # else the old file may come back after a power cut


def sync_file(file: IO[bytes]) -> None:
    """Flush an open file's content to the disk; its name is the directory's."""
    file.flush()
    os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Flush the names in a directory to the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hold_directory(directory: Path, *, name: str, remedy: str) -> IO[str]:
    """Lock a directory, created if absent, for as long as the returned file is open.

    The lock ends with the process, however it ends; the file says which process has it.

    Args:
        directory: the directory to lock.
        name: what it is, in words.
        remedy: how to choose another.

    Raises:
        InUseError: another process, or another caller in this one, holds it.
        SettingsError: it cannot be created, written or locked.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / _LOCK).open("a+")
    except OSError as exc:
        raise SettingsError(f"the {name} {directory} cannot be used ({exc.strerror}); {remedy}") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
    except OSError as exc:
        holder = _read_holder(lock)
        lock.close()
        if isinstance(exc, BlockingIOError):
            raise InUseError(f"the {name} {directory} is in use by {holder}; stop that, or {remedy}") from exc
        raise SettingsError(f"the {name} {directory} cannot be locked ({exc.strerror}); {remedy}") from exc
    return lock


def wait_for_directory(directory: Path) -> IO[str]:
    """Lock a directory, created if absent, like `hold_directory`, but wait for whoever holds it.

    Raises:
        OSError: it cannot be created, written or locked.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / _LOCK).open("a+")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _read_holder(lock: IO[str]) -> str:
    lock.seek(0)
    return lock.read(200) or "another process"
