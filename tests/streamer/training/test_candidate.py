"""A window of plays becomes a candidate: fitted on the old, judged on the new."""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.config import RerankerConfig, TrainingConfig
from models.plays.split import split_plays
from models.release import Release, load_release
from models.training.checkpoint import Snapshot
from models.training.loop import Progress, ReportProgress
from models.training.reranker_counts import counted_reranker
from models.training.shards import Shards
from streamer.archive.archive import Archive
from streamer.archive.plays import SCHEMA, ArchivedPlays
from streamer.errors import StoreError
from streamer.releases.loading import notice_of
from streamer.releases.store import Store
from streamer.training.archive_copy import copy_trusted
from streamer.training.candidate import (
    HELD_OUT_SHARE,
    BotTrafficError,
    Candidate,
    NothingToLearnError,
    Plan,
    fit_candidate,
    leave_out_scripts,
    load_champion,
    save_candidate,
    split_window,
)
from streamer.training.checkpoints import CheckpointFile
from streamer.training.comparison import Terms, columns
from streamer.training.progress import FitStopped
from streamer.wire.messages import ReleaseNotice
from tests.builders import save_tiny_release, tiny_release

TRAINING = TrainingConfig(epochs=4, item_epochs=5)
UNTAUGHT = TrainingConfig(epochs=1, learning_rate=1e-9, item_epochs=1)
NUM_TRACKS = 100
GONE = "20231114T221320.000Z-00000000"
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
    """Listeners who play the tracks in the album's order, each from another start; no track is more popular."""
    plays = np.arange(40 * 75)
    users = plays % 40
    return window(users, (users * 37 + plays // 40) % NUM_TRACKS)


def table_of(plays: ArchivedPlays) -> pa.Table:
    """Convert plays of one partition to a table of the archive."""
    columns = {
        "user_id": [plays.user_ids[user] for user in plays.users],
        "track_id": [plays.track_ids[track] for track in plays.tracks],
        "played_at_ms": plays.played_at_ms,
        "context": plays.contexts,
        "skipped": plays.skipped,
        "partition": plays.partitions,
        "offset": plays.offsets,
    }
    return pa.table(columns, SCHEMA)


def ignore(*_: int) -> None:
    """Ignore what was copied."""


def fitted(
    plays: ArchivedPlays,
    champion: Release | None = None,
    training: TrainingConfig = TRAINING,
    start: Release | None = None,
    *,
    progress: ReportProgress = lambda _: None,
    read_before: Callable[[int], Shards] | None = None,
) -> Candidate:
    terms = Terms(now_ms=FIRST_MS, fresh_after_s=86_400, num_new=len(plays))
    with tempfile.TemporaryDirectory() as directory:
        plan = Plan(
            training, start, CheckpointFile(Path(directory)), "cpu", NUM_TRACKS, progress, read_before=read_before
        )
        return fit_candidate(plays, plan, champion, terms)


@pytest.fixture(scope="module")
def candidate(album_listeners: ArchivedPlays) -> Candidate:
    return fitted(album_listeners)


def test_weights_that_learned_something_may_be_released(candidate: Candidate) -> None:
    assert candidate.verdict.may_be_released
    assert candidate.metrics["verdict"] == candidate.verdict.paragraph


def test_what_may_be_released_has_a_map(candidate: Candidate, tmp_path: Path) -> None:
    saved = save_candidate(candidate, Store(str(tmp_path)))

    track_map = load_release(saved.location).track_map
    assert track_map is not None
    assert np.isfinite(track_map.places).all()
    assert candidate.track_map is not None
    np.testing.assert_array_equal(track_map.places, candidate.track_map.places)


def test_the_newest_plays_are_held_out(album_listeners: ArchivedPlays, candidate: Candidate) -> None:
    num_fitted = round(len(album_listeners) * (1 - HELD_OUT_SHARE))

    assert candidate.data_window.num_plays == num_fitted
    assert candidate.data_window.until_ms == FIRST_MS + GAP_MS * (num_fitted - 1)
    assert candidate.metrics["held_out_from_ms"] == FIRST_MS + GAP_MS * num_fitted


@pytest.mark.long
def test_the_live_hit_rate_is_of_the_held_out_plays_in_any_order_of_arrival(
    album_listeners: ArchivedPlays, candidate: Candidate
) -> None:
    backlog = album_listeners.take(np.argsort(album_listeners.users % 4, kind="stable"))  # partition by partition

    assert fitted(backlog).metrics["live_hit_rate"] == candidate.metrics["live_hit_rate"]


@pytest.mark.long
def test_a_release_is_the_champion_of_the_next_fit(
    album_listeners: ArchivedPlays, candidate: Candidate, tmp_path: Path
) -> None:
    saved = save_candidate(candidate, Store(str(tmp_path)), clock=lambda: FIRST_MS / 1000)
    champion = load_champion(notice_of(saved), Store(str(tmp_path)), "cpu")

    after = fitted(album_listeners, champion, UNTAUGHT)

    assert after.metrics[saved.release_id] == candidate.metrics["candidate"]
    assert "worse than the champion in HR@20" in after.verdict.reason


@pytest.mark.long
def test_a_fit_that_starts_from_the_champion_needs_fewer_passes(
    album_listeners: ArchivedPlays, candidate: Candidate, tmp_path: Path
) -> None:
    saved = save_candidate(candidate, Store(str(tmp_path)), clock=lambda: FIRST_MS / 1000)
    champion = load_release(saved.location)

    after = fitted(album_listeners, champion, TRAINING, start=champion)

    assert after.training == TRAINING.refreshed()
    assert (candidate.metrics["began_from"], after.metrics["began_from"]) == (None, champion.release_id)
    assert "worse than" not in after.verdict.reason


def after_the_plays() -> float:
    """Return a time after all plays, s since the epoch: a release has seen nothing from after it was made."""
    return FIRST_MS / 1000 + 10 * 365 * 86_400


@pytest.mark.long
def test_a_second_stage_is_fitted_on_what_the_champion_has_not_seen(
    album_listeners: ArchivedPlays, candidate: Candidate, tmp_path: Path
) -> None:
    saved = save_candidate(candidate, Store(str(tmp_path)), clock=after_the_plays)
    champion = load_release(saved.location)
    halfway = dataclasses.replace(champion.data_window, until_ms=FIRST_MS + GAP_MS * len(album_listeners) // 2)

    after = fitted(album_listeners, dataclasses.replace(champion, data_window=halfway), UNTAUGHT)

    assert candidate.recommender.reranker is None
    assert after.recommender.reranker is not None
    assert after.recommender.reranker.last_layer.weight.any()
    assert len(after.recommender.reranker.sources.log_popularity) == len(after.recommender.catalogue)


@pytest.mark.long
def test_a_second_stage_counts_all_of_the_archive_but_the_plays_held_out(
    album_listeners: ArchivedPlays, candidate: Candidate, tmp_path: Path
) -> None:
    saved = save_candidate(candidate, Store(str(tmp_path / "releases")), clock=after_the_plays)
    champion = load_release(saved.location)
    halfway = dataclasses.replace(champion.data_window, until_ms=FIRST_MS + GAP_MS * len(album_listeners) // 2)
    with Archive(tmp_path / "archive") as archive:
        archive.append(table_of(album_listeners), {0: len(album_listeners)})
    newest = album_listeners.take(np.arange(1000, len(album_listeners)))

    after = fitted(
        newest, dataclasses.replace(champion, data_window=halfway), UNTAUGHT,
        read_before=lambda end_ms: copy_trusted(tmp_path / "archive", tmp_path / "shards" / "fit", end_ms, ignore),
    )  # fmt: skip

    assert after.recommender.reranker is not None
    num_held_out = round(len(newest) * HELD_OUT_SHARE)
    learned = columns(album_listeners.take(np.arange(len(album_listeners) - num_held_out)))
    end_ms = int(learned.played_at_ms.max()) + 1
    histories = split_plays(learned, t1_ms=end_ms, t2_ms=end_ms).training_histories()[0]
    counted = counted_reranker(
        histories, after.recommender.catalogue, candidate.recommender.network.config, RerankerConfig()
    )
    for name, expected in counted.sources.named_buffers():
        assert torch.equal(after.recommender.reranker.sources.get_buffer(name), expected), name


def test_a_fit_can_be_stopped_in_its_second_stage(
    album_listeners: ArchivedPlays, candidate: Candidate, tmp_path: Path
) -> None:
    champion = load_release(save_candidate(candidate, Store(str(tmp_path)), clock=after_the_plays).location)
    halfway = dataclasses.replace(champion.data_window, until_ms=FIRST_MS + GAP_MS * len(album_listeners) // 2)

    def stop_in_the_second_stage(progress: Progress) -> None:
        if progress.stage == "second stage":
            raise FitStopped

    with pytest.raises(FitStopped):
        fitted(album_listeners, dataclasses.replace(champion, data_window=halfway), UNTAUGHT,
               progress=stop_in_the_second_stage)  # fmt: skip


@pytest.mark.long
def test_with_few_new_plays_the_champions_second_stage_stays(
    album_listeners: ArchivedPlays, candidate: Candidate, tmp_path: Path
) -> None:
    split = split_window(album_listeners)
    reranker = counted_reranker(
        split.training_histories()[0], split.catalogue, candidate.recommender.network.config, RerankerConfig()
    )
    torch.nn.init.ones_(reranker.last_layer.weight)
    both = dataclasses.replace(candidate.recommender, reranker=reranker)
    with_both = dataclasses.replace(candidate, recommender=both)
    champion = load_release(save_candidate(with_both, Store(str(tmp_path)), clock=lambda: FIRST_MS / 1000).location)

    after = fitted(album_listeners, champion, UNTAUGHT)

    assert after.recommender.reranker is not None
    assert (after.recommender.reranker.last_layer.weight == 1).all()


def test_no_fit_starts_from_a_network_of_another_kind(album_listeners: ArchivedPlays) -> None:
    after = fitted(album_listeners, None, UNTAUGHT, start=tiny_release())

    assert (after.metrics["began_from"], after.training) == (None, UNTAUGHT)


def test_a_checkpoint_of_another_fit_is_forgotten(album_listeners: ArchivedPlays, tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path)
    checkpoint.path.write_bytes(b"of something else")
    terms = Terms(now_ms=FIRST_MS, fresh_after_s=86_400, num_new=len(album_listeners))

    fit_candidate(album_listeners, Plan(UNTAUGHT, None, checkpoint, "cpu", NUM_TRACKS, lambda _: None), None, terms)

    assert Snapshot.from_bytes(checkpoint.path.read_bytes()).fingerprint["training"]["learning_rate"] == 1e-9


def test_a_missing_or_damaged_champion_is_left_out_of_the_comparison(tmp_path: Path) -> None:
    saved = save_tiny_release(tmp_path)
    (tmp_path / saved.release_id / "weights.safetensors").write_bytes(b"damaged")

    assert load_champion(None, Store(str(tmp_path)), "cpu") is None
    assert load_champion(ReleaseNotice(GONE, GONE, "0" * 64), Store(str(tmp_path)), "cpu") is None
    assert load_champion(notice_of(saved), Store(str(tmp_path)), "cpu") is None


def test_a_champion_that_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    (tmp_path / GONE).mkdir()
    (tmp_path / GONE / "manifest.json").mkdir()  # every read of it fails

    with pytest.raises(StoreError, match="IsADirectoryError"):
        load_champion(ReleaseNotice(GONE, GONE, "0" * 64), Store(str(tmp_path)), "cpu")


def test_many_scripted_plays_are_refused_and_later_left_out() -> None:
    rng = np.random.default_rng(1)
    tracks, users = rng.integers(0, NUM_TRACKS, 24_000), np.arange(24_000) % 200
    users[12_000:16_000], tracks[12_000:16_000] = 7, 3

    with pytest.raises(BotTrafficError) as refused:
        leave_out_scripts(window(users[:16_000], tracks[:16_000]), num_new=4_000)
    trusted, sentence = leave_out_scripts(window(users, tracks), num_new=8_000)

    assert refused.value.verdict.reason == "100% of the new plays look scripted"
    assert len(trusted) == 16_000
    left_out = "Left out 8,000 of the 24,000 plays in the window"
    assert sentence == f"{left_out}: they look scripted, or are next to plays that do."
    assert trusted.offsets.tolist() == [*range(10_000), *range(18_000, 24_000)]


def test_a_saved_candidate_is_found_from_any_directory(
    candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved = save_candidate(candidate, Store("releases"), clock=lambda: FIRST_MS / 1000)
    monkeypatch.chdir("/")

    release = load_release(saved.location, manifest_sha256=saved.manifest_sha256)

    assert release.release_id == saved.release_id
    assert release.metrics["candidate"] == candidate.metrics["candidate"]


@pytest.mark.parametrize(
    ("users", "tracks"),
    [
        ([], []),
        ([0] * 9, [1] * 9),  # too few to hold any out
        (list(range(20)), [1] * 20),  # no listener plays twice
        ([0] * 18 + [1, 2], [1] * 20),  # nothing follows anything in the newest plays
        ([0] * 20, [1] * 18 + [2, 3]),  # the newest plays are of tracks that were never learned
    ],
)
def test_a_window_with_nothing_to_learn_is_an_error(users: list[int], tracks: list[int]) -> None:
    with pytest.raises(NothingToLearnError, match="wait for"):
        split_window(window(np.array(users, np.int64), np.array(tracks, np.int64)))


def test_plays_of_one_moment_cannot_be_held_out() -> None:
    plays = window(np.zeros(20, np.int64), np.ones(20, np.int64))
    plays.played_at_ms[:] = FIRST_MS

    with pytest.raises(NothingToLearnError, match="wait for later ones"):
        split_window(plays)


def test_only_a_large_catalogue_gets_an_index(
    candidate: Candidate, album_listeners: ArchivedPlays, tmp_path: Path
) -> None:
    terms = Terms(now_ms=FIRST_MS, fresh_after_s=86_400, num_new=len(album_listeners))
    plan = Plan(UNTAUGHT, None, CheckpointFile(tmp_path), "cpu", NUM_TRACKS - 1, lambda _: None)

    indexed = fit_candidate(album_listeners, plan, None, terms)

    assert candidate.recommender.index is None
    assert indexed.recommender.index is not None


@pytest.mark.long
def test_a_new_track_is_in_the_index_of_the_next_release(
    candidate: Candidate, album_listeners: ArchivedPlays, tmp_path: Path
) -> None:
    champion = load_release(save_candidate(candidate, Store(str(tmp_path)), clock=lambda: FIRST_MS / 1000).location)
    tracks = album_listeners.tracks.copy()
    tracks[1500::50] = NUM_TRACKS
    plays = dataclasses.replace(album_listeners, tracks=tracks, track_ids=[*album_listeners.track_ids, "new"])
    terms = Terms(now_ms=FIRST_MS, fresh_after_s=86_400, num_new=1500)
    plan = Plan(UNTAUGHT, champion, CheckpointFile(tmp_path), "cpu", NUM_TRACKS, lambda _: None)

    after = fit_candidate(plays, plan, champion, terms).recommender

    assert after.index is not None
    assert after.catalogue.track_ids[NUM_TRACKS] == "new"
    assert NUM_TRACKS in after.index.tracks
