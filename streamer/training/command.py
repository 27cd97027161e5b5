"""The commands `trainer` and `train`."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.recipes import RECIPES
from streamer.recordings.arguments import Recording, columns
from streamer.runtime.commands import NUM, Command, pass_settings
from streamer.sections import ARCHIVE, KAFKA, NEW_TOPICS, TOPICS, TRAINING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.release import SavedRelease
    from models.release_files import Json
    from streamer.settings import Settings

_SEVERAL_PROCESSES = """
If torchrun starts them, several processes train together on CPUs, with the same result as one except for the order of
float32 sums: `torchrun --nproc-per-node 2 -m streamer train ...`. On several machines, each runs it with the same
--nnodes and --rdzv-endpoint and the same plays. The first process keeps the checkpoint and fits the second stage. It
also copies the archive next to the checkpoint, where all processes read it: without recorded plays, --checkpoint must
name a directory that all machines share.
"""


@click.command(
    cls=Command,
    examples=["refrain trainer", "refrain trainer --once  # the first release of a new deployment"],
    reads=(
        *KAFKA, *TOPICS, *NEW_TOPICS, *ARCHIVE, *TRAINING,
        "device", "releases_url", "releases_signing_key", "releases_kept", "web_host", "trainer_web_port",
    ),
)  # fmt: skip
@click.option("--once", is_flag=True, help="fit once on the plays so far, then exit; status 1 without a release")
@pass_settings
def trainer(settings: "Settings", *, once: bool) -> None:
    """Archive plays, fit weights to them, release those that pass the gate.

    A release that passes becomes champion, and workers take it up while they run.
    """
    from streamer.training import process

    if not once:
        asyncio.run(process.run(settings))
    elif not asyncio.run(process.run_once(settings)):
        sys.exit(1)


@click.command(
    cls=Command,
    epilog=_SEVERAL_PROCESSES,
    examples=["refrain train plays.csv --time listened_at", "refrain train --recipe refrain-network --epochs 3"],
    reads=("archive_dir", "releases_url", "device", "index_above"),
)
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("--recipe", type=click.Choice(sorted(RECIPES)), default="refrain", help="the recipe to fit",
              show_default=True)  # fmt: skip
@click.option(
    "--playlists", type=click.Path(path_type=Path), metavar="FILE",
    help="playlists, positions and tracks, or slices of the Million Playlist Dataset, as more data",
)  # fmt: skip
@click.option("--epochs", type=NUM, help="passes over the plays when fitting networks  [default: the recipe's]")
@click.option("--start", metavar="LOCATION",
              help="release to continue from, in a third of the passes; its second stage is fitted to the plays since "
              "its own, or kept if they are few  [default: start from scratch]")  # fmt: skip
@click.option("--checkpoint", type=click.Path(path_type=Path), default=Path("checkpoint"), metavar="DIRECTORY",
              help="where the fit saves its progress; one directory per fit", show_default=True)  # fmt: skip
@columns
@pass_settings
def train(
    settings: "Settings",
    *,
    recording: Recording,
    recipe: str,
    playlists: Path | None,
    epochs: int | None,
    start: str | None,
    checkpoint: Path,
) -> None:
    """Fit a recipe once, on recorded plays or on the archive, and save a release.

    It is saved under REFRAIN_RELEASES_URL. The command may be killed at any moment: started again with the same
    arguments, it continues from its checkpoint.

    The first four fifths of DATA in time are used for training, and the newest of the rest judge the release. Without
    DATA, the archive at REFRAIN_ARCHIVE_DIR is used, whose newest plays judge.
    """
    from streamer.training.offline import TrainingPlan, TrainingStopped, train_offline

    plan = TrainingPlan(
        recipe=RECIPES[recipe],
        read_plays=recording.read if recording.data is not None else None,
        playlists=playlists,
        start=start,
        checkpoint=checkpoint,
        epochs=epochs,
    )
    try:
        saved = train_offline(plan, settings)
    except TrainingStopped as stopped:
        sys.stderr.write("stopped; start again with the same arguments to resume from the checkpoint\n")
        sys.exit(128 + stopped.number)
    if saved is not None:
        sys.stdout.write(_what_next(settings, saved, recording))


def _what_next(settings: "Settings", saved: "SavedRelease", recording: Recording) -> str:
    from models.release_files import describe_folder
    from streamer.releases.store import Store

    metrics: Mapping[str, Json] = describe_folder(Store(settings.releases_url).folder(saved.release_id)).metrics
    lines = [f"release {saved.release_id} saved at {saved.location}", f"verdict:    {metrics['verdict']}"]
    if recording.data is not None:
        lines.append(f"score it:   refrain evaluate {recording.data} --release {saved.location}")
        lines.append(f"replay it:  refrain replay {recording.data} --release {saved.location}")
    force = "" if metrics.get("passed") else " --force"
    lines.append(f"promote it: refrain releases promote {saved.release_id}{force}")
    return "\n".join(lines) + "\n"
