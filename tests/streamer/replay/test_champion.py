"""The release that answers a replay."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from models.config import TrainingConfig
from models.plays.split import split_plays
from models.recipes import RECIPES
from streamer.errors import ReleaseError
from streamer.recordings.plays import RecordedPlays
from streamer.releases.loading import read_release
from streamer.replay.champion import train_release


def test_training_uses_the_training_part_and_no_later_play(
    draw_listening: Callable[..., RecordedPlays], tmp_path: Path
) -> None:
    split = split_plays(draw_listening(600).plays)
    recipe = replace(RECIPES["refrain"], training=TrainingConfig(epochs=1, item_epochs=1))

    notice = train_release(split, recipe, releases_url=str(tmp_path), device_name="cpu")

    release = read_release(f"{tmp_path}/{notice.location}", "cpu")
    assert list(release.catalogue.track_ids) == list(split.catalogue.track_ids)
    assert release.data_window.until_ms < split.t1_ms
    assert release.data_window.num_plays == split.training_histories()[0].num_plays
    assert release.recommender.reranker is not None


def test_plays_without_anything_to_learn_are_rejected(
    draw_listening: Callable[..., RecordedPlays], tmp_path: Path
) -> None:
    split = split_plays(draw_listening(600).earliest(2).plays)

    with pytest.raises(ReleaseError, match="no release can be trained"):
        train_release(split, RECIPES["refrain"], releases_url=str(tmp_path), device_name="cpu")
