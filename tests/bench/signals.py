"""The value of each signal, for docs/signals.md: `python -m tests.bench.signals [study ...] [--part test]`.

A study ranks with and without a signal at the same anchors (`models.evaluation.protocol`), with networks of several
seeds, and prints rows of a table: a metric without the signal, and the gain with it, with a 95 % bootstrap over
listeners. Choices are made on the validation part. Listeners are simulated; with `--data` and `--release`, studies that
need no fit use recorded plays, ranked by a release fitted on those before T1.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Final
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

from models.config import CONTEXTS, LONG_TERM_SIZE, RING_SIZE, SHORT_TERM_SIZE, RerankerConfig, TrainingConfig
from models.evaluation.metrics import LONG_TERM_STRIDE, estimate, long_term_metrics, short_term_metrics
from models.evaluation.protocol import evaluate, rank_anchors
from models.networks.network import Network
from models.plays.catalogue import FIRST_TRACK, track_keys
from models.plays.histories import Histories, gather_histories
from models.plays.playlists import playlist_histories
from models.plays.split import Lists, Part, Plays, Split, long_term_truths, split_plays
from models.recipes import RECIPES
from models.release import load_release
from models.serving.offline import answer, steps_to
from models.serving.ranking import top_k
from models.serving.recommender import Recommender
from models.serving.step import step
from models.training import criterion
from models.training.fit import fit
from models.training.recipe_fitting import fit_recipe
from models.training.reranker_counts import counted_reranker
from models.training.shards import Shard
from streamer.local.simulator import simulate
from streamer.local.world import Music, World
from streamer.recordings.plays import read_plays

NUM_LISTENERS: Final = 500
NUM_TRACKS: Final = 2_000
NUM_PLAYS: Final = 40_000
START_MS: Final = 1_790_000_000_000
TRAINING: Final = TrainingConfig()


@dataclass(frozen=True)
class Bench:
    """P plays and further facts about them.

    Attributes:
        plays: the plays.
        skipped: bool (P,).
        playlists: of the same tracks.
        is_late: bool (tracks,), whether a track comes out late, for the study that needs it.
        seeds: one fit for each.
        part: of the plays, to evaluate on.
        given: recommenders already fitted on the plays before T1, used instead of fits.
    """

    plays: Plays
    skipped: NDArray[np.bool_]
    playlists: Histories
    is_late: NDArray[np.bool_]
    seeds: Sequence[int]
    part: Part
    given: Sequence[Recommender] = ()

    @cached_property
    def split(self) -> Split:
        return split_plays(self.plays)

    @cached_property
    def histories(self) -> Histories:
        """The plays before T1, without their contexts."""
        return without_contexts(self.split.training_histories()[0])

    def fit(self, histories: Histories) -> list[Recommender]:
        catalogue = self.split.catalogue
        return [Recommender(fit(histories, catalogue, replace(TRAINING, seed=seed)), catalogue) for seed in self.seeds]

    @cached_property
    def plain(self) -> Sequence[Recommender]:
        """The recommenders without contexts, skips or playlists."""
        return self.given or self.fit(self.histories)

    def rank(self, recommenders: Sequence[Recommender], histories: Histories | None = None) -> list[Lists]:
        split = self.split if histories is None else replace(self.split, histories=histories)
        return [rank_anchors(each, split, self.part) for each in recommenders]

    def compare(
        self, name: str, lists: Sequence[Lists], others: Sequence[Lists], counts: NDArray[np.bool_] | None = None
    ) -> str:
        """Compare by HR@20, MRR@20 and recall@100; `counts`, bool (N,), selects targets among the N warm plays."""
        split, listeners = self.split, self.split.histories.listeners()
        anchors = split.anchors(self.part)
        counts = np.ones(len(split.rows), np.bool_) if counts is None else counts
        targeted = np.flatnonzero(counts[anchors + 1])
        truths = long_term_truths(split, self.part, stride=LONG_TERM_STRIDE)
        places = np.searchsorted(anchors, truths.anchors)
        num_rows = len(split.catalogue) + FIRST_TRACK
        wanted = (listeners * num_rows + split.rows)[counts & (split.histories.played_at_ms >= split.t1_ms)]
        of_truths = np.repeat(listeners[truths.anchors], np.diff(truths.bounds)) * num_rows + truths.rows
        chosen = np.isin(of_truths, wanted)

        def measure(sides: Sequence[Lists]) -> dict[str, NDArray[np.float64]]:
            of_seeds = [
                short_term_metrics(split, anchors[targeted], each.short_term[targeted])
                | long_term_metrics(truths, each.long_term[places], chosen)
                for each in sides
            ]
            return {metric: np.mean([each[metric] for each in of_seeds], axis=0) for metric in of_seeds[0]}

        mine, theirs = measure(lists), measure(others)
        cells = []
        for metric, of in (("HR@20", anchors[targeted]), ("MRR@20", anchors[targeted]), ("recall@100", truths.anchors)):
            known = ~np.isnan(theirs[metric])
            cells.append(difference(mine[metric][known], theirs[metric][known], listeners[of][known]))
        return table_row(name, *cells)


def difference(mine: NDArray[np.float64], theirs: NDArray[np.float64], listeners: NDArray[np.int64]) -> str:
    by = estimate(mine - theirs, listeners)
    return f"{theirs.mean():.3f} {by.mean:+.3f} [{by.low:+.3f}, {by.high:+.3f}]"


def table_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def without_contexts(histories: Histories) -> Histories:
    return replace(histories, contexts=np.zeros_like(histories.contexts))


def simulated_bench(seeds: Sequence[int], part: Part) -> Bench:
    rng = np.random.default_rng(1)
    world = World.build(rng, NUM_LISTENERS, NUM_TRACKS)
    played = list(islice(simulate(world, rng, START_MS), NUM_PLAYS))
    listeners = {user_id: number for number, user_id in enumerate(world.listeners.user_ids)}
    tracks = {track_id: number for number, track_id in enumerate(world.music.track_ids)}
    return Bench(
        plays=Plays(
            listeners=np.array([listeners[play.user_id] for play in played]),
            tracks=np.array([tracks[play.track_id] for play in played]),
            track_ids=world.music.track_ids,
            played_at_ms=np.array([play.played_at for play in played]),
            contexts=np.array([CONTEXTS.index(play.context) for play in played], np.uint8),
        ),
        skipped=np.array([play.skipped for play in played]),
        playlists=simulated_playlists(world.music),
        is_late=np.array(world.music.album_of) % 10 == 0,
        seeds=seeds,
        part=part,
    )


def simulated_playlists(music: Music) -> Histories:
    """Take the playlists that simulated listeners play."""
    playlists = list(chain.from_iterable(music.playlists))
    lengths = [len(playlist) for playlist in playlists]
    rows = np.fromiter(chain.from_iterable(playlists), np.int64)
    return playlist_histories(
        np.repeat(np.arange(len(playlists)), lengths), np.arange(len(rows)), track_keys(music.track_ids)[rows]
    )


def recorded_bench(path: Path, release: str, part: Part) -> Bench:
    plays = read_plays(path).plays
    return Bench(
        plays=plays,
        skipped=np.zeros(len(plays.tracks), np.bool_),
        playlists=gather_histories(*np.zeros((3, 0), np.int64)),
        is_late=np.zeros(len(plays.track_ids), np.bool_),
        seeds=(),
        part=part,
        given=[load_release(release).recommender],
    )


def contexts(bench: Bench) -> Iterator[str]:
    informed = bench.fit(bench.split.training_histories()[0])
    yield bench.compare("contexts as inputs", bench.rank(informed), bench.rank(bench.plain))


def skips(bench: Bench) -> Iterator[str]:
    """Give skips the input of the contexts, since they have none of their own."""
    is_skipped, plain = bench.skipped[bench.split.order][bench.split.warm], without_contexts(bench.split.histories)
    before = plain.played_at_ms < bench.split.t1_ms
    codes = np.where(is_skipped, CONTEXTS.index("other"), CONTEXTS.index("none")).astype(np.uint8)
    informed = bench.fit(replace(bench.histories, contexts=codes[before]))
    with mock.patch.object(criterion, "_draw_targets", _unskipped_targets(bench, is_skipped[before])):
        aimed = bench.fit(bench.histories)
    others = bench.rank(bench.plain)
    for name, lists in {
        "skips as inputs": bench.rank(informed, replace(plain, contexts=codes)),
        "skipped plays are no targets": bench.rank(aimed),
    }.items():
        yield bench.compare(name, lists, others)
        yield bench.compare(f"{name}; of targets not skipped", lists, others, ~is_skipped)


def _unskipped_targets(bench: Bench, is_skipped: NDArray[np.bool_]) -> Callable[..., NDArray[np.int64]]:
    """Draw targets as the criterion does, then move on to the listener's next play that was not skipped, if any."""
    draw, plays, listeners = criterion._draw_targets, np.arange(len(is_skipped)), bench.histories.listeners()
    ahead = np.minimum.accumulate(np.where(is_skipped, len(plays) - 1, plays)[::-1])[::-1]
    ahead = np.where(listeners[ahead] == listeners, ahead, plays)
    return lambda *arguments: ahead[draw(*arguments)]


