import time
from pathlib import Path

import pytest

from models.config import TrainingConfig
from streamer.errors import ReleaseError
from streamer.releases.loading import load_location, load_notice, notice_release, read_release, save_under
from streamer.wire.messages import ReleaseNotice
from tests.builders import WINDOW, save_tiny_release, tiny_release


def test_the_notice_of_an_existing_release_is_its_trainers(tmp_path: Path) -> None:
    saved = save_tiny_release(tmp_path)

    notice = notice_release(saved.location)

    assert notice == ReleaseNotice(saved.release_id, saved.location, saved.manifest_sha256)
    assert read_release(notice, "cpu").release_id == saved.release_id


def test_a_folder_without_a_release_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"is no release .*manifest\.json"):
        notice_release(str(tmp_path))


def test_a_release_that_changed_since_its_notice_is_rejected(tmp_path: Path) -> None:
    saved = save_tiny_release(tmp_path)
    notice = notice_release(saved.location)
    (Path(saved.location) / "metrics.json").write_text("{}")

    with pytest.raises(ReleaseError, match="cannot be used"):
        read_release(notice, "cpu")


def test_a_release_saved_under_a_relative_path_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tiny_release()
    monkeypatch.chdir(tmp_path)
    saved = save_under(
        "releases", release.recommender, training=TrainingConfig(), metrics={"of": "a test"}, data_window=WINDOW,
        clock=lambda: 1_700_000_000.25,
    )  # fmt: skip
    monkeypatch.chdir("/")

    loaded = load_notice(ReleaseNotice(*saved))

    assert saved.location == f"file://{tmp_path}/releases/{saved.release_id}"
    assert (loaded.created_at_ms, loaded.metrics, loaded.data_window) == (1_700_000_000_250, {"of": "a test"}, WINDOW)


def test_a_release_is_created_when_it_is_saved_unless_a_clock_says_otherwise(tmp_path: Path) -> None:
    before_ms = int(time.time() * 1000)

    saved = save_under(
        str(tmp_path), tiny_release().recommender, training=TrainingConfig(), metrics={}, data_window=WINDOW
    )  # fmt: skip

    assert before_ms <= load_location(saved.location).created_at_ms <= time.time() * 1000


def test_a_url_without_a_driver_is_out_of_reach_and_not_a_broken_release() -> None:
    with pytest.raises(OSError, match="release nowhere://r1 cannot be opened: Protocol not known"):
        load_location("nowhere://r1")
    with pytest.raises(ReleaseError, match=r"cannot be used: release nowhere://r1 cannot be opened"):
        read_release(ReleaseNotice("r1", "nowhere://r1", "0" * 64), "cpu")
