import shutil
from pathlib import Path

import pytest

from models.release import SavedRelease
from models.release_files import InvalidRelease
from streamer.errors import ReleaseError, StoreError
from streamer.releases.copies import KeptCopies, UnnamedCopies
from streamer.releases.loading import load_notice, notice_of
from streamer.releases.store import Store
from tests.builders import NOON_MS, save_tiny_release
from tests.cases.observations import Observe


@pytest.fixture
def copies(tmp_path: Path) -> KeptCopies:
    return KeptCopies(tmp_path / "state" / "releases")


def save(tmp_path: Path, seed: int = 7) -> SavedRelease:
    return save_tiny_release(tmp_path / "store", seed, created_at_ms=NOON_MS + seed)


def load(tmp_path: Path, saved: SavedRelease, copies: KeptCopies | UnnamedCopies) -> str:
    return load_notice(notice_of(saved), Store(str(tmp_path / "store")), copies=copies).release_id


def kept(copies: KeptCopies) -> set[str]:
    return {path.name for path in copies.directory.iterdir()}


@pytest.mark.kind(9)
def test_a_copy_answers_while_its_store_is_gone(tmp_path: Path, copies: KeptCopies, observe: Observe) -> None:
    saved = save(tmp_path)
    load(tmp_path, saved, copies)
    shutil.rmtree(tmp_path / "store")

    assert load(tmp_path, saved, copies) == saved.release_id
    with pytest.raises(StoreError):
        load(tmp_path, saved._replace(manifest_sha256="0" * 64), copies)
    observe("a worker whose store is gone starts with its own copy of the release that the notice names, and no other")


@pytest.mark.parametrize("name", ["items.safetensors", "config.json", "manifest.json"])
def test_a_copy_that_is_damaged_or_cut_off_is_fetched_again(tmp_path: Path, copies: KeptCopies, name: str) -> None:
    saved = save(tmp_path)
    load(tmp_path, saved, copies)
    path = copies.directory / saved.release_id / name
    content = path.read_bytes()

    for damaged in (content[:-1] + b"?", content[:10], b""):
        path.write_bytes(damaged)
        load(tmp_path, saved, copies)
        assert path.read_bytes() == content
    path.rename(path.with_name(f"{name}.new"))
    load(tmp_path, saved, copies)
    assert path.read_bytes() == content


def test_an_intact_copy_is_not_asked_of_the_store_again(tmp_path: Path, copies: KeptCopies) -> None:
    saved = save(tmp_path)
    load(tmp_path, saved, copies)
    before = (copies.directory / saved.release_id / "items.safetensors").stat().st_ino
    (copies.directory / saved.release_id / "config.json").unlink()

    load(tmp_path, saved, copies)

    assert (copies.directory / saved.release_id / "items.safetensors").stat().st_ino == before


def test_the_newest_copy_and_the_one_completed_before_are_kept(tmp_path: Path, copies: KeptCopies) -> None:
    first, second, third, lost = (save(tmp_path, seed) for seed in range(1, 5))
    shutil.rmtree(lost.location)

    for saved in (first, second, third, second):
        load(tmp_path, saved, copies)
    assert kept(copies) == {third.release_id, second.release_id}

    (copies.directory / "20260101T000000.000Z-00000000").mkdir()  # cut off by a crash
    with pytest.raises(InvalidRelease):
        load(tmp_path, lost._replace(manifest_sha256=first.manifest_sha256), copies)
    assert kept(copies) == {second.release_id}


def test_copies_without_a_name_leave_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()

    load(tmp_path, save(tmp_path), UnnamedCopies(tmp_path / "scratch"))

    assert not list((tmp_path / "scratch").iterdir())


def test_a_complete_copy_is_not_written_again(tmp_path: Path, copies: KeptCopies) -> None:
    saved = save(tmp_path)
    load(tmp_path, saved, copies)
    before = [path.stat().st_ino for path in sorted((copies.directory / saved.release_id).iterdir())]

    load(tmp_path, saved, copies)

    assert [path.stat().st_ino for path in sorted((copies.directory / saved.release_id).iterdir())] == before


@pytest.mark.kind(9)
def test_a_disk_that_takes_no_copy_is_a_fault_of_this_machine(tmp_path: Path, observe: Observe) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(
        ReleaseError, match=r"cannot be copied to this machine: NotADirectoryError.*; a part of the path is a file"
    ):
        load(tmp_path, save(tmp_path), KeptCopies(tmp_path / "file"))
    observe("a release that the worker's disk does not take is not called damaged: it is tried again")
