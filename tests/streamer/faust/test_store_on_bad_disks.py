"""A store on a disk that loses, garbles or rejects data holds the states of one changelog offset, or of none."""

import os
import random
import resource
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from faust.types import TP

from streamer.faust import store as store_module
from streamer.faust.table import ListenerTable
from streamer.wire.changelog import MARK_KEY, NO_MARK, Mark

CHANGELOG = TP("refrain-listeners-changelog", 0)
KEYS = [b"\x01%03d" % user for user in range(300)]
RECORDS = [random.Random(user).randbytes(400) for user in range(300)]
NUM_BATCHES = 3
LAST = NUM_BATCHES - 1  # the offset of each batch is its number

OpenTable = Callable[..., ListenerTable]


@pytest.fixture(autouse=True)
def crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make crash() raise; it would end the test run too."""

    def crash(reason: str, cause: BaseException) -> None:
        raise SystemExit(reason) from cause

    monkeypatch.setattr(store_module, "crash", crash)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Put the state directory on a disk of its own; a test must request it before the table."""
    mounting = mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(tmp_path))
    if mounting.returncode:
        pytest.skip(f"no small disk: mounting is not allowed here: {mounting.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True, timeout=30)


def mount(*arguments: str) -> "subprocess.CompletedProcess[str]":
    if shutil.which("mount") is None:
        pytest.skip("no small disk: the mount command is missing")
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False, timeout=30)


@pytest.fixture
def stored(open_table: OpenTable) -> Path:
    """The directory of partition 0 in a closed store, its states spread over several files."""
    table = open_table(partitions=[0])
    for offset in range(NUM_BATCHES):
        table.store.write_batch(0, list(zip(KEYS, RECORDS, strict=True))[offset::NUM_BATCHES], offset)
        table.store._dbs[0].flush()
    close(table)
    directory: Path = table.store.partition_path(0)
    assert len(list(directory.glob("*.sst"))) == NUM_BATCHES
    return directory


def offset_of(table: ListenerTable) -> int | None:
    """Return the changelog offset of a table opened from `stored`; its states must be those of that offset."""
    offset = table.store.persisted_offset(CHANGELOG)
    num_batches = 0 if offset is None else offset + 1
    known = [RECORDS[user] if user % NUM_BATCHES < num_batches else None for user in range(len(KEYS))]
    assert table.store.multi_get(0, KEYS) == known
    return offset


def close(table: ListenerTable) -> None:
    """Close the databases, as the end of a process does."""
    for db in table.store._dbs.values():
        with suppress(Exception):
            db.close()
    table.store._dbs.clear()


# -- damage


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def garble_middle(path: Path) -> None:
    flip(path, path.stat().st_size // 2)


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + 8] = bytes(byte ^ 0xFF for byte in content[at : at + 8])
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *[("*.sst", damage) for damage in (remove, empty, halve, cut, lengthen, make_directory)],
        *[("MANIFEST-*", damage) for damage in (remove, empty, garble_middle, make_directory)],
        *[("CURRENT", damage) for damage in (remove, empty, cut, garble_middle, make_directory)],
        *[(name, make_directory) for name in ("IDENTITY", "LOCK", "rocksdict-config.json")],
    ],
)
def test_a_damaged_store_is_discarded_and_named_and_can_be_filled_again(
    name: str, damage: Callable[[Path], None], stored: Path, open_table: OpenTable, caplog: pytest.LogCaptureFixture
) -> None:
    damage(next(stored.glob(name)))

    table = open_table(partitions=[0])

    assert offset_of(table) is None
    assert f"store discarded, to be rebuilt from the changelog path={stored} error=" in caplog.text
    table.store.write_batch(0, zip(KEYS, RECORDS, strict=True), LAST)
    close(table)
    assert offset_of(open_table(partitions=[0])) == LAST


def test_a_file_in_place_of_the_store_is_discarded(stored: Path, open_table: OpenTable) -> None:
    shutil.rmtree(stored)
    stored.write_bytes(b"?")

    assert offset_of(open_table(partitions=[0])) is None


