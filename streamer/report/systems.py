"""The systems in the comparison: what each is, and how it is fitted on the plays before T1."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from models.analysis.gru4rec_training import Epoch, fit_gru4rec
from models.evaluation.baselines import VARIANTS
from models.evaluation.protocol import rank_anchors, rank_anchors_rebuilt
from models.evaluation.tuning import choose_baseline
from models.networks.network import Network
from models.plays.catalogue import Catalogue
from models.recipes import RECIPES
from models.serving.recommender import Recommender
from models.training.context import FitContext
from models.training.loop import Progress, Stage
from models.training.recipe_fitting import fit_recipe
from models.training.shards import Shards, training_shard
from models.training.two_stages import SecondStagePlan, fit_pipeline
from streamer.report.bench import Bench
from streamer.report.runs import SystemRun, keep_run, kept_run

OURS: Final = ("refrain_served", "refrain_network")
"""Refrain's own, the one that serves first: the first one in a report is compared with all others."""

_MANY: Final = 100


@dataclass(frozen=True, slots=True)
class System:
    """One way of recommending.

    Attributes:
        title: for readers.
        about: what it does, in a sentence.
        max_seeds: the most seeds it is fitted with; 0: it does not involve chance.
        settings: what it is fitted with; different settings invalidate kept runs.
        fit: fits it and answers at the test anchors.
    """

    title: str
    about: str
    max_seeds: int
    settings: Callable[[Bench], dict[str, Any]]
    fit: Callable[[Bench, int], SystemRun]


def run_system(name: str, bench: Bench, seed: int) -> SystemRun:
    """Fit a system and collect its answers, or load the kept run."""
    system, folder = SYSTEMS[name], bench.folder / f"{name}-{seed}"
    key = system.settings(bench) | {"seed": seed}
    run = kept_run(folder, key)
    if run is None:
        bench.log(f"{name}, seed {seed}: fitting")
        run = system.fit(bench, seed)
        keep_run(folder, key, run)
    return run


def _fit_network(bench: Bench, seed: int) -> SystemRun:
    fitted = bench.fit_whole_network(seed)
    lists = rank_anchors(Recommender(fitted.network, bench.split.catalogue), bench.split, "test")
    return SystemRun(lists, asdict(replace(bench.training, seed=seed)), fitted.losses, fitted.plays_per_s)


def _rebuild(bench: Bench, seed: int) -> SystemRun:
    network = bench.fit_whole_network(seed).network
    lists = rank_anchors_rebuilt(Recommender(network, bench.split.catalogue), bench.split, "test")
    return SystemRun(lists, asdict(replace(bench.training, seed=seed)))


def _fit_served(bench: Bench, seed: int) -> SystemRun:
    def fit_network(shards: Shards, catalogue: Catalogue, stage: Stage) -> Network:
        (shard,) = shards
        return bench.fit_network(shard, catalogue, stage, seed).network

    shard, training = training_shard(bench.split), replace(bench.reranker_training, seed=seed)
    second = SecondStagePlan(bench.reranker, training, num_newest=shard.histories.num_plays)
    recommender = fit_pipeline([shard], bench.split.catalogue, fit_network, second).recommender
    bench.save(f"refrain_served-{seed}", recommender, shard, replace(bench.training, seed=seed))
    settings = bench.reranker.to_dict() | asdict(training)
    return SystemRun(rank_anchors(recommender, bench.split, "test"), settings)


def _fit_gru4rec(bench: Bench, seed: int) -> SystemRun:
    config = replace(bench.gru4rec, seed=seed)
    losses: list[float] = []

    def note(epoch: Epoch) -> None:
        losses.append(epoch.loss)
        bench.log(f"gru4rec, epoch {epoch.number} of {config.epochs}: loss {epoch.loss:.3f}")

    start_s = time.process_time()
    model = fit_gru4rec(bench.split, config, progress=note)
    num_plays = int((bench.split.histories.played_at_ms < bench.split.t1_ms).sum())
    plays_per_s = round(num_plays * config.epochs / (time.process_time() - start_s), 1)
    return SystemRun(model.rank(bench.split, bench.split.anchors("test")), asdict(config), losses, plays_per_s)


