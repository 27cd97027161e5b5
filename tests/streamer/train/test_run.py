"""A fit that is stopped keeps what is done; the one that goes on ends in the weights of one that was not."""

import dataclasses
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from models.catalogue import Catalogue, track_keys
from models.config import NetworkConfig, TrainingConfig
from models.histories import gather_histories
from models.recipes import Recipe
from models.release import DataWindow, Release, load_release
from models.shards import Shard
from streamer.checkpoints import CheckpointError, CheckpointFile
from streamer.fit_progress import FitStopped
from streamer.settings import Settings
from streamer.train.lesson import Lesson, TrainError
from streamer.train.run import hear_signals, train

IDS = [f"t{number}" for number in range(20)]
RECIPE = Recipe(
    "tiny", NetworkConfig(embedding_size=8, hidden_size=16), TrainingConfig(epochs=2, batch_plays=64, item_epochs=1)
)


def lesson(num_plays: int = 400) -> Lesson:
    plays = np.arange(num_plays)
    histories = gather_histories(plays % 10, track_keys(IDS)[plays // 10 % len(IDS)], plays * 200_000)
    sessions = np.repeat(np.arange(10), num_plays // 10)
    return Lesson([Shard(histories, sessions)], Catalogue(IDS), DataWindow.of(histories))


class OnceKept(list[int]):
    """SIGTERM, heard as soon as there is a checkpoint."""

    def __init__(self, checkpoint: CheckpointFile) -> None:
        super().__init__([signal.SIGTERM])
        self._checkpoint = checkpoint

    def __bool__(self) -> bool:
        return self._checkpoint.path.exists()


def settings(tmp_path: Path) -> Settings:
    return Settings(releases_url=str(tmp_path / "releases"), device="cpu")


def weights(release: Release) -> dict[str, list[float]]:
    return {name: tensor.tolist() for name, tensor in release.network.state_dict().items()}


def test_a_recipe_becomes_a_release_and_leaves_no_checkpoint(tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path / "checkpoint")

    saved = train(lesson(), RECIPE, settings(tmp_path), checkpoint, [])

    assert saved is not None
    release = load_release(saved.location, manifest_sha256=saved.manifest_sha256)
    assert release.network.config == dataclasses.replace(RECIPE.network, contexts=())
    assert release.metrics == {"recipe": "tiny"}
    assert release.data_window.num_plays == 400
    assert not checkpoint.path.exists()


def test_a_stopped_fit_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = train(lesson(), RECIPE, settings(tmp_path), CheckpointFile(tmp_path / "whole"), [])
    checkpoint = CheckpointFile(tmp_path / "stopped")

    with pytest.raises(FitStopped):
        train(lesson(), RECIPE, settings(tmp_path), checkpoint, OnceKept(checkpoint))

    assert checkpoint.path.exists()
    resumed = train(lesson(), RECIPE, settings(tmp_path), checkpoint, [])
    assert resumed is not None
    assert whole is not None
    assert weights(load_release(resumed.location)) == weights(load_release(whole.location))


def test_a_checkpoint_of_other_plays_is_refused_and_left(tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path)
    with pytest.raises(FitStopped):
        train(lesson(), RECIPE, settings(tmp_path), checkpoint, OnceKept(checkpoint))

    with pytest.raises(CheckpointError, match="of another fit: plays 400, not 500"):
        train(lesson(500), RECIPE, settings(tmp_path), checkpoint, [])

    assert checkpoint.path.exists()


def test_plays_that_teach_nothing_are_refused(tmp_path: Path) -> None:
    single = gather_histories(np.arange(3), track_keys(IDS[:3]), np.zeros(3, np.int64))
    nothing = Lesson([Shard(single)], Catalogue(IDS), DataWindow.of(single))

    with pytest.raises(TrainError, match="no release can be trained: no listener has two plays"):
        train(nothing, RECIPE, settings(tmp_path), CheckpointFile(tmp_path), [])


def test_signals_are_noted_and_handed_back() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with hear_signals() as heard:
        os.kill(os.getpid(), signal.SIGTERM)

        assert heard == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_fit_is_stopped_while_it_learns_item_vectors_too(tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path)

    with pytest.raises(FitStopped):
        train(lesson(), RECIPE, settings(tmp_path), checkpoint, [signal.SIGTERM])

    assert not checkpoint.path.exists()  # no batch was done
