"""Releases learned from simulated plays in seconds: both stages, small, and better than nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from models.config import CONTEXTS, NetworkConfig, RerankerConfig, RerankerTraining, TrainingConfig
from models.plays.split import split_plays
from models.recipes import Recipe
from models.release import SavedRelease, save_release
from models.release_files import DataWindow
from models.release_folder import Folder
from models.training.recipe_fitting import fit_recipe
from models.training.shards import training_shard
from models.training.track_mapping import count_plays, map_tracks
from streamer.archive.plays import ArchivedPlays
from streamer.local.simulator import SimulatedPlay
from streamer.training.comparison import Terms, columns, judge_candidate

_RECIPE: Final = Recipe(
    "small",
    NetworkConfig(embedding_size=24, hidden_size=24),
    TrainingConfig(epochs=3, batch_plays=1024, item_epochs=4),
    second_stage=RerankerConfig(num_first_stage=40, num_counted=20, num_neighbours=30, hidden_units=16),
    reranker_training=RerankerTraining(epochs=4, batch_anchors=256),
)


def learn(plays: Sequence[SimulatedPlay], track_ids: Sequence[str], releases: Path, *, epochs: int) -> SavedRelease:
    """Learn a release from plays, let the gate judge it, and save it among others."""
    recipe = replace(_RECIPE, training=replace(_RECIPE.training, epochs=epochs))
    archived = _archived(plays, track_ids)
    split = split_plays(columns(archived))
    shards = [training_shard(split)]
    recommender = fit_recipe(recipe, shards, split.catalogue)
    until_ms = plays[-1].played_at
    terms = Terms(now_ms=until_ms, fresh_after_s=86_400.0, num_new=len(plays))
    return save_release(
        Folder(str(releases)),
        recommender,
        training=recipe.training,
        metrics=judge_candidate(archived, split, recommender, None, terms).metrics,
        data_window=DataWindow(plays[0].played_at, until_ms, len(plays), len(set(archived.users.tolist()))),
        created_at_ms=until_ms + epochs,
        track_map=map_tracks(recommender, count_plays(shards, recommender.catalogue), None),
    )


def _archived(plays: Sequence[SimulatedPlay], track_ids: Sequence[str]) -> ArchivedPlays:
    rows = {track_id: row for row, track_id in enumerate(track_ids)}
    users = {user_id: number for number, user_id in enumerate(sorted({play.user_id for play in plays}))}
    return ArchivedPlays(
        user_ids=list(users),
        users=np.array([users[play.user_id] for play in plays]),
        track_ids=list(track_ids),
        tracks=np.array([rows[play.track_id] for play in plays]),
        played_at_ms=np.array([play.played_at for play in plays]),
        contexts=np.array([CONTEXTS.index(play.context) for play in plays], np.uint8),
        skipped=np.array([play.skipped for play in plays]),
        partitions=np.zeros(len(plays), np.int32),
        offsets=np.arange(len(plays)),
    )
