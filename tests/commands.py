"""Commands in processes of their own, forked from one that has imported everything, as an operator runs them."""

import functools
import multiprocessing
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path

import click

from streamer.__main__ import main
from streamer.runtime.commands import Surroundings, invoke
from streamer.settings import Settings
from tests.until import until


@dataclass(frozen=True, slots=True)
class Ended:
    """What is left of a command: its exit status and everything it wrote."""

    status: int
    output: str

    @property
    def last_line(self) -> str:
        return self.output.rstrip().rpartition("\n")[2]


class Command:
    """A running command: `Command(environment, "offsets", "show")`."""

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        descriptor, name = tempfile.mkstemp(prefix="refrain-command-")
        os.close(descriptor)
        self._output = Path(name)
        self._process = _forks().Process(target=_run, args=(dict(environment), arguments, name))
        self._process.start()

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self._process.exitcode is None

    def kill(self) -> None:
        """Kill it, and delete what it wrote."""
        self._process.kill()
        self._process.join()
        self._output.unlink(missing_ok=True)

    def stop(self) -> None:
        """Ask it to stop, as an operator does."""
        self._process.terminate()

    async def ended(self, deadline_s: float = 60) -> Ended:
        """Wait until it ends."""
        try:
            await until(lambda: not self.is_running, "the command ends", deadline_s=deadline_s)
        except BaseException:
            print(self.output)  # noqa: T201  pytest shows it where the test fails
            self.kill()
            raise
        assert self._process.exitcode is not None
        ended = Ended(self._process.exitcode, self.output)
        self._output.unlink()
        return ended


def run_here(
    command: click.Command, settings: Settings, *arguments: str, environment: Mapping[str, str] | None = None
) -> None:
    """Run a command in this process, with settings that no variable gives."""
    invoke(command, arguments, Surroundings(environment or {}, lambda: settings))


async def run_command(environment: Mapping[str, str], *arguments: str) -> Ended:
    """Run a command to its end."""
    return await Command(environment, *arguments).ended()


@functools.cache
def _forks() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["streamer.worker.run", "streamer.training.process", "tests.commands"])
    return context


def _run(environment: Mapping[str, str], arguments: Sequence[str], output: str) -> None:
    stream = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    for name in [name for name in os.environ if name.startswith("REFRAIN_")]:
        del os.environ[name]
    os.environ.update(environment)
    main(arguments)
