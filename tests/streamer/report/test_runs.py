from pathlib import Path

import numpy as np
import pytest

from models.plays.split import Lists
from streamer.report.runs import SystemRun, keep_run, kept_run
from tests.durability import observe_disk

LISTS = Lists(np.arange(40).reshape(2, 20), np.arange(200).reshape(2, 100))
KEY = {"seed": 1, "offsets": (1, 100)}


def test_a_kept_run_is_loaded_unchanged(tmp_path: Path) -> None:
    keep_run(tmp_path / "a-1", KEY, SystemRun(LISTS, {"rate": 0.1}, [3.0, 2.5], 900.5))

    kept = kept_run(tmp_path / "a-1", KEY)

    assert kept is not None
    np.testing.assert_array_equal(kept.lists.long_term, LISTS.long_term)
    np.testing.assert_array_equal(kept.lists.short_term, LISTS.short_term)
    assert (kept.settings, kept.losses, kept.plays_per_s) == ({"rate": 0.1}, [3.0, 2.5], 900.5)


def test_a_run_with_other_settings_is_not_loaded(tmp_path: Path) -> None:
    keep_run(tmp_path, KEY, SystemRun(LISTS, {}))

    assert kept_run(tmp_path, KEY | {"seed": 2}) is None


def test_an_incomplete_run_is_not_loaded(tmp_path: Path) -> None:
    keep_run(tmp_path, KEY, SystemRun(LISTS, {}))
    (tmp_path / "run.json").unlink()

    assert kept_run(tmp_path, KEY) is None


def test_lists_are_flushed_before_the_file_that_makes_them_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = observe_disk(tmp_path, monkeypatch)

    keep_run(tmp_path, KEY, SystemRun(LISTS, {}))

    assert steps[:2] == [("sync", "lists.npz"), ("sync", ".")]
    assert steps[2:] == [("sync", "run.json.new"), ("rename", "run.json"), ("sync", ".")]
