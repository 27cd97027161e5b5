"""Training: fit() is the whole loop.

Law: serving is training. Plays pass through the featuriser, the rings and the forward that serve them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.config import CONTEXTS, ArchitectureConfig, NetworkConfig, TrainingConfig
from models.networks.architectures import make_network
from models.networks.network import Network
from models.plays.catalogue import Catalogue
from models.plays.histories import Histories
from models.serving.recommender import Recommender
from models.training.checkpoint import Fingerprint, fingerprint_of
from models.training.context import DEFAULT_CONTEXT, FitContext, ignore_progress
from models.training.loop import Progress, TrainingRun
from models.training.shards import Questions, Shard, Shards, ShardSentences, survey_of
from models.training.warm_start import start_afresh, start_from

_MIN_CONTEXT_PLAYS: Final = 100  # an input fitted on fewer learns only noise


def fit(
    histories: Histories,
    catalogue: Catalogue,
    config: TrainingConfig,
    *,
    network_config: ArchitectureConfig | None = None,
    start: Recommender | None = None,
    sessions: NDArray[np.int64] | None = None,
    extra: Histories | None = None,
    context: FitContext = DEFAULT_CONTEXT,
) -> Network:
    """Train a network on plays in memory.

    Args:
        histories: P plays, all of them for training.
        catalogue: as for `fit_shards`, like every argument but `sessions` and `extra`.
        config: how to train.
        network_config: what to train.
        start: what to start from.
        sessions: int64 (P,), if the source knows its sessions, for the item vectors only; absent: sessions by gaps.
        extra: further plays, for the item vectors only; sessions by gaps.
        context: where to train.

    Returns:
        The network, in eval mode.

    Raises:
        ValueError: no listener has two plays of known tracks, or `start` has another config than was asked for.
    """
    return fit_shards(
        [Shard(histories, sessions)],
        catalogue,
        config,
        network_config=network_config,
        start=start,
        extra=() if extra is None else [Shard(extra)],
        context=context,
    )


def fit_shards(
    shards: Shards,
    catalogue: Catalogue,
    config: TrainingConfig,
    *,
    network_config: ArchitectureConfig | None = None,
    start: Recommender | None = None,
    extra: Shards = (),
    context: FitContext = DEFAULT_CONTEXT,
) -> Network:
    """Train a network on plays of which one shard at a time is in memory.

    Args:
        shards: the plays, all of them for training; read once to count, once in every pass of word2vec, and once in
            every epoch.
        catalogue: the tracks to learn; plays of others are skipped as in serving.
        config: how to train.
        network_config: what to train; absent: that of `start`, else the default with inputs for the contexts that
            occur.
        start: an earlier network over its own catalogue, to start from instead of item vectors alone; known tracks keep
            their vectors, new ones get those of their neighbours. `config.refreshed()` is then enough.
        extra: further plays, for the item vectors only.
        context: device, processes, progress report and checkpoint.

    Returns:
        The network, in eval mode.

    Raises:
        ValueError: no listener has two plays of known tracks, or `start` has another config than was asked for.
    """
    survey = survey_of(shards, catalogue, config)
    if start is not None:
        network_config = _config_of(start, network_config)
    network_config = network_config or NetworkConfig(contexts=occurring_contexts(shards))
    fingerprint = fingerprint_of(survey, catalogue, (network_config, config), start=start, extra=extra)
    snapshot = context.read_snapshot(fingerprint)
    with torch.random.fork_rng(devices=_cuda_devices(context.device)):
        torch.manual_seed(config.seed)
        network = make_network(network_config, len(catalogue))
        if snapshot is None and context.ranks.rank == 0:
            streams = ShardSentences([shards, extra], catalogue, network_config)
            if start is None:
                start_afresh(network, config, streams=streams, after_pass=_report_passes(config, context))
            else:
                start_from(network, config, start=start, catalogue=catalogue, streams=streams)
        context.ranks.prepare(network.to(context.device))
        questions = Questions(shards, catalogue, (network_config, config), survey)
        run = TrainingRun(network, questions, config, context.ranks)
        if snapshot is not None:
            run.restore(snapshot)
        _train(run, fingerprint, context)
    return network.eval()


def _report_passes(config: TrainingConfig, context: FitContext) -> Callable[[], None]:
    """Make the callback of word2vec's passes; with several ranks it reports nothing, as the others have no passes."""
    passes_done = itertools.count(1)
    progress = context.progress if context.ranks.size == 1 else ignore_progress

    def report_pass() -> None:
        progress(Progress(0, config.epochs, next(passes_done), config.item_epochs, float("nan")))

    return report_pass


def _train(run: TrainingRun, fingerprint: Fingerprint, context: FitContext) -> None:
    """Train to the end; report progress and, on the first rank, write snapshots."""
    checkpoint = context.checkpoint if context.ranks.rank == 0 else None
    for progress in run.batches():
        if checkpoint is not None and checkpoint.is_due(epoch_ended=progress.batch == progress.num_batches):
            checkpoint.write(run.snapshot(fingerprint))
        try:
            context.progress(progress)
        except Exception:  # usually a request to stop
            if checkpoint is not None:
                checkpoint.write(run.snapshot(fingerprint))
            raise


def _config_of(start: Recommender, requested: ArchitectureConfig | None) -> ArchitectureConfig:
    """Return the config of the network that a fit starts from, which no fit can change.

    Raises:
        ValueError: another config was requested.
    """
    config = start.network.config
    if requested is not None and requested != config:
        raise ValueError(f"a fit that starts from a network keeps its config, {config}; {requested} needs a fresh fit")
    return config


def occurring_contexts(shards: Shards) -> tuple[str, ...]:
    """Name the contexts that deserve an input; none if all plays have the same, which would carry no information."""
    counts = np.zeros(len(CONTEXTS), np.int64)
    for shard in shards:
        counts += np.bincount(np.minimum(shard.histories.contexts, len(CONTEXTS) - 1), minlength=len(CONTEXTS))
    occurring = tuple(name for name, count in zip(CONTEXTS, counts, strict=True) if count >= _MIN_CONTEXT_PLAYS)
    return occurring if len(occurring) > 1 else ()


def _cuda_devices(device: torch.device | str) -> list[torch.device]:
    """List the devices, besides the CPU, whose random state a run changes."""
    return [torch.device(device)] if torch.device(device).type == "cuda" else []