@pytest.mark.parametrize(
    "damage",
    [remove, halve, *(pytest.param(each, marks=pytest.mark.long)
                      for each in (empty, cut, lengthen, garble_middle, make_directory))],
)  # fmt: skip
def test_whichever_file_is_damaged_two_starts_repair_it(
    damage: Callable[[Path], None], stored: Path, tmp_path: Path, open_table: OpenTable
) -> None:
    names = sorted(file.name for file in stored.iterdir())
    shutil.copytree(stored, tmp_path / "whole")
    for name in names:
        put_back(tmp_path / "whole", stored)
        damage(stored / name)

        start_twice(open_table)


@pytest.mark.long
def test_wherever_a_file_is_garbled_two_starts_repair_it(stored: Path, tmp_path: Path, open_table: OpenTable) -> None:
    dice = random.Random(7)
    files = [file for file in sorted(stored.iterdir()) if file.stat().st_size]
    shutil.copytree(stored, tmp_path / "whole")
    for file in dice.choices(files, k=60):
        put_back(tmp_path / "whole", stored)
        flip(file, dice.randrange(file.stat().st_size))

        start_twice(open_table)


@pytest.mark.long
def test_an_interrupted_discard_leaves_nothing_worse(stored: Path, tmp_path: Path, open_table: OpenTable) -> None:
    dice = random.Random(7)
    names = sorted(file.name for file in stored.iterdir())
    shutil.copytree(stored, tmp_path / "whole")
    for num_gone in [*range(1, len(names) + 1)] * 3:
        put_back(tmp_path / "whole", stored)
        for name in dice.sample(names, num_gone):
            (stored / name).unlink()

        start_twice(open_table)


def put_back(copy: Path, stored: Path) -> None:
    shutil.rmtree(stored)
    shutil.copytree(copy, stored)


def start_twice(open_table: OpenTable) -> None:
    """Start and read everything, twice: damage that only reading shows ends the first process.

    RocksDB does not take a truncated MANIFEST for damage: the store goes back in time, states and offset alike.
    """
    table = open_table(partitions=[0])
    with suppress(SystemExit):
        offset_of(table)
        close(table)
        table = open_table(partitions=[0])
    close(table)
    table = open_table(partitions=[0])
    offset_of(table)
    close(table)


@pytest.mark.parametrize("is_open", [False, True])
def test_damage_that_only_reading_shows_ends_the_process_and_the_next_start_discards(
    stored: Path, open_table: OpenTable, *, is_open: bool
) -> None:
    file = next(stored.glob("*.sst"))
    if is_open:
        table = open_table(partitions=[0])
        halve(file)
    else:
        garble_middle(file)
        table = open_table(partitions=[0])

    with pytest.raises(SystemExit, match=rf"partition 0 at {stored}: it is damaged and was discarded; the next start"):
        table.store.multi_get(0, KEYS)
    close(table)

    assert offset_of(open_table(partitions=[0])) is None


def test_a_store_deleted_while_it_is_open_ends_the_process_and_the_next_start_rebuilds_it(
    stored: Path, open_table: OpenTable
) -> None:
    table = open_table(partitions=[0])
    shutil.rmtree(stored)  # by an operator who thought it was unused

    with pytest.raises(SystemExit, match="it is damaged and was discarded"):
        write_numbers(table, range(1, 1000))
    close(table)

    assert offset_of(open_table(partitions=[0])) is None


# -- refusals


