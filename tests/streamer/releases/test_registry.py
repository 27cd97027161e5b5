"""The registry: releases are listed and described, and those no longer needed are removed."""

from pathlib import Path

import pytest

from models.release import load_release
from streamer.errors import SettingsError
from streamer.releases.registry import Refusal, Registry
from streamer.releases.store import Store, check_driver
from tests.builders import NOON_MS, save_tiny_release

HOUR_MS = 3_600_000
LATER_MS = NOON_MS + 100 * HOUR_MS


def save(directory: Path, *hours: int) -> list[str]:
    """Save a release for each given hour; return their ids."""
    return [save_tiny_release(directory, created_at_ms=NOON_MS + hour * HOUR_MS).release_id for hour in hours]


def test_releases_are_listed_by_age_despite_other_files(tmp_path: Path) -> None:
    assert Registry(Store(str(tmp_path / "absent"))).ids() == []
    ids = save(tmp_path, 2, 0, 1)
    (tmp_path / "notes.txt").write_text("not a release")

    assert Registry(Store(str(tmp_path))).ids() == sorted(ids)


def test_a_release_has_a_description_and_a_damaged_one_its_fault(tmp_path: Path) -> None:
    good, damaged = save(tmp_path, 0, 1)
    (tmp_path / damaged / "metrics.json").write_text("{}")
    registry = Registry(Store(str(tmp_path)))

    description = registry.look_at(good).description
    assert description is not None
    assert (description.release_id, description.metrics, description.created_at_ms) == (
        good,
        {"seed": 7, "passed": True},
        NOON_MS,
    )
    assert registry.look_at(damaged).description is None
    assert "metrics.json has sha256" in registry.look_at(damaged).fault
    assert "has no manifest.json" in registry.look_at("20200101T000000.000Z-00000000").fault


def test_the_oldest_releases_are_pruned_except_needed_and_new_ones(tmp_path: Path) -> None:
    ids = save(tmp_path, 0, 1, 2, 3, 4)

    removed = Registry(Store(str(tmp_path))).prune(2, {ids[1]}, before_ms=LATER_MS)

    assert removed == [ids[0], ids[2]]
    assert Registry(Store(str(tmp_path))).ids() == [ids[1], ids[3], ids[4]]
    assert load_release(str(tmp_path / ids[1])).release_id == ids[1]


def test_a_new_release_stays(tmp_path: Path) -> None:
    ids = save(tmp_path, 0, 1, 2)

    assert Registry(Store(str(tmp_path))).prune(1, (), before_ms=NOON_MS + HOUR_MS) == ids[:1]


def test_the_remains_of_an_unfinished_release_are_pruned_too(tmp_path: Path) -> None:
    unfinished, *_ = save(tmp_path, 0, 1)
    (tmp_path / unfinished / "manifest.json").unlink()

    assert Registry(Store(str(tmp_path))).prune(1, (), before_ms=LATER_MS) == [unfinished]
    assert not (tmp_path / unfinished).exists()


def test_only_releases_are_ever_removed(tmp_path: Path) -> None:
    for name in ("notes", "20231114T221320.123Z", "refused"):
        (tmp_path / name).mkdir()
    save(tmp_path, 0, 1)

    Registry(Store(str(tmp_path))).prune(1, (), before_ms=LATER_MS)

    assert {"notes", "20231114T221320.123Z", "refused"} < {path.name for path in tmp_path.iterdir()}


@pytest.mark.long
def test_only_the_newest_refusals_are_kept_in_order(tmp_path: Path) -> None:
    registry = Registry(Store(str(tmp_path)))
    assert registry.refusals() == []
    for number in range(103):
        registry.keep_refusal(Refusal(NOON_MS + number, "plays", None, f"reason {number}", "paragraph"))

    assert [refusal.reason for refusal in registry.refusals()] == [f"reason {number}" for number in range(3, 103)]
    assert registry.ids() == []


@pytest.mark.parametrize("content", [b"not json", b'{"reason": "\xff"}'])
def test_an_unreadable_refusal_is_skipped(tmp_path: Path, content: bytes) -> None:
    registry = Registry(Store(str(tmp_path)))
    registry.keep_refusal(Refusal(NOON_MS, "plays", None, "reason", "paragraph"))
    (tmp_path / "refused" / "20231114T221320.999Z.json").write_bytes(content)

    assert [refusal.reason for refusal in registry.refusals()] == ["reason"]


def test_a_url_without_a_driver_is_rejected() -> None:
    with pytest.raises(SettingsError, match="REFRAIN_RELEASES_URL='floppy://a' cannot be used"):
        check_driver("floppy://a")