def playlists(bench: Bench) -> Iterator[str]:
    """Compare item vectors of playlists with those of histories, trained on equally many plays."""
    shards, catalogue = [Shard(bench.histories)], bench.split.catalogue
    per_epoch = {"rP": bench.playlists.num_plays, "rH": bench.histories.num_plays}
    fitted: dict[str, list[Recommender]] = {"rP": [], "rH": []}
    for name, num_plays in per_epoch.items():
        training = RECIPES[name].training
        epochs = round(training.epochs * per_epoch["rH"] / num_plays)
        for seed in bench.seeds:
            recipe = replace(RECIPES[name], training=replace(training, epochs=epochs, seed=seed))
            fitted[name].append(fit_recipe(recipe, shards, catalogue, playlists=bench.playlists))
    yield bench.compare("rP instead of rH", bench.rank(fitted["rP"]), bench.rank(fitted["rH"]))


def cold_tracks(bench: Bench) -> Iterator[str]:
    """Release new tracks when the champion is fitted; a successor knows them a tenth of the plays later.

    Columns: HR@20 where a new track is next, where one was just played, elsewhere; share of new tracks in the lists.
    """
    plays = bench.plays
    shares = (0.7, 0.8, 0.9) if bench.part == "validation" else (0.8, 0.9, 1.0)
    release_ms, learned_ms, end_ms = np.quantile(plays.played_at_ms, shares, method="higher").tolist()
    is_out = ~bench.is_late[plays.tracks] | (plays.played_at_ms >= release_ms)
    columns = {name: getattr(plays, name)[is_out] for name in ("listeners", "tracks", "played_at_ms")}
    plays = Plays(track_ids=plays.track_ids, **columns)
    before = split_plays(plays, t1_ms=release_ms, t2_ms=release_ms)
    after = split_plays(plays, t1_ms=learned_ms, t2_ms=end_ms)

    is_new = np.append(np.zeros(FIRST_TRACK, np.bool_), ~np.isin(after.catalogue.keys, before.catalogue.keys))
    anchors = after.anchors("validation")
    listeners, is_next = after.histories.listeners()[anchors], is_new[after.rows[anchors + 1]]
    is_current = is_new[after.rows[anchors]] & ~is_next
    places = {"next": is_next, "current": is_current, "neither": ~is_next & ~is_current}
    results: dict[str, list[tuple[NDArray[np.float64], float]]] = {}
    for seed in bench.seeds:
        for name, recommender in _successors(before, after, is_new, replace(TRAINING, seed=seed)).items():
            rows = rank_anchors(recommender, after, "validation").short_term
            hits = short_term_metrics(after, anchors, rows)["HR@20"]
            results.setdefault(name, []).append((hits, float(is_new[rows].mean())))
    base = np.mean([hits for hits, _ in results["unknown until the next release"]], axis=0)
    for name, of_seeds in results.items():
        hits, listed = np.mean([hits for hits, _ in of_seeds], axis=0), np.mean([share for _, share in of_seeds])
        cells = [difference(hits[place], base[place], listeners[place]) for place in places.values()]
        yield table_row(name, *cells, f"{listed:.3f} (of plays {is_next.mean():.3f})")