def test_a_store_that_another_process_holds_is_left_alone(stored: Path, open_table: OpenTable) -> None:
    holder = textwrap.dedent(f"""
        import sys
        import rocksdict
        db = rocksdict.Rdict({str(stored)!r}, options=rocksdict.Options(raw_mode=True))
        print("held", flush=True)
        sys.stdin.read()
        db.close()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(SystemExit, match=rf"{stored}: another process holds it: two workers share a state direct"):
            open_table(partitions=[0])
        process.communicate(timeout=30)

    assert offset_of(open_table(partitions=[0])) == LAST


@pytest.mark.parametrize("num_spare", range(6))
def test_a_store_that_hits_the_limit_of_open_files_is_left_alone(
    stored: Path, open_table: OpenTable, num_spare: int
) -> None:
    with spare_files(num_spare), pytest.raises(SystemExit, match=rf"{stored}: raise the limit of open files"):
        open_table(partitions=[0])

    assert offset_of(open_table(partitions=[0])) == LAST


@contextmanager
def spare_files(num_spare: int) -> Iterator[None]:
    """Let this process open that many more files, and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
    taken: list[int] = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(num_spare):
            os.close(taken.pop())
        yield
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_store_without_write_permission_is_left_alone(stored: Path, open_table: OpenTable) -> None:
    with immutable(stored), pytest.raises(SystemExit, match=rf"{stored}: give the worker's user read and write access"):
        open_table(partitions=[0])

    assert offset_of(open_table(partitions=[0])) == LAST


def test_a_damaged_store_that_cannot_be_discarded_is_named(stored: Path, open_table: OpenTable) -> None:
    garble_middle(next(stored.glob("*.sst")))
    table = open_table(partitions=[0])

    with immutable(stored), pytest.raises(SystemExit, match=rf"{stored}: .* cannot be discarded .*; delete it"):
        table.store.multi_get(0, KEYS)


@contextmanager
def immutable(directory: Path) -> Iterator[None]:
    """Keep all users, including the superuser, from changing a directory and its contents."""
    if shutil.which("chattr") is None or chattr("+i", directory):
        pytest.skip("files cannot be made immutable here")
    try:
        yield
    finally:
        assert chattr("-i", directory) == 0


def chattr(flag: str, directory: Path) -> int:
    return subprocess.run(
        ["chattr", "-R", flag, str(directory)], capture_output=True, check=False, timeout=30
    ).returncode


def test_a_store_on_a_read_only_disk_is_left_alone(small_disk: Path, stored: Path, open_table: OpenTable) -> None:
    assert mount("-o", "remount,ro", str(small_disk)).returncode == 0
    with pytest.raises(SystemExit, match=rf"{stored}: the file system is read-only"):
        open_table(partitions=[0])

    assert mount("-o", "remount,rw", str(small_disk)).returncode == 0
    assert offset_of(open_table(partitions=[0])) == LAST


def test_a_full_disk_ends_the_process_and_loses_nothing_that_was_kept(small_disk: Path, open_table: OpenTable) -> None:
    table = open_table(partitions=[0])
    write_numbers(table, range(1, 11))
    table.store._dbs[0].flush()
    fill(small_disk)

    with pytest.raises(SystemExit, match="the disk is full; make room and start again, nothing is lost"):
        write_numbers(table, range(11, 1000))
    close(table)
    with pytest.raises(SystemExit, match="the disk is full; make room"):
        open_table(partitions=[0])

    (small_disk / "filler").unlink()
    reopened = open_table(partitions=[0])
    offset = reopened.store.persisted_offset(CHANGELOG) or 0
    assert offset >= 10
    assert reopened.mark(0) == Mark(offset, 0) != NO_MARK
    assert reopened.store.multi_get(0, KEYS[:10]) == [b"%d" % offset * 10_000] * 10
    write_numbers(reopened, range(offset + 1, offset + 3))
    assert reopened.mark(0) == Mark(offset + 2, 0)


def write_numbers(table: ListenerTable, offsets: range) -> None:
    """Write batches of 100 kB or more each, whose states, mark and offset are the same number."""
    for offset in offsets:
        states = [(key, b"%d" % offset * 10_000) for key in KEYS[:10]]
        table.store.write_batch(0, [*states, (MARK_KEY, Mark(offset, 0).encode())], offset)


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(1 << 12)):
            pass
