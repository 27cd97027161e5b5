"""A window of plays becomes a candidate: fitted on the old, judged on the new."""

from pathlib import Path

import numpy as np
import pytest

from models.config import TrainingConfig
from models.release import load_release
from streamer.archived_plays import ArchivedPlays
from streamer.events import ReleaseNotice
from streamer.fitting import (
    HELD_OUT_SHARE,
    Candidate,
    NothingToLearnError,
    fit_candidate,
    save_candidate,
    split_window,
)

TRAINING = TrainingConfig(epochs=4, item_epochs=5)
UNTAUGHT = TrainingConfig(epochs=1, learning_rate=1e-9, item_epochs=1)
NUM_TRACKS = 100
FIRST_MS, GAP_MS = 1_795_000_000_000, 200_000


def window(users: np.ndarray, tracks: np.ndarray) -> ArchivedPlays:
    """Lay plays out, one after the other in time."""
    num_plays = len(users)
    return ArchivedPlays(
        user_ids=[f"u{user}" for user in range(users.max(initial=0) + 1)],
        users=users,
        track_ids=[f"t{track}" for track in range(NUM_TRACKS)],
        tracks=tracks,
        played_at_ms=FIRST_MS + GAP_MS * np.arange(num_plays),
        contexts=np.zeros(num_plays, np.uint8),
        skipped=np.zeros(num_plays, np.bool_),
        partitions=np.zeros(num_plays, np.int32),
        offsets=np.arange(num_plays),
    )


@pytest.fixture(scope="module")
def album_listeners() -> ArchivedPlays:
    """Listeners who play the tracks in the order of the album, from wherever they begin; nothing is more popular."""
    plays = np.arange(40 * 75)
    users = plays % 40
    return window(users, (users * 37 + plays // 40) % NUM_TRACKS)


@pytest.fixture(scope="module")
def candidate(album_listeners: ArchivedPlays) -> Candidate:
    return fit_candidate(album_listeners, None, training=TRAINING, device="cpu", progress=lambda _: None)


def test_weights_that_learned_something_may_be_released(candidate: Candidate) -> None:
    assert candidate.refusal == ""
    assert set(candidate.metrics) == {"held_out_from_ms", "candidate", "popularity"}


def test_the_newest_plays_are_held_out(album_listeners: ArchivedPlays, candidate: Candidate) -> None:
    num_fitted = round(len(album_listeners) * (1 - HELD_OUT_SHARE))

    assert candidate.data_window.num_plays == num_fitted
    assert candidate.data_window.until_ms == FIRST_MS + GAP_MS * (num_fitted - 1)
    assert candidate.metrics["held_out_from_ms"] == FIRST_MS + GAP_MS * num_fitted


def test_weights_that_do_not_beat_popularity_are_refused() -> None:
    rng = np.random.default_rng(3)
    everybody_plays_the_hits = window(np.arange(3000) % 40, rng.zipf(1.5, 3000) % NUM_TRACKS)

    refused = fit_candidate(everybody_plays_the_hits, None, training=UNTAUGHT, device="cpu", progress=lambda _: None)

    assert "does not beat popularity's" in refused.refusal


def test_a_release_is_judged_as_champion_by_the_next_fit(
    album_listeners: ArchivedPlays, candidate: Candidate, tmp_path: Path
) -> None:
    saved = save_candidate(candidate, str(tmp_path), TRAINING, created_at_ms=FIRST_MS)
    notice = ReleaseNotice(saved.release_id, saved.location, saved.manifest_sha256)

    after = fit_candidate(album_listeners, notice, training=UNTAUGHT, device="cpu", progress=lambda _: None)

    assert after.metrics[saved.release_id] == candidate.metrics["candidate"]


def test_a_champion_that_is_gone_is_not_judged(album_listeners: ArchivedPlays, tmp_path: Path) -> None:
    gone = ReleaseNotice("r1", f"file://{tmp_path}/r1", "0" * 64)

    candidate = fit_candidate(album_listeners, gone, training=UNTAUGHT, device="cpu", progress=lambda _: None)

    assert set(candidate.metrics) == {"held_out_from_ms", "candidate", "popularity"}


def test_a_saved_candidate_is_found_from_anywhere(
    candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved = save_candidate(candidate, "releases", TRAINING, created_at_ms=FIRST_MS)
    monkeypatch.chdir("/")

    release = load_release(saved.location, manifest_sha256=saved.manifest_sha256)

    assert release.release_id == saved.release_id
    assert release.metrics["candidate"] == candidate.metrics["candidate"]


@pytest.mark.parametrize(
    ("users", "tracks"),
    [
        ([], []),
        ([0] * 9, [1] * 9),  # too few to hold any out
        (list(range(20)), [1] * 20),  # nobody plays twice
        ([0] * 18 + [1, 2], [1] * 20),  # nothing follows anything in the newest plays
        ([0] * 20, [1] * 18 + [2, 3]),  # the newest plays are of tracks that were never learned
    ],
)
def test_a_window_with_nothing_to_learn_is_told_apart(users: list[int], tracks: list[int]) -> None:
    with pytest.raises(NothingToLearnError, match="wait for"):
        split_window(window(np.array(users, np.int64), np.array(tracks, np.int64)))


def test_plays_of_one_moment_cannot_be_held_out() -> None:
    plays = window(np.zeros(20, np.int64), np.ones(20, np.int64))
    plays.played_at_ms[:] = FIRST_MS

    with pytest.raises(NothingToLearnError, match="wait for later ones"):
        split_window(plays)
