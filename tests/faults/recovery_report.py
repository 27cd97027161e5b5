"""The report of `make recovery`: what was measured as a page, and which goals were missed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.config import NUM_COUNTED
from tests.faults.harness import SESSION_TIMEOUT_S
from tests.faults.load import NUM_PARTITIONS

REPORT: Final = Path(__file__).parents[2] / "docs" / "recovery.md"

#: Where the part of the report begins that tests/faults/rolling.py writes.
ROLLING_TITLE: Final = "\n## What a rolling restart costs\n"

#: The promised times, seconds; for a takeover, beyond the session timeout.
_GOALS_S: Final = {"warm disk": 3.0, "wiped disk": 10.0, "taken over by a standby": 3.0}

_HEAD: Final = """\
# How quickly a lost worker is replaced

Written by `make recovery`: workers with default settings and a network of 128 units on a real Kafka, all on one machine
({cores} cores, a load of {load:.0f}), {listeners:,} listeners in {partitions} partitions, each with a real state.
A worker is killed with SIGKILL while a probe plays on every partition twenty times a second. The time runs from the
kill until the last of the worker's partitions has answered a play sent after it, as a reader of committed records sees
it. The gap is the longest time without any answer on one of these partitions; the other's gap is the same for the
partitions that the other worker owned throughout. Records read are those of the changelog before partitions started.

"""

_COLUMNS: Final = (
    *("", "listeners", "kill to answers, s", "session timeout, s", "beyond it, s", "goal, s", "gap, s"),
    *("the other's gap, s", "records read"),
)

_TAIL: Final = """
A worker that restarts under its own REFRAIN_INSTANCE_ID rejoins at once, whatever its session: the group gives it the
partitions it had, and the others do not notice. A worker that does not come back is missed when its session expires;
the others learn of it at most REFRAIN_HEARTBEAT_S later. The workers above are forked from a process that has imported
everything; one started as `python -m streamer worker` took {cold_ready_s:.1f} s until it was ready,
{cold_import_s:.1f} s of it for imports.

| bytes per listener | |
|---|--:|
| on disk, as a worker leaves it | {disk_bytes_per_listener:,} |
| on disk, compacted | {compacted_disk_bytes_per_listener:,} |
| on disk, compacted, with a full ring of 64 and {num_counted} other tracks counted | {full_disk_bytes_per_listener:,} |
| in the changelog, compacted: one record per listener | {changelog_bytes_per_listener:,} |
"""


def to_markdown(measured: Mapping[str, Any]) -> str:
    """Render the report."""
    head = _HEAD.format(cores=os.cpu_count(), partitions=NUM_PARTITIONS, **measured)
    head += f"| {' | '.join(_COLUMNS)} |\n|---{'|--:' * (len(_COLUMNS) - 1)}|\n"
    rows = [_row(name, run) for name, run in measured["runs"].items()]
    cold_s = measured["cold_start_s"]
    tail = _TAIL.format(
        cold_ready_s=cold_s["ready"], cold_import_s=cold_s["worker starts"], num_counted=NUM_COUNTED, **measured
    )
    return head + "".join(rows) + tail


def _row(name: str, run: Mapping[str, Any]) -> str:
    waited_s = 0.0 if run["others_gap_s"] is None else SESSION_TIMEOUT_S
    goal_s = f"{_GOALS_S[name]:.0f}" if name in _GOALS_S else ""
    others = "" if run["others_gap_s"] is None else f"{run['others_gap_s']:.1f}"
    seconds = f"{run['answered_s']:.1f} | {waited_s:.0f} | {max(0.0, run['answered_s'] - waited_s):.1f} | {goal_s}"
    return f"| {name} | {run['listeners']:,} | {seconds} | {run['gap_s']:.1f} | {others} | {run['replayed']:,} |\n"


def missed(measured: Mapping[str, Any]) -> list[str]:
    """Return the runs that took longer than promised."""
    runs = measured["runs"]
    waits_s = {name: SESSION_TIMEOUT_S if runs[name]["others_gap_s"] is not None else 0.0 for name in _GOALS_S}
    return [name for name, goal_s in _GOALS_S.items() if runs[name]["answered_s"] - waits_s[name] > goal_s]