def _successors(
    before: Split, after: Split, is_new: NDArray[np.bool_], config: TrainingConfig
) -> dict[str, Recommender]:
    """Fit a champion, and create successors that have various vectors for the new tracks."""
    catalogue, histories = after.catalogue, without_contexts(after.training_histories()[0])

    def fitted_from(start: Recommender, epochs: int) -> Recommender:
        return Recommender(fit(histories, catalogue, replace(config, epochs=epochs), start=start), catalogue)

    first = fit(without_contexts(before.training_histories()[0]), before.catalogue, config)
    champion, epochs = Recommender(first, before.catalogue), config.refreshed().epochs
    of_neighbours = fitted_from(champion, 0)
    at_random = Recommender(_scatter(of_neighbours.network, is_new, config.seed), catalogue)
    return {
        "unknown until the next release": champion,
        "a random vector, no training": at_random,
        "the vector of its neighbours, no training": of_neighbours,
        "a random vector, trained on": fitted_from(at_random, epochs),
        "the vector of its neighbours, trained on": fitted_from(champion, epochs),
    }


def _scatter(network: Network, is_new: NDArray[np.bool_], seed: int) -> Network:
    """Give the vectors of new tracks a random direction."""
    network, new = copy.deepcopy(network), torch.from_numpy(is_new)
    weight = network.embedding.weight
    with torch.no_grad():
        anywhere = torch.randn(weight[new].shape, generator=torch.Generator().manual_seed(seed))
        weight[new] = torch.nn.functional.normalize(anywhere) * weight[new].norm(dim=1, keepdim=True)
    return network


