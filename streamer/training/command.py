"""The commands `trainer` and `train`: their arguments."""

import argparse
import asyncio
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from models.recipes import RECIPES
from streamer.recordings.arguments import FILES, add_columns, read_chosen
from streamer.runtime.commands import Commands, num
from streamer.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.release import SavedRelease
    from models.release_files import Json


def add_trainer(commands: Commands) -> None:
    """Add `trainer`."""
    parser = commands.add_parser("trainer", help="archive plays, fit weights to them, release those that pass the gate")
    parser.add_argument(
        "--once", action="store_true", help="fit once on the plays so far, then exit; status 1 without a release"
    )
    parser.set_defaults(run=_run_trainer)


def _run_trainer(settings: Settings, arguments: argparse.Namespace) -> None:
    from streamer.training import process

    if not arguments.once:
        asyncio.run(process.run(settings))
    elif not asyncio.run(process.run_once(settings)):
        sys.exit(1)


def add_train(commands: Commands) -> None:
    """Add `train`."""
    parser = commands.add_parser(
        "train",
        help="fit a recipe once, on recorded plays or on the archive, and save a release",
        description="Fit a recipe once and save a release under REFRAIN_RELEASES_URL. It may be killed at any moment: "
        "started again with the same arguments, it continues from its checkpoint.",
        epilog="If torchrun starts them, several processes train together on CPUs, with the same result as one except "
        "for the order of float32 sums: `torchrun --nproc-per-node 2 -m streamer train ...`. On several machines, each "
        "runs it with the same --nnodes and --rdzv-endpoint and the same plays. The first process keeps the checkpoint "
        "and fits the second stage. It also copies the archive next to the checkpoint, where all processes read it: "
        "without recorded plays, --checkpoint must name a directory that all machines share.",
    )
    parser.add_argument(
        "data",
        nargs="?",
        type=Path,
        help=f"{FILES}; the first four fifths in time are used for training, and the newest of the rest judge the "
        "release (default: the archive at REFRAIN_ARCHIVE_DIR, whose newest plays judge)",
    )
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="refrain", help="the recipe to fit (%(default)s)")
    parser.add_argument(
        "--playlists", type=Path, metavar="FILE",
        help="playlists, positions and tracks, or slices of the Million Playlist Dataset, as more data",
    )  # fmt: skip
    parser.add_argument(
        "--epochs", type=num, help="passes over the plays when fitting networks (default: the recipe's)"
    )
    parser.add_argument("--start", metavar="LOCATION",
                        help="release to continue from, in a third of the passes; its second stage is fitted to the "
                        "plays since its own, or kept if they are few (default: start from scratch)")  # fmt: skip
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoint"), metavar="DIRECTORY",
                        help="where the fit saves its progress; one directory per fit (%(default)s)")  # fmt: skip
    add_columns(parser)
    parser.set_defaults(run=_run_train)


def _run_train(settings: Settings, arguments: argparse.Namespace) -> None:
    from models.release_files import describe_folder
    from streamer.releases.store import Store
    from streamer.training.offline import TrainingPlan, TrainingStopped, train_offline

    plan = TrainingPlan(
        recipe=RECIPES[arguments.recipe],
        read_plays=functools.partial(read_chosen, arguments) if arguments.data else None,
        playlists=arguments.playlists,
        start=arguments.start,
        checkpoint=arguments.checkpoint,
        epochs=arguments.epochs,
    )
    try:
        saved = train_offline(plan, settings)
    except TrainingStopped as stopped:
        sys.stderr.write("stopped; start again with the same arguments to resume from the checkpoint\n")
        sys.exit(128 + stopped.number)
    if saved is not None:
        metrics = describe_folder(Store(settings.releases_url).folder(saved.release_id)).metrics
        sys.stdout.write(_what_next(saved, metrics, arguments.data))


def _what_next(saved: "SavedRelease", metrics: "Mapping[str, Json]", data: Path | None) -> str:
    lines = [f"release {saved.release_id} saved at {saved.location}", f"verdict:    {metrics['verdict']}"]
    if data is not None:
        lines.append(f"score it:   refrain evaluate {data} --release {saved.location}")
        lines.append(f"replay it:  refrain replay {data} --release {saved.location}")
    force = "" if metrics.get("passed") else " --force"
    lines.append(f"promote it: refrain releases promote {saved.release_id}{force}")
    return "\n".join(lines) + "\n"
