"""The commands `report` and `evaluate`: their arguments."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from streamer.recordings.arguments import add_recording, read_chosen
from streamer.runtime.commands import Commands, num
from streamer.settings import Settings

_MANY_TRACKS: Final = 20_000  # ranking takes time in proportion
_EVERY_OF_MANY: Final = 4


def add_report(commands: Commands) -> None:
    """Add `report`."""
    parser = commands.add_parser("report", help="compare every system on recorded plays: figures and a page")
    add_recording(parser)
    parser.add_argument(
        "--check", action="store_true", help="reproduce the figures of one seed and compare; status 1 if they differ"
    )
    parser.add_argument("--search", action="store_true", help="only continue the search for GRU4Rec's settings")
    parser.add_argument("--systems", help="comma-separated names (default: all)")
    parser.add_argument(
        "--seeds", type=num, default=3, help="number of seeds for systems that involve chance (%(default)s)"
    )
    parser.add_argument(
        "--every", type=num, help="ask every nth test play (default: each; every 4th with a large catalogue)"
    )
    parser.add_argument("--into", type=Path, default=Path("docs/report"), help="folder for the report (%(default)s)")
    parser.add_argument("--keep", type=Path, default=Path(".report"), help="folder for fitted systems (%(default)s)")
    parser.set_defaults(run=_report)


def _report(settings: Settings, arguments: argparse.Namespace) -> None:
    from models.plays.split import split_plays
    from streamer.report.bench import Bench
    from streamer.report.figures import Asking
    from streamer.report.gru4rec_search import search
    from streamer.report.making import check_report, make_report
    from streamer.report.systems import SYSTEMS
    from streamer.runtime.device import pick_device

    dataset = arguments.data.resolve().stem
    for folder in () if arguments.check else (arguments.into, arguments.keep):
        folder.mkdir(parents=True, exist_ok=True)  # before hours of fitting
    split = split_plays(read_chosen(arguments).plays)
    if arguments.search:
        search(split, arguments.into / f"{dataset}.gru4rec.json", log=_log)
        return
    every = arguments.every or (_EVERY_OF_MANY if len(split.catalogue) > _MANY_TRACKS else 1)
    names = arguments.systems.split(",") if arguments.systems else list(SYSTEMS)
    with _folder(arguments) as folder:
        bench = Bench(split, folder / dataset, pick_device(settings.device).type, log=_log)
        if arguments.check:
            check_report(dataset, bench, names=names, seed=1, asking=Asking(every), folder=arguments.into)
            return
        seeds = range(1, arguments.seeds + 1)
        make_report(dataset, bench, names=names, seeds=seeds, asking=Asking(every), folder=arguments.into)


@contextmanager
def _folder(arguments: argparse.Namespace) -> Iterator[Path]:
    """Yield the folder for fitted systems; for a check, an empty one that is deleted afterwards."""
    if not arguments.check:
        yield arguments.keep
        return
    with TemporaryDirectory() as folder:
        yield Path(folder)


def _log(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def add_evaluate(commands: Commands) -> None:
    """Add `evaluate`."""
    parser = commands.add_parser("evaluate", help="score a release on recorded plays, without Kafka")
    add_recording(parser)
    parser.add_argument("--release", required=True, help="location of the release")
    parser.add_argument(
        "--baselines",
        type=_names,
        default=["popularity", "markov"],
        help="comma-separated names (popularity,markov)",
    )
    parser.add_argument(
        "--first-stage",
        choices=["released", "exact", "index"],
        default="released",
        help="what finds tracks on a CPU: what the release has, every track scored, or an index (%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")

    def run(settings: Settings, arguments: argparse.Namespace) -> None:
        from rich.console import Console

        from streamer.report.evaluation import draw_reports, evaluate_release, to_json

        reports = evaluate_release(
            read_chosen(arguments), arguments.release, settings.device, arguments.baselines, arguments.first_stage
        )
        if arguments.json:
            sys.stdout.write(to_json(reports) + "\n")
            return
        for table in draw_reports(reports):
            Console().print(table)

    parser.set_defaults(run=run)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]