def cold_listeners(bench: Bench) -> Iterator[str]:
    """Forget every listener when the part starts; columns: HR@20 of a list, and of popular tracks instead."""
    split, histories = bench.split, bench.split.histories
    times_ms, is_test = histories.played_at_ms, histories.played_at_ms >= split.t2_ms
    in_part = is_test if bench.part == "test" else (times_ms >= split.t1_ms) & ~is_test
    _, listeners = np.unique(histories.listeners()[in_part], return_inverse=True)
    heard = gather_histories(listeners, histories.track_keys[in_part], times_ms[in_part])
    rows, nth = split.rows[in_part], np.arange(len(listeners)) - heard.bounds[listeners]

    config = bench.plain[0].network.config
    counted = counted_reranker(split.training_histories()[0], split.catalogue, config, RerankerConfig())
    recently, ever = (
        np.isin(rows, top_k(popularity[None], SHORT_TERM_SIZE)[0]).astype(np.float64)
        for popularity in (counted.sources.log_popularity_of_late, counted.sources.log_popularity)
    )
    for name, chosen in {"first play": nth == 0, "first 20 plays": nth < 20}.items():
        yield table_row(f"{name}, recently popular", difference(recently[chosen], ever[chosen], listeners[chosen]))
    for num_heard in (1, 2, 5, 10):
        anchors = np.flatnonzero((nth == num_heard - 1) & (np.diff(heard.bounds)[listeners] > num_heard))
        targets = split.catalogue.keys[rows[anchors + 1] - FIRST_TRACK]
        hits_of_seeds = []
        for each in bench.plain:
            lists = answer(each, heard, anchors).short_term
            hits_of_seeds.append((lists == each.catalogue.rows(targets)[:, None]).any(1))
        hits = np.mean(hits_of_seeds, axis=0)
        yield table_row(f"after play {num_heard}", difference(hits, ever[anchors + 1], listeners[anchors]))


