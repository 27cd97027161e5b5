"""The shelf: what stands there is told, and what nobody needs goes."""

from pathlib import Path

import pytest

from models.release import load_release
from streamer.errors import SettingsError
from streamer.releases.registry import Refusal, Registry
from tests.builders import NOON_MS, save_tiny_release

HOUR_MS = 3_600_000
LATER_MS = NOON_MS + 100 * HOUR_MS


def save(directory: Path, *hours: int) -> list[str]:
    """Save a release for each hour named; return their ids."""
    return [save_tiny_release(directory, created_at_ms=NOON_MS + hour * HOUR_MS).release_id for hour in hours]


def test_releases_are_named_by_age_whatever_else_lies_there(tmp_path: Path) -> None:
    assert Registry(str(tmp_path / "absent")).ids() == []
    ids = save(tmp_path, 2, 0, 1)
    (tmp_path / "notes.txt").write_text("not a release")

    assert Registry(str(tmp_path)).ids() == sorted(ids)


def test_a_release_tells_of_itself_and_a_damaged_one_what_is_wrong(tmp_path: Path) -> None:
    good, damaged = save(tmp_path, 0, 1)
    (tmp_path / damaged / "metrics.json").write_text("{}")
    shelf = Registry(str(tmp_path))

    description = shelf.look_at(good).description
    assert description is not None
    assert (description.release_id, description.metrics, description.created_at_ms) == (good, {"seed": 7}, NOON_MS)
    assert shelf.look_at(damaged).description is None
    assert "metrics.json has sha256" in shelf.look_at(damaged).fault
    assert "has no manifest.json" in shelf.look_at("20200101T000000.000Z-00000000").fault


def test_the_oldest_releases_go_but_for_those_needed_and_young(tmp_path: Path) -> None:
    ids = save(tmp_path, 0, 1, 2, 3, 4)

    removed = Registry(str(tmp_path)).prune(2, {ids[1]}, before_ms=LATER_MS)

    assert removed == [ids[0], ids[2]]
    assert Registry(str(tmp_path)).ids() == [ids[1], ids[3], ids[4]]
    assert load_release(str(tmp_path / ids[1])).release_id == ids[1]


def test_a_young_release_stays(tmp_path: Path) -> None:
    ids = save(tmp_path, 0, 1, 2)

    assert Registry(str(tmp_path)).prune(1, (), before_ms=NOON_MS + HOUR_MS) == ids[:1]


def test_what_is_left_of_an_unfinished_release_goes_too(tmp_path: Path) -> None:
    unfinished, *_ = save(tmp_path, 0, 1)
    (tmp_path / unfinished / "manifest.json").unlink()

    assert Registry(str(tmp_path)).prune(1, (), before_ms=LATER_MS) == [unfinished]
    assert not (tmp_path / unfinished).exists()


def test_nothing_but_releases_is_ever_removed(tmp_path: Path) -> None:
    for name in ("notes", "20231114T221320.123Z", "refused"):
        (tmp_path / name).mkdir()
    save(tmp_path, 0, 1)

    Registry(str(tmp_path)).prune(1, (), before_ms=LATER_MS)

    assert {"notes", "20231114T221320.123Z", "refused"} < {path.name for path in tmp_path.iterdir()}


def test_refusals_are_kept_in_order_and_not_for_ever(tmp_path: Path) -> None:
    shelf = Registry(str(tmp_path))
    assert shelf.refusals() == []
    for number in range(103):
        shelf.keep_refusal(Refusal(NOON_MS + number, "plays", None, f"reason {number}", "paragraph"))

    assert [refusal.reason for refusal in shelf.refusals()] == [f"reason {number}" for number in range(3, 103)]
    assert shelf.ids() == []


@pytest.mark.parametrize("content", [b"not json", b'{"reason": "\xff"}'])
def test_a_refusal_that_cannot_be_read_is_passed_over(tmp_path: Path, content: bytes) -> None:
    shelf = Registry(str(tmp_path))
    shelf.keep_refusal(Refusal(NOON_MS, "plays", None, "reason", "paragraph"))
    (tmp_path / "refused" / "20231114T221320.999Z.json").write_bytes(content)

    assert [refusal.reason for refusal in shelf.refusals()] == ["reason"]


def test_a_place_no_driver_knows_is_refused() -> None:
    with pytest.raises(SettingsError, match="REFRAIN_RELEASES_URL='floppy://a' cannot be used"):
        Registry("floppy://a")
