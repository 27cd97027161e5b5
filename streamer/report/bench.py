"""The bench: the plays every system is fitted on, and the networks that several of them share, each fitted once.

A fitted network is kept as an ordinary release, so that an interrupted report resumes where it stopped, and
`refrain evaluate` or a worker can use it.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from models.analysis.gru4rec import Gru4RecConfig
from models.config import RerankerConfig, RerankerTraining, TrainingConfig
from models.networks.network import Network
from models.plays.catalogue import Catalogue
from models.plays.split import Split
from models.release_files import DataWindow
from models.serving.recommender import Recommender
from models.training.context import FitContext
from models.training.fit import fit_shards
from models.training.loop import Progress, Stage
from models.training.shards import Shard, training_shard
from streamer.releases.loading import load_location, save_under
from streamer.releases.store import Store
from streamer.report.gru4rec_search import BEST
from streamer.runtime.files import replace_file

_FIT: Final = "fit.json"
_NAMES: Final[Mapping[Stage, str]] = {
    "network": "refrain_network",
    "network of earlier plays": "refrain_network.earlier",
}


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """A network and how its fit went.

    Attributes:
        network: in eval mode.
        losses: the mean of each epoch, nats.
        plays_per_s: plays learned per second of CPU time, including item vectors.
    """

    network: Network
    losses: list[float]
    plays_per_s: float


@dataclass(frozen=True, slots=True)
class Bench:
    """What systems are fitted on, and how.

    Attributes:
        split: the plays.
        folder: for fitted systems.
        device: where networks are fitted.
        training: of the network; each run sets its seed.
        reranker: sizes of the second stage.
        reranker_training: of the second stage; each run sets its seed.
        gru4rec: its hyperparameters; each run sets the seed.
        log: receives a line for each step.
    """

    split: Split
    folder: Path
    device: str = "cpu"
    training: TrainingConfig = field(default_factory=TrainingConfig)
    reranker: RerankerConfig = field(default_factory=RerankerConfig)
    reranker_training: RerankerTraining = field(default_factory=RerankerTraining)
    gru4rec: Gru4RecConfig = BEST
    log: Callable[[str], None] = lambda _: None

    def fit_whole_network(self, seed: int) -> FittedNetwork:
        """Fit Refrain's network on all plays before T1, or load the kept one."""
        return self.fit_network(training_shard(self.split), self.split.catalogue, "network", seed)

    def fit_network(self, shard: Shard, catalogue: Catalogue, stage: Stage, seed: int) -> FittedNetwork:
        """Fit Refrain's network for a stage on some plays, or load the one kept for that stage."""
        name, training = f"{_NAMES[stage]}-{seed}", replace(self.training, seed=seed)
        folder = self.folder / name
        if (folder / _FIT).exists():
            kept = json.loads((folder / _FIT).read_text())
            if kept["training"] == _plain(training):
                network = load_location(str(folder / kept["release"]), device=self.device).network
                return FittedNetwork(network, kept["losses"], kept["plays_per_s"])
        fitted = self._fit(shard, catalogue, _NAMES[stage], training)
        release = self.save(name, Recommender(fitted.network, catalogue), shard, training)
        about = {"training": _plain(training), "release": release, "losses": fitted.losses}
        about["plays_per_s"] = fitted.plays_per_s
        replace_file(folder / _FIT, f"{json.dumps(about, indent=1)}\n".encode())
        return fitted

    def save(self, name: str, recommender: Recommender, shard: Shard, training: TrainingConfig) -> str:
        """Save a release fitted on some plays under a name; return the name of its directory."""
        saved = save_under(
            Store(str(self.folder / name)),
            recommender,
            training=training,
            metrics={},
            data_window=DataWindow.of(shard.histories),
        )
        return saved.release_id

    def _fit(self, shard: Shard, catalogue: Catalogue, name: str, training: TrainingConfig) -> FittedNetwork:
        losses: list[list[float]] = [[] for _ in range(training.epochs)]

        def note(progress: Progress) -> None:
            if not progress.epoch:  # item vectors have no loss
                return
            losses[progress.epoch - 1].append(progress.loss)
            if progress.batch == progress.num_batches:
                self.log(f"{name}, epoch {progress.epoch} of {progress.num_epochs}: loss {progress.loss:.3f}")

        start_s = time.process_time()
        network = fit_shards([shard], catalogue, training, context=FitContext(self.device, note))
        plays_per_s = shard.histories.num_plays * training.epochs / (time.process_time() - start_s)
        return FittedNetwork(network, [float(np.mean(each)) for each in losses], round(plays_per_s, 1))


def _plain(training: TrainingConfig) -> object:
    """Return a config as JSON would read it back: lists instead of tuples."""
    plain: object = json.loads(json.dumps(dataclasses.asdict(training)))
    return plain
