"""Mutants: the product without one of the safeguards of law 1; the suite must fail on each.

    python -m tests.faults.mutants

Every worker of a run is the same mutant, which the variable MUTANT names. It is caught if the scenario fails with the
mutant's symptom: any other failure says nothing about the suite.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4
from xml.etree import ElementTree as ET

from streamer.kafka.commits import Commit
from streamer.kafka.fence import Fence
from tests.faults.sabotage import place_of

#: The environment variable that names the mutant of a run.
VARIABLE: Final = "MUTANT"

_ROOT: Final = Path(__file__).parents[2]

#: By place in the product, `module:path`: a function from the original to its replacement.
Patches = Mapping[str, Callable[[Any], Any]]


# -- the mutants


def no_fence() -> Patches:
    """Break law 1: a worker that was replaced while it was cut off can still commit."""

    def of_its_own(make: Callable[..., Any]) -> Callable[..., Any]:
        return lambda client, transactional_id, *args: make(client, f"{transactional_id}-{uuid4()}", *args)

    return {"streamer.kafka.fences:Fence": of_its_own}


def no_transaction() -> Patches:
    """Break law 1: what a batch has sent before its worker dies is visible, and sent again.

    Each topic has a request of its own, as it has where each has another leader.
    """

    def topic_by_topic(send: Callable[..., Any]) -> Callable[..., Any]:
        async def send_each(fence: Fence, batches: Mapping[str, Any]) -> dict[str, int]:
            ends: dict[str, int] = {}
            for topic, of_topic in batches.items():
                ends |= await send(fence, {topic: of_topic})
            return ends

        return send_each

    return {
        "streamer.kafka.fence:Fence.send": topic_by_topic,
        "streamer.kafka.record_batch:_TRANSACTIONAL": lambda _: 0,
        **{f"streamer.kafka.fence:Fence.{step}": lambda _: _do_nothing for step in ("begin", "commit")},
    }


def no_progress_mark() -> Patches:
    """Break law 1: plays answered after the last commit of offsets are answered again after a restart."""
    return {
        "streamer.faust.marks:Marks.starts_of": _at_the_commit,
        "streamer.worker.pipeline:fresh_records": lambda _: lambda fetched, _: fetched,
    }


def acknowledged_first() -> Patches:
    """Break law 1: plays acknowledged but not yet committed when their worker dies are never answered."""

    def acknowledge_first(answer: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(answer)
        async def answer_acknowledged(answering: object, chunks: Iterable[Any]) -> None:
            for chunk in chunks:
                await chunk.acknowledge()
            await answer(answering, chunks)

        return answer_acknowledged

    return {
        "streamer.worker.pipeline:Answering.answer_batch": acknowledge_first,  # and again when it returns
        "streamer.faust.marks:Marks.starts_of": _at_the_commit,
    }


def remembered_first() -> Patches:
    """Break law 1: when a worker dies, its disk may cover plays whose answers Kafka never committed."""

    commit = Fence.commit

    def commit_last(remember: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(remember)
        async def remember_and_commit(table: object, fence: Fence, writes: object) -> None:
            await remember(table, fence, writes)
            await commit(fence)

        return remember_and_commit

    return {
        "streamer.kafka.fence:Fence.commit": lambda _: _do_nothing,
        "streamer.faust.table:ListenerTable.commit": commit_last,
    }


async def _do_nothing(*_: object) -> None:
    pass


def _at_the_commit(starts_of: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(starts_of)
    async def commits(_: object, committed: Mapping[Any, Commit | None]) -> dict[Any, int]:
        return {partition: commit.offset if commit else 0 for partition, commit in committed.items()}

    return commits


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mutant, and the scenario that catches it.

    Attributes:
        patches: its changes to the product.
        scenario: id of the test that must fail on it and pass on the product.
        symptom: regular expression that the failure's message must match.
    """

    patches: Callable[[], Patches]
    scenario: str
    symptom: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.patches.__name__.replace("_", " ")

    def install(self) -> None:
        """Patch the product in this process."""
        for target, patch in self.patches().items():
            owner, name = place_of(target)
            setattr(owner, name, patch(getattr(owner, name)))


