"""The command `replay`: its arguments."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import click

from models.recipes import RECIPES
from streamer.recordings.arguments import Recording, recorded
from streamer.runtime.commands import NUM, Command, pass_environment

#: A second of work for two workers with one core each: enough to keep them busy; more would only queue.
_MAX_UNDER_WAY: Final = 2000
_SERVES: Final = RECIPES["refrain"]


@click.command(
    cls=Command,
    examples=["refrain replay plays.csv --limit 20000", "refrain replay plays.csv --workers 3 --kill-halfway"],
)
@recorded
@click.option("--release", metavar="LOCATION", help="location of the release that answers  [default: one is trained]")
@click.option("--epochs", type=NUM, default=_SERVES.training.epochs, show_default=True,
              help="passes over the plays, of the trained networks")  # fmt: skip
@click.option("--workers", type=NUM, default=2, show_default=True, help="number of worker processes")
@click.option("--kill-halfway", is_flag=True, help="kill a worker once half of the plays are answered")
@click.option("--max-batch-plays", type=NUM, help="plays a worker answers at once  [default: the setting's]")
@click.option("--under-way", type=NUM, default=_MAX_UNDER_WAY, show_default=True,
              help="plays sent but not yet answered")  # fmt: skip
@pass_environment
def replay(
    environment: Mapping[str, str],
    *,
    recording: Recording,
    release: str | None,
    epochs: int,
    workers: int,
    kill_halfway: bool,
    max_batch_plays: int | None,
    under_way: int,
) -> None:
    """Answer recorded plays through Kafka, score the answers, account for every play.

    It starts a Kafka and workers of its own on this machine; the workers inherit the settings.
    """
    from streamer.replay import run

    recording.check_exists()
    run.check_kafka(environment)
    plan = run.ReplayPlan(
        recorded=recording.read(),
        num_workers=workers,
        kill_halfway=kill_halfway,
        max_under_way=under_way,
        release=release,
        recipe=replace(_SERVES, training=replace(_SERVES.training, epochs=epochs)),
    )
    batch = {"REFRAIN_MAX_BATCH_PLAYS": str(max_batch_plays)} if max_batch_plays else {}
    run.replay(plan, {**environment, **batch})
