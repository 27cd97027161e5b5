"""Disks of workers: copied, damaged, filled and made read-only."""

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

#: Of the mounted disks; a worker with four partitions and small write buffers needs a few MiB.
_SIZE_MB: Final = 48


# -- copies


def put_back(copy: Path, state_dir: Path) -> None:
    """Restore a disk from a copy made earlier."""
    shutil.rmtree(state_dir)
    shutil.copytree(copy, state_dir)


def make_too_old(state_dir: Path) -> None:
    """Date each store of a copy back to before the changelog's oldest tombstones were removed."""
    for path in stores(state_dir):
        store = rocksdict.Rdict(str(path), options=rocksdict.Options(raw_mode=True))
        store[_CURRENT_AT_KEY] = str(int(time.time()) - MAX_AGE_S).encode()
        store.close()


def stores(state_dir: Path) -> list[Path]:
    """Find the stores on a disk, one for each partition that was ever here."""
    return sorted(state_dir.rglob("listeners-*.db"))


# -- damage


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _garble(path: Path) -> None:
    """Flip bits in the middle: the length stays, so only a checksum can detect it."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(byte ^ 0xFF for byte in content[middle : middle + 8])
    path.write_bytes(content)


#: Ways to damage a file. The one that only reading reveals comes first, so that no trace of it is left at the end.
DAMAGES: Final[Sequence[Damage]] = (_garble, _cut, _halve, _empty)


def damage_last_file(store: Path, kind: str, damage: Damage) -> None:
    """Damage the newest file of a kind; RocksDB numbers its files."""
    damage(max(store.glob(kind), key=lambda file: file.name))


# -- disks of their own


class SmallWriteBuffers:
    """Make a store write to its disk every few batches, as it does with many listeners."""

    def install(self) -> None:
        """Change the options of the stores in this process."""
        app._STORE_OPTIONS["write_buffer_bytes"] = 64 << 10


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A separate file system, mounted where a worker keeps its states."""

    path: Path

    def fill(self) -> None:
        """Fill it to the last byte."""
        with suppress(OSError), (self.path / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(1 << 12)):
                pass

    def make_room(self) -> None:
        """Delete what filled it."""
        (self.path / "filler").unlink()

    def remount(self, *options: str) -> None:
        """Mount it again with other options."""
        assert not _run("mount", "-o", ",".join(["remount", *options]), str(self.path))


@dataclass(frozen=True, slots=True)
class FailingDisk:
    """An ext4 file system that can fail while files are open, and is read-only from then on."""

    image: Path
    path: Path

    def mount(self) -> None:
        """Mount it; the journal repairs it if it had failed."""
        assert not _run("mount", "-o", "loop", str(self.image), str(self.path))

    def unmount(self) -> None:
        """Unmount it, even while files are open."""
        assert not _run("umount", "--lazy", str(self.path))

    def fail(self) -> None:
        """Make the kernel find an error, as on a broken disk."""
        assert not _run("mount", "-o", "remount,abort", str(self.path))


def small_disk(path: Path) -> Iterator[SmallDisk]:
    """Mount a disk in memory; skip the test where that is not allowed."""
    path.mkdir()
    _run_or_skip("mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m", "tmpfs", str(path))
    yield SmallDisk(path)
    assert not _run("umount", "--lazy", str(path))


def failing_disk(path: Path) -> Iterator[FailingDisk]:
    """Mount a disk that can fail; skip the test where that is not allowed."""
    path.mkdir()
    disk = FailingDisk(path.with_suffix(".img"), path)
    with disk.image.open("wb") as image:
        image.truncate(_SIZE_MB << 20)
    _run_or_skip("mkfs.ext4", "-q", "-F", str(disk.image))
    _run_or_skip("mount", "-o", "loop", str(disk.image), str(path))
    yield disk
    disk.unmount()


def _run_or_skip(*command: str) -> None:
    if error := _run(*command):
        pytest.skip(f"no separate disk: {error}")


def _run(*command: str) -> str:
    """Return why a command failed; empty if it succeeded."""
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not installed"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return f"{' '.join(command)}: {done.stderr.strip()}" if done.returncode else ""
