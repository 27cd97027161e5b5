"""A stopped fit keeps its progress; a resumed one ends in the weights of an uninterrupted one."""

import dataclasses
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from models.config import NetworkConfig, RerankerConfig, RerankerTraining, TrainingConfig
from models.plays.catalogue import Catalogue, track_keys
from models.plays.histories import gather_histories
from models.recipes import Recipe
from models.release import Release, load_release
from models.release_files import DataWindow
from models.training.loop import Progress, ReportProgress
from models.training.shards import Shard
from streamer.settings import Settings
from streamer.training import offline as running
from streamer.training.checkpoints import CheckpointError, CheckpointFile
from streamer.training.dataset import Dataset, TrainingError
from streamer.training.offline import catch_signals, train
from streamer.training.progress import FitStopped, stopping

IDS = [f"t{number}" for number in range(20)]
RECIPE = Recipe(
    "tiny", NetworkConfig(embedding_size=8, hidden_size=16), TrainingConfig(epochs=2, batch_plays=64, item_epochs=1)
)
BOTH = dataclasses.replace(
    RECIPE,
    second_stage=RerankerConfig(num_first_stage=8, num_counted=4, num_neighbours=6, hidden_units=8),
    reranker_training=RerankerTraining(batch_anchors=8),
)


def dataset(num_plays: int = 400) -> Dataset:
    plays = np.arange(num_plays)
    histories = gather_histories(plays % 10, track_keys(IDS)[plays // 10 % len(IDS)], plays * 200_000)
    sessions = np.repeat(np.arange(10), num_plays // 10)
    return Dataset([Shard(histories, sessions)], Catalogue(IDS), DataWindow.of(histories))


class OnceKept(list[int]):
    """A list of SIGTERM that counts as empty until there is a checkpoint."""

    def __init__(self, checkpoint: CheckpointFile) -> None:
        super().__init__([signal.SIGTERM])
        self._checkpoint = checkpoint

    def __bool__(self) -> bool:
        return self._checkpoint.path.exists()


def settings(tmp_path: Path) -> Settings:
    return Settings(releases_url=str(tmp_path / "releases"), device="cpu")


def weights(release: Release) -> dict[str, list[float]]:
    reranker = release.recommender.reranker
    second_stage = {} if reranker is None else reranker.state_dict()
    tensors = release.network.state_dict() | second_stage
    return {name: tensor.tolist() for name, tensor in tensors.items()}


def test_a_recipe_becomes_a_release_and_leaves_no_checkpoint(tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path / "checkpoint")

    saved = train(dataset(), RECIPE, settings(tmp_path), checkpoint, [])

    assert saved is not None
    release = load_release(saved.location, manifest_sha256=saved.manifest_sha256)
    assert release.network.config == dataclasses.replace(RECIPE.network, contexts=())
    assert release.metrics == {"recipe": "tiny", "verdict": "Not judged: no plays were held out."}
    assert release.data_window.num_plays == 400
    assert not checkpoint.path.exists()


def test_a_stopped_fit_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole = train(dataset(), RECIPE, settings(tmp_path), CheckpointFile(tmp_path / "whole"), [])
    checkpoint = CheckpointFile(tmp_path / "stopped")

    with pytest.raises(FitStopped):
        train(dataset(), RECIPE, settings(tmp_path), checkpoint, OnceKept(checkpoint))

    assert checkpoint.path.exists()
    resumed = train(dataset(), RECIPE, settings(tmp_path), checkpoint, [])
    assert resumed is not None
    assert whole is not None
    assert weights(load_release(resumed.location)) == weights(load_release(whole.location))


@pytest.mark.long
@pytest.mark.parametrize("stage", ["network of earlier plays", "network", "second stage"])
def test_both_stages_resume_to_the_same_weights_wherever_they_were_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    whole = train(dataset(), BOTH, settings(tmp_path), CheckpointFile(tmp_path / "whole"), [])
    checkpoint, signals = CheckpointFile(tmp_path / "stopped"), list[int]()
    monkeypatch.setattr(running, "report_progress", _stop_in(stage, signals))

    with pytest.raises(FitStopped):
        train(dataset(), BOTH, settings(tmp_path), checkpoint, signals)

    resumed = train(dataset(), BOTH, settings(tmp_path), checkpoint, [])
    assert resumed is not None
    assert whole is not None
    assert load_release(resumed.location).recommender.reranker is not None
    assert weights(load_release(resumed.location)) == weights(load_release(whole.location))
    assert list((tmp_path / "stopped").iterdir()) == []


def _stop_in(stage: str, signals: list[int]) -> Callable[..., AbstractContextManager[ReportProgress]]:
    """Report nothing, but receive SIGTERM once a stage has done a few batches."""

    @contextmanager
    def report_progress(is_stopping: Callable[[Progress], bool]) -> Iterator[ReportProgress]:
        batches = itertools.count()

        def receive(progress: Progress) -> None:
            if progress.stage == stage and progress.epoch and next(batches) == 2:
                signals.append(signal.SIGTERM)

        yield stopping(receive, is_stopping)

    return report_progress


@pytest.mark.long
def test_a_release_that_starts_from_one_without_a_second_stage_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = train(dataset(), RECIPE, settings(tmp_path), CheckpointFile(tmp_path / "first"), [])
    assert first is not None
    start = load_release(first.location)

    train(dataset(), BOTH, settings(tmp_path), CheckpointFile(tmp_path / "second"), [], start=start)

    assert "no second stage: too few plays since the release it starts from" in caplog.text


def test_a_checkpoint_of_other_plays_is_refused_and_left(tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path)
    with pytest.raises(FitStopped):
        train(dataset(), RECIPE, settings(tmp_path), checkpoint, OnceKept(checkpoint))

    with pytest.raises(CheckpointError, match="belongs to another fit: plays 400, not 500"):
        train(dataset(500), RECIPE, settings(tmp_path), checkpoint, [])

    assert checkpoint.path.exists()


def test_plays_with_nothing_to_learn_are_refused(tmp_path: Path) -> None:
    single = gather_histories(np.arange(3), track_keys(IDS[:3]), np.zeros(3, np.int64))
    nothing = Dataset([Shard(single)], Catalogue(IDS), DataWindow.of(single))

    with pytest.raises(TrainingError, match="no release can be trained: no listener has two plays"):
        train(nothing, RECIPE, settings(tmp_path), CheckpointFile(tmp_path), [])


def test_signals_are_recorded_and_the_handlers_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with catch_signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)

        assert signals == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_fit_is_stopped_while_it_learns_item_vectors_too(tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path)

    with pytest.raises(FitStopped):
        train(dataset(), RECIPE, settings(tmp_path), checkpoint, [signal.SIGTERM])

    assert not checkpoint.path.exists()  # no batch was done
