"""The command `replay`: its arguments."""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from models.recipes import RECIPES
from streamer.recordings.arguments import add_recording, read_chosen
from streamer.runtime.commands import Commands, num
from streamer.settings import Settings

#: A second of work for two workers with one core each: enough to keep them busy; more would only queue.
_MAX_UNDER_WAY: Final = 2000
_SERVES: Final = RECIPES["refrain"]


def add_replay(commands: Commands, environment: Mapping[str, str]) -> None:
    """Add `replay`; the workers it starts inherit the environment."""
    parser = commands.add_parser(
        "replay", help="answer recorded plays through Kafka, score the answers, account for every play"
    )
    add_recording(parser)
    parser.add_argument("--release", help="location of the release that answers (default: one is trained)")
    parser.add_argument(
        "--epochs",
        type=num,
        default=_SERVES.training.epochs,
        help="passes over the plays, of the trained networks (%(default)s)",
    )
    parser.add_argument("--workers", type=num, default=2, help="number of worker processes (%(default)s)")
    parser.add_argument("--kill-halfway", action="store_true", help="kill a worker once half of the plays are answered")
    parser.add_argument("--max-batch-plays", type=num, help="plays a worker answers at once (default: the setting's)")
    parser.add_argument(
        "--under-way", type=num, default=_MAX_UNDER_WAY, help="plays sent but not yet answered (%(default)s)"
    )

    def run(_: Settings, arguments: argparse.Namespace) -> None:
        from streamer.replay.run import ReplayPlan, replay

        plan = ReplayPlan(
            recorded=read_chosen(arguments),
            num_workers=arguments.workers,
            kill_halfway=arguments.kill_halfway,
            max_under_way=arguments.under_way,
            release=arguments.release,
            recipe=replace(_SERVES, training=replace(_SERVES.training, epochs=arguments.epochs)),
        )
        batch = arguments.max_batch_plays
        replay(plan, {**environment, **({"REFRAIN_MAX_BATCH_PLAYS": str(batch)} if batch else {})})

    parser.set_defaults(run=run)
