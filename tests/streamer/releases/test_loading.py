import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.config import TrainingConfig
from models.release_files import InvalidRelease
from streamer.errors import ReleaseError, StoreError
from streamer.releases.loading import load_location, load_notice, notice_at, notice_of, read_release, save_under
from streamer.releases.store import Store
from streamer.wire.messages import ReleaseNotice
from tests.builders import WINDOW, save_tiny_release, tiny_release
from tests.cases.observations import Observe


def test_the_notice_of_an_existing_release_is_its_trainers(tmp_path: Path) -> None:
    saved = save_tiny_release(tmp_path)

    assert notice_at(saved.location) == (str(tmp_path), notice_of(saved))
    assert read_release(saved.location, "cpu").release_id == saved.release_id


def test_a_folder_without_a_release_or_under_another_name_is_rejected(tmp_path: Path) -> None:
    saved = save_tiny_release(tmp_path)
    Path(saved.location).rename(tmp_path / "mine")

    with pytest.raises(ReleaseError, match=r"is no release .*manifest\.json"):
        notice_at(str(tmp_path))
    with pytest.raises(ReleaseError, match=f"mine holds release {saved.release_id}; give its directory that name"):
        notice_at(str(tmp_path / "mine"))


def test_a_damaged_release_is_rejected(tmp_path: Path) -> None:
    saved = save_tiny_release(tmp_path)
    (Path(saved.location) / "metrics.json").write_text("{}")

    with pytest.raises(ReleaseError, match="cannot be used"):
        read_release(saved.location, "cpu")


def test_a_release_saved_under_a_relative_path_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tiny_release()
    monkeypatch.chdir(tmp_path)
    saved = save_under(
        Store("releases"), release.recommender, training=TrainingConfig(), metrics={"of": "a test"}, data_window=WINDOW,
        clock=lambda: 1_700_000_000.25,
    )  # fmt: skip
    monkeypatch.chdir("/")

    loaded = load_location(saved.location)

    assert saved.location == f"file://{tmp_path}/releases/{saved.release_id}"
    assert (loaded.created_at_ms, loaded.metrics, loaded.data_window) == (1_700_000_000_250, {"of": "a test"}, WINDOW)


def test_a_release_is_created_when_it_is_saved_unless_a_clock_says_otherwise(tmp_path: Path) -> None:
    before_ms = int(time.time() * 1000)

    saved = save_under(
        Store(str(tmp_path)), tiny_release().recommender, training=TrainingConfig(), metrics={}, data_window=WINDOW
    )  # fmt: skip

    assert before_ms <= load_location(saved.location).created_at_ms <= time.time() * 1000


def test_a_url_without_a_driver_is_out_of_reach_and_not_a_broken_release() -> None:
    with pytest.raises(StoreError, match="at nowhere://r1: ValueError: Protocol not known: nowhere"):
        load_location("nowhere://r1")


@pytest.mark.kind(10)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: files["weights.safetensors"].update(size=1 << 40), "more than the .* bytes left for weights"),
        (lambda files: files["weights.safetensors"].update(size=100), "has 4,076 bytes or more .* at most 100"),
        (lambda files: files.update({"../../etc/passwd": files["config.json"]}), "etc/passwd', which no release has"),
        (lambda files: files.update({f"file-{each}": {"sha256": "0", "size": 1} for each in range(5)}), "'file-0'"),
        (lambda files: files.update({str(each): "0" * 64 for each in range(2000)}), "bytes or more"),
        (lambda files: files.update({"config.json": 7}), "lacks"),
    ],
)  # fmt: skip
def test_a_manifest_bounds_what_is_copied_and_names_only_files_of_a_release(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str, observe: Observe
) -> None:
    saved = save_tiny_release(tmp_path)
    path = Path(saved.location, "manifest.json")
    manifest = json.loads(path.read_text())
    change(manifest["files"])
    path.write_text(json.dumps(manifest))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

    with pytest.raises(InvalidRelease, match=message):
        load_notice(ReleaseNotice(saved.release_id, saved.release_id, sha256), Store(str(tmp_path)))
    observe(f"a manifest that does not fit is refused: {message.replace('.*', '...')}")


@pytest.mark.kind(10)
def test_a_release_larger_than_allowed_is_not_copied(tmp_path: Path, observe: Observe) -> None:
    saved = save_tiny_release(tmp_path)
    num_bytes = sum(path.stat().st_size for path in Path(saved.location).iterdir() if path.name != "manifest.json")

    assert load_notice(notice_of(saved), Store(str(tmp_path)), max_bytes=num_bytes).release_id == saved.release_id
    with pytest.raises(InvalidRelease, match="raise REFRAIN_RELEASES_MAX_MB"):
        load_notice(notice_of(saved), Store(str(tmp_path)), max_bytes=num_bytes - 1)
    observe("a release one byte larger than allowed is refused; one that just fits is loaded")


@pytest.mark.kind(11)
def test_a_release_under_anothers_id_is_refused(tmp_path: Path, observe: Observe) -> None:
    one, other = save_tiny_release(tmp_path), save_tiny_release(tmp_path, created_at_ms=1_800_000_000_000)
    shutil.rmtree(one.location)
    shutil.copytree(other.location, one.location)

    with pytest.raises(InvalidRelease, match=f"holds release {other.release_id}"):
        load_notice(ReleaseNotice(one.release_id, one.release_id, other.manifest_sha256), Store(str(tmp_path)))
    observe("a directory that holds another release than its name says is refused")


@pytest.mark.kind(9)
@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b"[1, 2]", b'"t"', b"[" * 100_000, b'["a", "a"]', b"[null]", b"\xff", b""]
)
def test_whatever_a_file_with_the_right_checksum_holds_is_an_invalid_release(
    tmp_path: Path, content: bytes, observe: Observe
) -> None:
    for name in (
        "catalogue.safetensors", "config.json", "metrics.json", "weights.safetensors", "items.safetensors"
    ):  # fmt: skip
        saved = save_tiny_release(tmp_path / name)
        Path(saved.location, name).write_bytes(content)
        path = Path(saved.location, "manifest.json")
        manifest = json.loads(path.read_text())
        manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        path.write_text(json.dumps(manifest))
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

        if name == "metrics.json" and content in (b"{}", b"[]"):
            continue
        with pytest.raises(InvalidRelease):
            load_notice(ReleaseNotice(saved.release_id, saved.release_id, sha256), Store(str(tmp_path / name)))
    observe(f"files that hold {content[:12]!r} instead of what they should are an invalid release, nothing else")
