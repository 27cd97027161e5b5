"""The suite: run all scenarios, or the quick ones; end in one line of JSON."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.faults.table import Tally

_HERE: Final = Path(__file__).parent
_TABLE: Final = _HERE.parents[1] / "docs" / "faults.md"
_HEAD: Final = """\
# What the suite of faults found

Written by `make faults`: plays sent and answered, workers killed and frozen, and what the oracle found lost, told twice
or out of order. Recovery is the time from a fault to the next batch of a partition it hit, median and worst; it holds
the restart, and where a worker was frozen the session timeout of 10 s. A dash: there was nothing to count, for the
workers refused to go on, as they should, or the scenario looks at single answers.

"""


def main() -> None:
    """Run, sum up, and write the table where everything passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a part of it, in some ten minutes; writes no table")
    parser.add_argument("--processes", type=int, default=3, help="scenarios at a time, each with a broker of its own")
    options, more = parser.parse_known_args()

    tally = Tally()
    marks = "quick or kafka" if options.quick else "faults or kafka"
    at_once = ["-n", str(options.processes), "--dist", "worksteal"] if options.processes > 1 else []
    status = pytest.main([str(_HERE), "-m", marks, *at_once, "--durations=0", "--durations-min=30", *more], [tally])
    if status == 0 and not options.quick and not more:
        _TABLE.write_text(_HEAD + tally.to_markdown())
    sys.stdout.write(tally.to_markdown() + tally.to_json() + "\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
