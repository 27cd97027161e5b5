"""Disks of workers, to be copied, damaged, filled and turned read-only."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import rocksdict

from streamer.faust import app
from streamer.faust.store import _CURRENT_AT_KEY, MAX_AGE_S

Damage = Callable[[Path], None]

#: Of the disks that are mounted; a worker with four partitions and small write buffers wants a few MiB.
_SIZE_MB: Final = 48


# -- copies


def put_back(copy: Path, state_dir: Path) -> None:
    """Restore a disk from a copy made earlier."""
    shutil.rmtree(state_dir)
    shutil.copytree(copy, state_dir)


def make_too_old(state_dir: Path) -> None:
    """Let each store of a copy have been current before the changelog's tombstones began to go."""
    for path in stores(state_dir):
        store = rocksdict.Rdict(str(path), options=rocksdict.Options(raw_mode=True))
        store[_CURRENT_AT_KEY] = str(int(time.time()) - MAX_AGE_S).encode()
        store.close()


def stores(state_dir: Path) -> list[Path]:
    """Find the stores on a disk, of each partition that ever was here."""
    return sorted(state_dir.rglob("listeners-*.db"))


# -- damage


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _garble(path: Path) -> None:
    """Turn bits in the middle over: the length stays, so that only a checksum tells."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(byte ^ 0xFF for byte in content[middle : middle + 8])
    path.write_bytes(content)


#: What may happen to a file; what only reading shows comes first, so that nothing is left of it at the end.
DAMAGES: Final[Sequence[Damage]] = (_garble, _cut, _halve, _empty)


def damage_last_file(store: Path, kind: str, damage: Damage) -> None:
    """Damage the newest file of a kind; RocksDB numbers its files."""
    damage(max(store.glob(kind), key=lambda file: file.name))


# -- disks of their own


class SmallWriteBuffers:
    """Let a store go to its disk every few batches, as it does where listeners are many."""

    def install(self) -> None:
        """Change the options of the stores, in this process."""
        app._STORE_OPTIONS["write_buffer_bytes"] = 64 << 10


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A file system of its own, mounted where a worker has its states."""

    path: Path

    def fill(self) -> None:
        """Leave no room, to the last byte."""
        with suppress(OSError), (self.path / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(1 << 12)):
                pass

    def make_room(self) -> None:
        """Take away what filled it."""
        (self.path / "filler").unlink()

    def remount(self, *options: str) -> None:
        """Mount it otherwise."""
        assert not _run("mount", "-o", ",".join(["remount", *options]), str(self.path))


@dataclass(frozen=True, slots=True)
class FailingDisk:
    """An ext4 whose kernel can find it broken, also while files are open: from then on it is read-only."""

    image: Path
    path: Path

    def mount(self) -> None:
        """Mount it; its journal mends it if it was found broken."""
        assert not _run("mount", "-o", "loop", str(self.image), str(self.path))

    def unmount(self) -> None:
        """Let it go, whoever still has files there."""
        assert not _run("umount", "--lazy", str(self.path))

    def fail(self) -> None:
        """Find it broken."""
        assert not _run("mount", "-o", "remount,abort", str(self.path))


def small_disk(path: Path) -> Iterator[SmallDisk]:
    """Mount a disk in memory, skip where that is not allowed."""
    path.mkdir()
    _run_or_skip("mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m", "tmpfs", str(path))
    yield SmallDisk(path)
    assert not _run("umount", "--lazy", str(path))


def failing_disk(path: Path) -> Iterator[FailingDisk]:
    """Mount a disk that can fail, skip where that is not allowed."""
    path.mkdir()
    disk = FailingDisk(path.with_suffix(".img"), path)
    with disk.image.open("wb") as image:
        image.truncate(_SIZE_MB << 20)
    _run_or_skip("mkfs.ext4", "-q", "-F", str(disk.image))
    _run_or_skip("mount", "-o", "loop", str(disk.image), str(path))
    yield disk
    disk.unmount()


def _run_or_skip(*command: str) -> None:
    if said := _run(*command):
        pytest.skip(f"no disk of its own: {said}")


def _run(*command: str) -> str:
    """Return why a command failed; empty where it did what it is asked."""
    if shutil.which(command[0]) is None:
        return f"there is no {command[0]} here"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return f"{' '.join(command)}: {done.stderr.strip()}" if done.returncode else ""
