"""A bench of made-up listening, small enough to fit every system in seconds."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from models.analysis.gru4rec import Gru4RecConfig
from models.config import RerankerConfig, RerankerTraining, TrainingConfig
from models.plays.split import Plays, Split, split_plays
from streamer.local.simulator import simulate
from streamer.local.world import World
from streamer.report.bench import Bench


@pytest.fixture(scope="package")
def split() -> Split:
    rng = np.random.default_rng(4)
    world = World.build(rng, num_listeners=30, num_tracks=160)
    plays = list(islice(simulate(world, rng, start_ms=1_700_000_000_000), 2500))
    users = sorted({play.user_id for play in plays})
    tracks = sorted({play.track_id for play in plays})
    return split_plays(
        Plays(
            np.array([users.index(play.user_id) for play in plays]),
            np.array([tracks.index(play.track_id) for play in plays]),
            tracks,
            np.array([play.played_at for play in plays]),
        )
    )


@pytest.fixture(scope="package")
def bench(split: Split, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    torch.set_num_threads(1)
    return Bench(
        split,
        tmp_path_factory.mktemp("kept"),
        training=TrainingConfig(epochs=1, item_epochs=1),
        reranker=RerankerConfig(num_first_stage=20, num_counted=10, num_neighbours=10, hidden_units=8),
        reranker_training=RerankerTraining(epochs=1, max_anchors=200),
        gru4rec=Gru4RecConfig(num_units=8, num_samples=16, epochs=1),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "report"
