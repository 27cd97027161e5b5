"""The commands `report` and `evaluate`: their arguments."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click

from streamer.recordings.arguments import Recording, recorded
from streamer.runtime.commands import NUM, Command, pass_settings

if TYPE_CHECKING:
    from streamer.settings import Settings

_MANY_TRACKS: Final = 20_000  # ranking takes time in proportion
_EVERY_OF_MANY: Final = 4

_FOLDER: Final = click.Path(path_type=Path)


@click.command(
    cls=Command,
    examples=["refrain report plays.csv", "refrain report plays.csv --check"],
    reads=("device",),
)
@recorded
@click.option("--check", is_flag=True, help="reproduce the figures of one seed and compare; status 1 if they differ")
@click.option("--search", is_flag=True, help="only continue the search for GRU4Rec's settings")
@click.option("--systems", metavar="NAMES", help="separated by commas  [default: all]")
@click.option("--seeds", type=NUM, default=3, show_default=True, help="number of seeds for systems that involve chance")
@click.option("--every", type=NUM, help="ask every nth test play  [default: each; every 4th with a large catalogue]")
@click.option("--into", type=_FOLDER, metavar="FOLDER", default=Path("docs/report"), show_default=True,
              help="folder for the report")  # fmt: skip
@click.option("--keep", type=_FOLDER, metavar="FOLDER", default=Path(".report"), show_default=True,
              help="folder for fitted systems")  # fmt: skip
@pass_settings
def report(
    settings: "Settings",
    *,
    recording: Recording,
    check: bool,
    search: bool,
    systems: str | None,
    seeds: int,
    every: int | None,
    into: Path,
    keep: Path,
) -> None:
    """Compare every system on recorded plays: figures and a page.

    Each system is fitted once and kept, so a report that was interrupted continues.
    """
    from models.plays.split import split_plays
    from streamer.report import gru4rec_search
    from streamer.report.bench import Bench
    from streamer.report.figures import Asking
    from streamer.report.making import check_report, make_report, require_known
    from streamer.report.systems import SYSTEMS
    from streamer.runtime.device import pick_device

    for folder in () if check else (into, keep):
        folder.mkdir(parents=True, exist_ok=True)  # before hours of fitting
    names = systems.split(",") if systems else list(SYSTEMS)
    require_known(names)
    dataset, split = recording.name, split_plays(recording.read().plays)
    if search:
        gru4rec_search.search(split, into / f"{dataset}.gru4rec.json", log=_log)
        return
    asking = Asking(every or (_EVERY_OF_MANY if len(split.catalogue) > _MANY_TRACKS else 1))
    with _folder(keep, is_kept=not check) as folder:
        bench = Bench(split, folder / dataset, pick_device(settings.device).type, log=_log)
        if check:
            check_report(dataset, bench, names=names, seed=1, asking=asking, folder=into)
            return
        make_report(dataset, bench, names=names, seeds=range(1, seeds + 1), asking=asking, folder=into)


@contextmanager
def _folder(keep: Path, *, is_kept: bool) -> Iterator[Path]:
    """Yield the folder for fitted systems; for a check, an empty one that is deleted afterwards."""
    if is_kept:
        yield keep
        return
    with TemporaryDirectory() as folder:
        yield Path(folder)


def _log(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@click.command(
    cls=Command,
    examples=[
        "refrain evaluate plays.csv --release releases/20260101T000000.000Z-0123abcd",
        "refrain evaluate plays.csv --release releases/ID --json | jq .markov",
    ],
    reads=("device",),
)
@recorded
@click.option("--release", required=True, metavar="LOCATION", help="location of the release")
@click.option("--baselines", metavar="NAMES", default="popularity,markov", show_default=True,
              help="separated by commas")  # fmt: skip
@click.option(
    "--first-stage",
    type=click.Choice(["released", "exact", "index"]),
    default="released",
    show_default=True,
    help="what finds tracks on a CPU: what the release has, every track scored, or an index",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object instead of tables")
@pass_settings
def evaluate(
    settings: "Settings", *, recording: Recording, release: str, baselines: str, first_stage: str, as_json: bool
) -> None:
    """Score a release on recorded plays, without Kafka."""
    from streamer.report.evaluation import draw_reports, evaluate_release, to_json

    names = [name for name in baselines.split(",") if name]
    reports = evaluate_release(recording.read, release, settings.device, names, first_stage)
    if as_json:
        sys.stdout.write(to_json(reports) + "\n")
        return
    from rich.console import Console

    for table in draw_reports(reports):
        Console().print(table)
