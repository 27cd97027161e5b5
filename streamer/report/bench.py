"""The bench: the plays every system is fitted on, and the networks that several of them share, each fitted once.

A fitted network is kept as an ordinary release, so that a report that was interrupted goes on where it stopped, and
`refrain evaluate` or a worker can take it up.
"""

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from models.analysis.gru4rec import Gru4RecConfig
from models.config import RerankerConfig, RerankerTraining, TrainingConfig
from models.networks.network import Network
from models.plays.split import Split
from models.release import load_release, save_release
from models.release_files import DataWindow
from models.serving.recommender import Recommender
from models.training.context import FitContext
from models.training.fit import fit
from models.training.loop import Progress
from streamer.report.gru4rec_search import BEST
from streamer.runtime.files import replace_file

_FIT: str = "fit.json"


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """A network and how its fit went.

    Attributes:
        network: in eval mode.
        losses: the mean of each epoch, nats.
        plays_per_s: plays learned from in a second of the processor's time, item vectors included.
    """

    network: Network
    losses: list[float]
    plays_per_s: float


@dataclass(frozen=True, slots=True)
class Bench:
    """What systems are fitted on, and how.

    Attributes:
        split: the plays.
        folder: of what is kept.
        device: where networks are fitted.
        training: of the network; its seed is that of the run.
        reranker: sizes of the second stage.
        reranker_training: of the second stage; its seed is that of the run.
        gru4rec: its hyperparameters; the seed is that of the run.
        tell: is told how far it is.
    """

    split: Split
    folder: Path
    device: str = "cpu"
    training: TrainingConfig = field(default_factory=TrainingConfig)
    reranker: RerankerConfig = field(default_factory=RerankerConfig)
    reranker_training: RerankerTraining = field(default_factory=RerankerTraining)
    gru4rec: Gru4RecConfig = BEST
    tell: Callable[[str], None] = lambda _: None

    def fit_network(self, split: Split, name: str, seed: int) -> FittedNetwork:
        """Fit a network on the plays before a split's T1, or take the one that was kept under a name."""
        folder, training = self.folder / f"{name}-{seed}", replace(self.training, seed=seed)
        if (folder / _FIT).exists():
            kept = json.loads((folder / _FIT).read_text())
            if kept["training"] == _plain(training):
                network = load_release(str(folder / kept["release"]), device=self.device).network
                return FittedNetwork(network, kept["losses"], kept["plays_per_s"])
        fitted = self._fit(split, name, training)
        release = self.save(f"{name}-{seed}", Recommender(fitted.network, split.catalogue), split, training)
        about = {"training": _plain(training), "release": release, "losses": fitted.losses}
        about["plays_per_s"] = fitted.plays_per_s
        replace_file(folder / _FIT, f"{json.dumps(about, indent=1)}\n".encode())
        return fitted

    def save(self, name: str, recommender: Recommender, split: Split, training: TrainingConfig) -> str:
        """Save a release fitted on the plays before a split's T1 under a name; give the name of its directory."""
        histories, _ = split.training_histories()
        saved = save_release(
            str(self.folder / name),
            recommender,
            training=training,
            metrics={},
            data_window=DataWindow(
                from_ms=int(histories.played_at_ms.min()),
                until_ms=int(histories.played_at_ms.max()),
                num_plays=histories.num_plays,
                num_listeners=histories.num_listeners,
            ),
            created_at_ms=time.time_ns() // 1_000_000,
        )
        return saved.release_id

    def _fit(self, split: Split, name: str, training: TrainingConfig) -> FittedNetwork:
        losses: list[list[float]] = [[] for _ in range(training.epochs)]

        def note(progress: Progress) -> None:
            if not progress.epoch:  # item vectors have no loss
                return
            losses[progress.epoch - 1].append(progress.loss)
            if progress.batch == progress.num_batches:
                self.tell(f"{name}, epoch {progress.epoch} of {progress.num_epochs}: loss {progress.loss:.3f}")

        histories, sessions = split.training_histories()
        begun_s = time.process_time()
        context = FitContext(self.device, note)
        network = fit(histories, split.catalogue, training, sessions=sessions, context=context)
        plays_per_s = histories.num_plays * training.epochs / (time.process_time() - begun_s)
        return FittedNetwork(network, [float(np.mean(each)) for each in losses], round(plays_per_s, 1))


def _plain(training: TrainingConfig) -> object:
    """Give a config as JSON gives it back: lists for tuples."""
    plain: object = json.loads(json.dumps(dataclasses.asdict(training)))
    return plain