_KILLS_AT_STEPS: Final = "tests/faults/test_steps.py::test_a_worker_killed_where_it_hurts"
_A_KILL: Final = "tests/faults/test_workers.py::test_a_killed_worker_loses_and_repeats_nothing"
_CUT_OFF: Final = "tests/faults/test_brokers.py::test_a_worker_out_of_reach_until_it_was_replaced"

_LOST: Final = r"Account\(plays=\d+, lost=[1-9]"
_TWICE: Final = r"Account\(plays=\d+, lost=\d+, twice=[1-9]"

MUTANTS: Final = (
    Mutant(no_fence, _CUT_OFF, _TWICE),
    Mutant(no_transaction, _KILLS_AT_STEPS, _TWICE),
    Mutant(no_progress_mark, _A_KILL, _TWICE),
    Mutant(acknowledged_first, _KILLS_AT_STEPS, _LOST),
    Mutant(remembered_first, _KILLS_AT_STEPS, _LOST),
)
_BY_NAME: Final = {mutant.name: mutant for mutant in MUTANTS}


def mutants_of_this_run() -> list[Mutant]:
    """Return the mutant that every worker of this run is; empty for the plain product."""
    name = os.environ.get(VARIABLE, "")
    assert name in ("", *_BY_NAME), f"{VARIABLE}={name!r} is none of {', '.join(_BY_NAME)}"
    return [_BY_NAME[name]] if name else []


# -- the run


def main() -> None:
    """Check that the product passes and each mutant fails, and print how."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.mutants", description=main.__doc__)
    parser.add_argument("names", nargs="*", help=f"mutants; default: all, which are {', '.join(_BY_NAME)}")
    mutants = [_BY_NAME[name] for name in parser.parse_args().names or _BY_NAME]

    passes = _run("", list(dict.fromkeys(mutant.scenario for mutant in mutants))).verdict == "passed"
    names: dict[str, list[str]] = {"caught": [], "survived": []}
    for mutant in mutants:
        is_caught = _run(mutant.name, [mutant.scenario], mutant.symptom).verdict == "caught"
        names["caught" if is_caught else "survived"].append(mutant.name)
    sys.stdout.write(json.dumps(names) + "\n")
    sys.exit(not passes or bool(names["survived"]))


def _run(name: str, scenarios: list[str], symptom: str = "") -> Run:
    """Run scenarios on a mutant, or on the product, and print the result."""
    directory = Path(tempfile.mkdtemp(prefix="mutant-"))
    report, began_s = directory / "report.xml", time.monotonic()
    command = ["pytest", *scenarios, "-m", "", "-x", f"--basetemp={directory}/logs", f"--junit-xml={report}"]
    process = subprocess.run(
        [sys.executable, "-m", *command], cwd=_ROOT, env=os.environ | {VARIABLE: name},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    run = Run.of(process.returncode, _failure(report) if report.exists() else process.stdout + process.stderr, symptom)
    sys.stdout.write(f"{name or 'the product'}: {run.verdict} in {time.monotonic() - began_s:.0f} s\n")
    if run.reason:
        sys.stdout.write(f"    {run.reason}\n")
    if run.verdict == "failed":
        sys.stdout.write(f"    which says nothing about the suite; its logs are in {directory}\n")
    else:
        shutil.rmtree(directory)
    sys.stdout.flush()
    return run


@dataclass(frozen=True, slots=True)
class Run:
    """The result of a run.

    Attributes:
        verdict: `passed`, `caught` if it failed with the symptom, `failed` if it failed otherwise.
        reason: why it did not pass, in one line.
    """

    verdict: str
    reason: str

    @classmethod
    def of(cls, status: int, failure: str, symptom: str) -> Run:
        """Judge a run by the exit status of pytest and the failure it reported."""
        if status == 0:
            return cls("passed", "")
        if symptom and (match := re.search(f"{symptom}.*", failure)):
            return cls("caught", _in_a_line(match[0]))
        return cls("failed", _in_a_line(failure))


def _in_a_line(failure: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r", recoveries_s=\([^)]*\)", "", failure)).strip()[:400]


def _failure(report: Path) -> str:
    """Return the messages of the failed tests in a report."""
    suites = ET.parse(report).getroot()
    return "\n".join(element.get("message", "") for kind in ("failure", "error") for element in suites.iter(kind))


if __name__ == "__main__":
    main()
