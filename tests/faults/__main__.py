"""Run the suite of faults, all of it or the quick part; the last line of output is JSON."""

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
# Results of the fault suite

Written by `make faults`: plays sent and answered, workers killed and frozen, and answers that the oracle found missing,
repeated or out of order. Recovery is the time from a fault to the next batch on a partition it hit, median and worst;
it includes the restart and, where a worker was frozen, the session timeout of 10 s. A dash means that there was nothing
to count: the workers refused to continue, as they should, or the scenario checks single answers.

"""


def main() -> None:
    """Run the scenarios, print the totals, and write the table if everything passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="run only a part, in about ten minutes; writes no table")
    parser.add_argument(
        "--processes", type=int, default=3, help="scenarios in parallel, each process with its own broker"
    )
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
