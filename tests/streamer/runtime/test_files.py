"""Files that survive a power cut, and directories that one process holds."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from streamer.errors import InUseError, SettingsError
from streamer.runtime.files import hold_directory, replace_file, sync_directory, sync_file
from tests.cases.observations import Observe
from tests.durability import observe_disk

HOLD_AND_DIE = """
import os, sys
from pathlib import Path
from streamer.runtime.files import hold_directory

lock = hold_directory(Path(sys.argv[1]), name="state directory", remedy="name another")
os.kill(os.getpid(), 9)
"""


def test_a_file_has_the_content_it_was_given_last(tmp_path: Path) -> None:
    replace_file(tmp_path / "file", b"old, and longer")
    replace_file(tmp_path / "file", b"new")

    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_content_is_flushed_before_it_has_its_name_and_the_name_after_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = observe_disk(tmp_path, monkeypatch)

    replace_file(tmp_path / "file", b"content")

    assert steps == [("sync", "file.new"), ("rename", "file"), ("sync", ".")]


def test_all_content_is_written_when_it_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))

    with (tmp_path / "file").open("wb") as file:
        file.write(b"buffered")
        sync_file(file)

    assert sizes == [8]


def test_a_full_disk_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    replace_file(tmp_path / "file", b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            replace_file(tmp_path / "file", b"new")

    assert (tmp_path / "file").read_bytes() == b"old"


def test_what_a_crash_left_unfinished_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file.new").write_bytes(b"half of something longer")

    replace_file(tmp_path / "file", b"whole")

    assert (tmp_path / "file").read_bytes() == b"whole"
    assert not (tmp_path / "file.new").exists()


def test_files_of_one_stem_do_not_share_an_unfinished_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = observe_disk(tmp_path, monkeypatch)

    replace_file(tmp_path / "plays.json", b"")
    replace_file(tmp_path / "plays.html", b"")

    assert [name for step, name in steps if step == "sync" and name != "."] == ["plays.json.new", "plays.html.new"]


def test_a_directory_is_flushed_and_its_descriptor_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptors: list[int] = []
    monkeypatch.setattr(os, "fsync", descriptors.append)

    sync_directory(tmp_path)

    [descriptor] = descriptors
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def hold(directory: Path) -> IO[str]:
    return hold_directory(directory, name="state directory", remedy="name another")


@pytest.mark.kind(20)
def test_a_directory_is_held_until_the_lock_is_closed(tmp_path: Path, observe: Observe) -> None:
    with hold(tmp_path / "new" / "held"), pytest.raises(InUseError) as refused:
        hold(tmp_path / "new" / "held")

    holder = f"process {os.getpid()} on {socket.gethostname()}"
    assert str(refused.value) == (
        f"the state directory {tmp_path}/new/held is in use by {holder}; stop that, or name another"
    )
    hold(tmp_path / "new" / "held").close()
    observe("a second process on a state directory is refused: it is in use by process PID on HOST")


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", HOLD_AND_DIE, str(tmp_path)], check=False)

    assert killed.returncode == -9
    hold(tmp_path).close()


def test_a_directory_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match=r"file/below cannot be used \(Not a directory\); name another"):
        hold(tmp_path / "file" / "below")
