"""A drill: an alert is provoked, seen firing, and ended by what its runbook says."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.cases.drills import Row
from tests.hostile.alerts.kafka_tools import run_tool
from tests.hostile.alerts.watching import Watching
from tests.hostile.commands import Command, Commands

RUNBOOKS: Final = Path(__file__).parents[3] / "docs" / "runbooks.md"

#: Seconds for an alert to fire or to end, or for a command: two minutes at most, but machines are shared.
_LIMIT_S: Final = 300.0

_SECTION: Final = re.compile(r"(?ms)^### (\w+)$(.*?)(?=^##|\Z)")
_STEPS: Final = re.compile(r"(?s)- (\*\*Look at\*\*.*?)- \*\*Ends\*\*")


@dataclass
class Drill:
    """One alert and its runbook.

    Attributes:
        alert: its name.
        provocation: what went wrong, for the page.
        prometheus: which watches.
        note: takes the row of the page once the alert has ended.
        steps: of the runbook that were carried out, in order.
        has_fired: whether it was seen.
    """

    alert: str
    provocation: str
    prometheus: Watching
    note: Callable[[Row], None]
    steps: list[str] = field(default_factory=list)
    has_fired: bool = False

    async def fires(self) -> None:
        """Wait until the alert fires."""
        await self.prometheus.fires(self.alert, deadline_s=_LIMIT_S)
        self.has_fired = True

    async def ends(self) -> None:
        """Wait until it fires no more, by what was done."""
        assert self.has_fired, "it has not fired"
        assert self.steps, "the runbook was not followed"
        await self.prometheus.ends(self.alert, deadline_s=_LIMIT_S)
        self.note(Row(self.alert, self.provocation, tuple(self.steps), self.prometheus.times_faster))

    def follow(self, step: str) -> None:
        """Note a step which the test takes itself, in the words of the runbook."""
        assert step in instructions(self.alert), f"the runbook of {self.alert} does not say {step!r}"
        self.steps.append(step)

    async def run(self, commands: Commands, beginning: str, values: Mapping[str, str] | None = None) -> str:
        """Run a command of the runbook, whole; return what it printed.

        Args:
            commands: of the deployment.
            beginning: of the command, which tells it from the others.
            values: by the word of the command in whose place they are put, e.g. `RELEASE`.
        """
        (command,) = [each for each in commands_in(instructions(self.alert)) if each.startswith(beginning)]
        self.steps.append(f"`{command}`")
        words = [(values or {}).get(word, word) for word in shlex.split(command)]
        return await run_words(commands, words)

    def start(self, commands: Commands, beginning: str, **settings: str) -> Command:
        """Start a process with a command of the runbook."""
        (command,) = [each for each in commands_in(instructions(self.alert)) if each.startswith(beginning)]
        self.steps.append(f"`{command}`")
        program, *arguments = shlex.split(command)
        assert program == "refrain"
        return commands.start(*arguments, **settings)


async def run_words(commands: Commands, words: list[str]) -> str:
    """Run a command to its end: of Refrain, or of Kafka's tools."""
    if words[0] != "refrain":
        known = {
            "$REFRAIN_KAFKA_BOOTSTRAP_SERVERS": commands.environment["KAFKA_BOOTSTRAP_SERVERS"],
            "plays": commands.environment["PLAYS_TOPIC"],
            "plays.dead-letter": commands.environment["DEAD_LETTER_TOPIC"],
        }
        return await asyncio.to_thread(run_tool, [known.get(word, word) for word in words])
    command = commands.start(*words[1:])
    assert await command.ended(_LIMIT_S) == 0, command.log
    return command.log


def instructions(alert: str) -> str:
    """Return what the runbook of an alert says to look at and to do, on one line."""
    (steps,) = _STEPS.findall(dict(_SECTION.findall(RUNBOOKS.read_text()))[alert])
    return " ".join(steps.split())


def commands_in(text: str) -> Iterator[str]:
    """Yield the commands of Refrain and of Kafka's tools in a text."""
    yield from (words for words in re.findall(r"`([^`]+)`", text) if re.match(r"refrain |kafka-[\w-]+\.sh ", words))
