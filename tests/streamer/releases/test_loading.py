from pathlib import Path

import pytest

from streamer.errors import ReleaseError
from streamer.releases.loading import notice_release, read_release
from streamer.wire.messages import ReleaseNotice
from tests.builders import save_tiny_release


def test_a_release_that_exists_is_noticed_as_its_trainer_did(tmp_path: Path) -> None:
    saved = save_tiny_release(tmp_path)

    notice = notice_release(saved.location)

    assert notice == ReleaseNotice(saved.release_id, saved.location, saved.manifest_sha256)
    assert read_release(notice, "cpu").release_id == saved.release_id


def test_a_folder_without_a_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"is no release .*manifest\.json"):
        notice_release(str(tmp_path))


def test_a_release_that_changed_since_its_notice_is_refused(tmp_path: Path) -> None:
    saved = save_tiny_release(tmp_path)
    notice = notice_release(saved.location)
    (Path(saved.location) / "metrics.json").write_text("{}")

    with pytest.raises(ReleaseError, match="cannot be used"):
        read_release(notice, "cpu")
