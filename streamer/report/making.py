"""Making a report: every system is fitted, or loaded if a run was kept, then evaluated, written and drawn."""

import json
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from models.analysis.calibration import calibrate
from models.analysis.taste_map import TasteMap, draw_taste_map
from models.plays.split import Lists
from models.serving.recommender import Recommender
from streamer.errors import RefrainError
from streamer.report.bench import Bench
from streamer.report.checking import disagreements
from streamer.report.figures import Asking, Figures, describe
from streamer.report.page import draw_page
from streamer.report.runs import SystemRun
from streamer.report.systems import OURS, SYSTEMS, run_system
from streamer.runtime.progress import watch

_NETWORK: Final = "refrain_network"


class ReportError(RefrainError):
    """Raised when a system is unknown, or when reproduced figures differ from the published ones."""


def make_report(
    dataset: str, bench: Bench, *, names: Sequence[str], seeds: Sequence[int], asking: Asking, folder: Path
) -> None:
    """Write <dataset>.json and <dataset>.html into a folder.

    Args:
        dataset: its name.
        bench: what systems are fitted on.
        names: of the systems.
        seeds: of the systems that involve chance.
        asking: which test anchors are asked.
        folder: created if absent.

    Raises:
        ReportError: a system is unknown.
    """
    systems = measure(bench, names=names, seeds=seeds, asking=asking)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{dataset}.json").write_text(json.dumps(systems, indent=1) + "\n")
    drawn = _draw_tastes(bench, seeds[0]) if _NETWORK in names else None
    (folder / f"{dataset}.html").write_text(draw_page(dataset, systems, drawn))


def check_report(dataset: str, bench: Bench, *, names: Sequence[str], seed: int, asking: Asking, folder: Path) -> None:
    """Reproduce the figures of one seed, and compare them with the published ones.

    Args:
        dataset: its name.
        bench: its folder must be empty, so that no kept run is used.
        names: of the systems.
        seed: the one.
        asking: which test anchors are asked.
        folder: where the figures are published.

    Raises:
        ReportError: no figures are published, or some differ by more than the tolerance.
    """
    path = folder / f"{dataset}.json"
    if not path.exists():
        raise ReportError(f"{path} does not exist, so there is nothing to compare with; make the report first")
    reproduced = measure(bench, names=names, seeds=[seed], asking=asking)
    if lines := list(disagreements(json.loads(path.read_text()), reproduced, seed)):
        raise ReportError(f"{len(lines)} figures differ from {path}: " + "; ".join(lines))


def require_known(names: Collection[str]) -> None:
    """Check the names of systems, before plays are read.

    Raises:
        ReportError: one is unknown.
    """
    if unknown := set(names) - SYSTEMS.keys():
        raise ReportError(f"unknown system {', '.join(sorted(unknown))}; the systems are {', '.join(SYSTEMS)}")


def measure(bench: Bench, *, names: Sequence[str], seeds: Sequence[int], asking: Asking) -> dict[str, Figures]:
    """Fit and evaluate systems.

    Raises:
        ReportError: a system is unknown.
    """
    require_known(names)
    ordered = [name for name in SYSTEMS if name in names]
    of_system = {name: seeds[: SYSTEMS[name].max_seeds] or [0] for name in ordered}
    fits = {f"{name}, seed {seed}": (name, seed) for name, of_name in of_system.items() for seed in of_name}
    runs: dict[str, dict[int, SystemRun]] = {name: {} for name in ordered}
    systems = {}
    with closing(watch([*fits, *(f"evaluation of {name}" for name in ordered)])) as steps:
        for (name, seed), _ in zip(fits.values(), steps, strict=False):
            runs[name][seed] = run_system(name, bench, seed)
        lists: dict[str, list[Lists]] = {name: [run.lists for run in each.values()] for name, each in runs.items()}
        for name, _ in zip(ordered, steps, strict=False):
            others = {other: lists[other] for other in ordered if other != name} if name in OURS else {}
            systems[name] = describe(name, runs[name], bench.split, asking, others=others)
    if _NETWORK in systems:
        systems[_NETWORK]["calibration"] = _calibrate(bench, seeds[0])
    return systems


def _recommender(bench: Bench, seed: int) -> Recommender:
    return Recommender(bench.fit_whole_network(seed).network, bench.split.catalogue)


def _calibrate(bench: Bench, seed: int) -> list[Figures]:
    return [asdict(each) for each in calibrate(_recommender(bench, seed), bench.split, "test")]


def _draw_tastes(bench: Bench, seed: int) -> TasteMap:
    drawn = draw_taste_map(_recommender(bench, seed), bench.split)
    return replace(drawn, tracks=drawn.tracks.round(2), paths=[path.round(2) for path in drawn.paths])
