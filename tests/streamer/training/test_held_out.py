"""Releases trained offline are judged as a trainer's are: on the plays held out, against the champion or baselines."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.config import TrainingConfig
from models.plays.split import Plays
from models.release import SavedRelease, save_release
from models.release_folder import Folder
from models.serving.recommender import Recommender
from streamer.archive.plays import ArchivedPlays
from streamer.releases.alias import CHAMPION_FILE
from streamer.releases.judgement import Standing, first_sentence, standing_of
from streamer.releases.loading import notice_of
from streamer.releases.store import Store
from streamer.training.comparison import columns
from streamer.training.held_out import MAX_JUDGED_PLAYS, champion_in, hold_out, judge_offline
from tests.builders import WINDOW
from tests.cases.observations import Observe
from tests.streamer.training.test_comparison import BAD, GOOD, looping
from tests.streamer.training.test_comparison import held_out as split_of


@pytest.fixture(scope="module")
def loops() -> ArchivedPlays:
    return looping()


def save(directory: Path, recommender: Recommender) -> SavedRelease:
    return save_release(
        Folder(str(directory)), recommender, training=TrainingConfig(), metrics={}, data_window=WINDOW, created_at_ms=1
    )  # fmt: skip


def note_champion(directory: Path, saved: SavedRelease) -> None:
    (directory / CHAMPION_FILE).write_bytes(msgspec.json.encode(notice_of(saved)))


@pytest.mark.kind(12)
def test_weights_are_judged_by_the_gate_of_the_trainer(loops: ArchivedPlays, tmp_path: Path, observe: Observe) -> None:
    held_out = hold_out(columns(loops), split_of(loops).t1_ms)
    champion = champion_in(Store(str(tmp_path)))

    good, bad = (judge_offline(held_out, each, champion, 1e9) for each in (GOOD, BAD))

    assert champion is None
    assert standing_of(good) is Standing.PASSED
    assert first_sentence(good) == "Passed: better than popularity, and there is no champion"
    assert standing_of(bad) is Standing.REFUSED
    assert {"candidate", "gate", "popularity", "held_out_from_ms"} <= good.keys()
    assert "The figures rest on only 160 plays." in str(good["verdict"])
    observe(f"good weights: {first_sentence(good)}; bad ones: {first_sentence(bad)}")


@pytest.mark.kind(12)
def test_the_champion_that_the_store_names_is_compared_with(
    loops: ArchivedPlays,
    tmp_path: Path,
    observe: Observe,
) -> None:
    note_champion(tmp_path, save(tmp_path, GOOD))
    champion = champion_in(Store(str(tmp_path)))
    assert champion is not None

    metrics = judge_offline(hold_out(columns(loops), split_of(loops).t1_ms), BAD, champion, 1e9)

    assert "worse than the champion in HR@20" in str(metrics["verdict"])
    assert champion.release_id in metrics
    observe("the champion that the store names is compared with, without asking Kafka")


def test_a_champion_that_cannot_be_loaded_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved = save(tmp_path, GOOD)
    note_champion(tmp_path, saved)
    (Path(saved.location) / "weights.safetensors").write_bytes(b"damaged")

    assert champion_in(Store(str(tmp_path))) is None
    assert "judging without it" in caplog.text


@pytest.mark.kind(12)
def test_plays_that_judge_nothing_leave_a_release_unjudged(observe: Observe) -> None:
    fresh = Plays(np.arange(100) % 5, np.arange(100), [f"t{n}" for n in range(100)], np.arange(100) * 1000)

    metrics = judge_offline(hold_out(fresh, 80_000), GOOD, None, 1e9)

    assert standing_of(metrics) is Standing.UNJUDGED
    assert standing_of(judge_offline(None, GOOD, None, 1e9)) is Standing.UNJUDGED
    observe(first_sentence(metrics))


def test_only_the_newest_plays_judge_so_that_nobody_waits_for_long() -> None:
    num = 10 * MAX_JUDGED_PLAYS
    plays = Plays(np.arange(num) % 50, np.arange(num) % 7, [f"t{n}" for n in range(7)], np.arange(num))

    split = hold_out(plays, num // 2).split

    assert len(split.anchors("test")) == MAX_JUDGED_PLAYS
    assert split.t1_ms == num // 2