def variety(bench: Bench) -> Iterator[str]:
    """Compare lists of all tracks with a worker's default lists, without recently heard tracks.

    Columns: HR@20, recall@100 of repeats and of discoveries, coverage@20, share of tracks the listener has played in
    short-term and in long-term lists.
    """
    split, anchors = bench.split, bench.split.anchors(bench.part)
    for name, heard_masked in (("everything", (0, 0)), ("without recent plays", (1, RING_SIZE))):
        lists = [_rank_masked(each, split, anchors, heard_masked) for each in bench.plain]
        report = evaluate(split, bench.part, lists)
        figures = [
            report.groups["short-term/all"].metrics["HR@20"].mean,
            *(report.groups[f"long-term/{kind}"].metrics["recall@100"].mean for kind in ("repeat", "discovery")),
            report.coverage,
            np.mean([_share_of_repeats(split, anchors, each.short_term) for each in lists]),
            np.mean([_share_of_repeats(split, anchors, each.long_term) for each in lists]),
        ]
        yield table_row(name, *(f"{figure:.3f}" for figure in figures))


def _rank_masked(
    recommender: Recommender, split: Split, anchors: NDArray[np.int64], heard_masked: tuple[int, int]
) -> Lists:
    sizes = SHORT_TERM_SIZE, LONG_TERM_SIZE
    short_term, long_term = (np.zeros((len(anchors), size), np.int64) for size in sizes)
    rows = np.append(np.arange(FIRST_TRACK), split.catalogue.rows(recommender.catalogue.keys))
    for part, step_input in steps_to(split.histories, anchors, recommender.network.config.hidden_size):
        output = step(recommender, step_input, sizes=sizes, heard_masked=heard_masked)
        short_term[part], long_term[part] = (rows[ranked.rows] for ranked in output.ranked)
    return Lists(short_term, long_term)


def _share_of_repeats(split: Split, anchors: NDArray[np.int64], rows: NDArray[np.int64]) -> float:
    """Return the share of tracks in lists (A, k) that the listener has played up to the anchor."""
    num_rows, listeners = len(split.catalogue) + FIRST_TRACK, split.histories.listeners()
    firsts = np.flatnonzero(~split.repeats)  # a listener's first play of each track
    tracks = listeners[firsts] * num_rows + split.rows[firsts]
    order = np.argsort(tracks)
    listed = listeners[anchors][:, None] * num_rows + rows
    places = order[np.searchsorted(tracks[order], listed).clip(max=len(order) - 1)]
    return float(((tracks[places] == listed) & (firsts[places] <= anchors[:, None])).mean())


STUDIES: Final[Mapping[str, Callable[[Bench], Iterator[str]]]] = {
    "contexts": contexts,
    "skips": skips,
    "playlists": playlists,
    "cold-tracks": cold_tracks,
    "cold-listeners": cold_listeners,
    "variety": variety,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="measure the value of each signal")
    parser.add_argument("studies", nargs="*", help=f"among {', '.join(STUDIES)} (default: all)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--part", choices=["validation", "test"], default="validation")
    parser.add_argument("--data", type=Path, help="file of recorded plays, for cold-listeners and variety")
    parser.add_argument("--release", help="location of the release that ranks them")
    arguments = parser.parse_args()
    if arguments.data is None:
        bench = simulated_bench(range(1, arguments.seeds + 1), arguments.part)
    else:
        bench = recorded_bench(arguments.data, arguments.release, arguments.part)
    for study in arguments.studies or STUDIES:
        for row in STUDIES[study](bench):
            sys.stdout.write(row + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
