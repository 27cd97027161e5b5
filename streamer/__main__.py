"""The command line: what `refrain worker`, `trainer`, `train`, `releases`, `report`, `demo` and the others run."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from typing import Final

from aiokafka.errors import KafkaConnectionError

from streamer.errors import ContractError, KafkaUnavailableError, RefrainError, SettingsError
from streamer.operations.dead_letters import add_dead_letters
from streamer.operations.offsets import add_offsets
from streamer.operations.releases import add_releases
from streamer.replay.command import add_replay
from streamer.report.command import add_evaluate, add_report
from streamer.runtime.crash import REFUSED_STATUS
from streamer.settings import Settings
from streamer.training.command import add_train
from streamer.worker.run import run_worker

#: Exit status of a command that finds no Kafka: a restart may.
UNREACHABLE_STATUS: Final = 4

_STATUSES: Final = {SettingsError: 2, ContractError: REFUSED_STATUS, KafkaUnavailableError: UNREACHABLE_STATUS}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; errors an operator can mend are one line, and an exit status of their own."""
    command = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment(os.environ)
        _configure_logging(settings.log_level)
        command.run(settings, command)
    except RefrainError as exc:
        sys.stderr.write(f"refrain: {exc}\n")
        sys.exit(_STATUSES.get(type(exc), 1))
    except KafkaConnectionError as exc:
        sys.stderr.write(f"refrain: {exc}; see that Kafka runs, and where REFRAIN_KAFKA_BOOTSTRAP_SERVERS says\n")
        sys.exit(UNREACHABLE_STATUS)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "refrain", description="Streaming recommendations; settings are REFRAIN_ variables."
    )
    commands = parser.add_subparsers(required=True)
    worker = commands.add_parser("worker", help="answer plays with recommendations")
    worker.set_defaults(run=_worker)
    trainer = commands.add_parser("trainer", help="archive plays, learn from them, release what passes")
    trainer.add_argument("--once", action="store_true", help="fit once on what there is, then exit; 1 if nothing came")
    trainer.set_defaults(run=_trainer)
    add_train(commands)
    demo = commands.add_parser("demo", help="Kafka, made-up listeners, trainer and workers, all on this machine")
    demo.add_argument("--for", dest="for_s", type=float, metavar="SECONDS", help="end so long after the first answer")
    demo.set_defaults(run=_demo)
    add_releases(commands)
    add_replay(commands, os.environ)
    add_evaluate(commands)
    add_report(commands)
    add_offsets(commands)
    add_dead_letters(commands)
    return parser


def _worker(settings: Settings, _: argparse.Namespace) -> None:
    asyncio.run(run_worker(settings))


def _trainer(settings: Settings, arguments: argparse.Namespace) -> None:
    from streamer.training import process  # noqa: PLC0415  no worker should wait for what only a trainer needs

    if not arguments.once:
        asyncio.run(process.run(settings))
    elif not asyncio.run(process.run_once(settings)):
        sys.exit(1)


def _demo(_: Settings, arguments: argparse.Namespace) -> None:
    from streamer.demo.run import run_demo  # noqa: PLC0415  nor for what only the demo needs

    logging.getLogger("streamer").setLevel(logging.WARNING)  # the screen tells the rest
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it cannot mend ends the demo, by name
    summary = run_demo(os.environ, arguments.for_s)
    sys.stdout.write(summary.to_text())
    if not summary.is_clean:
        sys.exit(1)


def _configure_logging(level: str) -> None:
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr
    )
    logging.getLogger("streamer").setLevel(level.upper())


if __name__ == "__main__":
    main()