def _recipe(name: str, title: str, about: str) -> System:
    """Make a system of one of the paper's recipes, untuned and therefore fitted once."""

    def fit(bench: Bench, seed: int) -> SystemRun:
        recipe = RECIPES[name]
        recipe = replace(recipe, training=replace(recipe.training, seed=seed))
        losses: dict[int, list[float]] = {}

        def note(progress: Progress) -> None:
            if progress.epoch:  # item vectors have no loss
                losses.setdefault(progress.epoch, []).append(progress.loss)

        shard = training_shard(bench.split)
        start_s = time.process_time()
        context = FitContext(bench.device, note)
        recommender = fit_recipe(recipe, [shard], bench.split.catalogue, context=context)
        spent_s = time.process_time() - start_s
        lists = rank_anchors(recommender, bench.split, "test")
        plays_per_s = round(shard.histories.num_plays * recipe.training.epochs / spent_s, 1) if losses else None
        return SystemRun(lists, asdict(recipe), [sum(each) / len(each) for each in losses.values()], plays_per_s)

    return System(title, about, 1, lambda _: {"recipe": repr(RECIPES[name])}, fit)


def _baseline(name: str, title: str, about: str) -> System:
    def fit(bench: Bench, _: int) -> SystemRun:
        baseline, trials = choose_baseline(VARIANTS[name], bench.split)
        settings = {"chosen": repr(baseline), "num_trials": len(trials)}
        return SystemRun(baseline.fit(bench.split).rank(bench.split, "test"), settings)

    return System(title, about, 0, lambda _: {"variants": repr(VARIANTS[name])}, fit)


SYSTEMS: Final[Mapping[str, System]] = {
    "refrain_served": System(
        "Refrain, as served",
        "the network's best tracks and the proposals of counts, ordered by a second, small network",
        _MANY,
        lambda bench: asdict(bench.training) | bench.reranker.to_dict() | {"second": asdict(bench.reranker_training)},
        _fit_served,
    ),
    "refrain_network": System(
        "Refrain, the network alone",
        "a recurrent network that follows each listener and remembers their last 64 plays",
        _MANY,
        lambda bench: asdict(bench.training),
        _fit_network,
    ),
    "refrain_rebuilt": System(
        "Refrain, after new weights",
        "the network alone, right after a release: every state rebuilt from its last 64 plays",
        _MANY,
        lambda bench: asdict(bench.training),
        _rebuild,
    ),
    "gru4rec": System(
        "GRU4Rec",
        "the best known recurrent network for sessions (Hidasi et al. 2016, 2018), with tuned settings",
        _MANY,
        lambda bench: asdict(bench.gru4rec),
        _fit_gru4rec,
    ),
    "rH": _recipe(
        "rH",
        "De Boom et al., recurrent",
        "one GRU per horizon, trained towards the vectors of later songs (rH_ST, rH_LT)",
    ),
    "rH-lstm": _recipe("rH-lstm", "De Boom et al., LSTM", "the same with one LSTM per horizon"),
    "rH-l2": _recipe("rH-l2", "De Boom et al., L2 loss", "the same with squared distance as the loss"),
    "bW": _recipe(
        "bW", "De Boom et al., weights", "a weighted mean of the last songs, with learned weights (bW_ST, bW_LT)"
    ),
    "discount": _recipe(
        "discount", "De Boom et al., discount", "the mean of all songs so far, with newer ones counting more"
    ),
    "vstan": _baseline("vstan", "VSTAN", "the sessions most similar to this one, recent ones first"),
    "vsknn": _baseline("vsknn", "VSKNN", "the sessions most similar to this one"),
    "item_knn": _baseline("item_knn", "Item kNN", "tracks that occurred in the same sessions"),
    "sequential_rules": _baseline("sequential_rules", "Sequential rules", "what came soon after the latest tracks"),
    "markov": _baseline("markov", "Markov chain", "what came right after the current track"),
    "personal_popularity": _baseline(
        "personal_popularity", "Personal popularity", "what the listener played most, with recent plays counting more"
    ),
    "popularity": _baseline("popularity", "Popularity", "what all listeners played most"),
}
"""By name, in the order they are shown."""
