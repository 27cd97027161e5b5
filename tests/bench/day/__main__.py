"""A day in the life: weeks of simulated listening in minutes, and a trainer left alone with them.

    python -m tests.bench.day [--into FOLDER]

A real Kafka, a worker, a trainer, listeners whose music and tastes change, and for half a day bots. Writes day.json and
day.html. The exit status is 1, with a reason, if no release followed the first, if a release was fitted on plays of
bots, if the trainer did not notice them or released nothing afterwards, or if anything was lost.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from models.release import load_release
from streamer.releases.registry import Registry
from streamer.releases.store import Store
from tests.bench.day.figures import complaints, describe
from tests.bench.day.page import draw_page
from tests.bench.day.run import live
from tests.bench.day.scale import DayScale


def main() -> None:
    """Run the day, and write its figures and its page."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.day", description=__doc__)
    parser.add_argument(
        "--into", type=Path, default=Path("docs"), help="folder for day.json and day.html (%(default)s)"
    )
    arguments = parser.parse_args()

    scale = DayScale()
    with tempfile.TemporaryDirectory(prefix="refrain-day-") as directory:
        registry = Registry(Store(directory))
        observations = asyncio.run(live(scale, os.environ, Path(directory), _report))
        releases = [load_release(f"{directory}/{release_id}") for release_id in observations.notes.release_ids]
        figures = describe(scale, observations, releases, registry.refusals())
    arguments.into.mkdir(parents=True, exist_ok=True)
    (arguments.into / "day.json").write_text(json.dumps(figures, indent=1) + "\n")
    (arguments.into / "day.html").write_text(draw_page(figures))
    if failures := list(complaints(figures)):
        _report(f"{observations.trainer_log}\n{'; '.join(failures)}")
        sys.exit(1)


def _report(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
