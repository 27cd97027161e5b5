"""A day in the life: weeks of simulated listening in minutes, and a trainer that is left alone with them.

    python -m tests.bench.day [--into FOLDER]

A real Kafka, a worker, a trainer, listeners whose music and tastes change, and for half a day bots. Writes day.json and
day.html; ends with 1 and says why if no release followed the first, if a release was fitted on plays of bots, if the
trainer did not notice them or released nothing afterwards, or if anything was lost.
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
from tests.bench.day.figures import complaints, describe
from tests.bench.day.page import draw_page
from tests.bench.day.run import live
from tests.bench.day.scale import DayScale


def main() -> None:
    """Live through the day, and write down what it came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.day", description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("docs"), help="folder of day.json and day.html (%(default)s)")
    arguments = parser.parse_args()

    scale = DayScale()
    with tempfile.TemporaryDirectory(prefix="refrain-day-") as directory:
        shelf = Registry(directory)
        told = asyncio.run(live(scale, os.environ, Path(directory), _tell))
        releases = [load_release(f"{shelf.url}/{release_id}") for release_id in told.notes.release_ids]
        figures = describe(scale, told, releases, shelf.refusals())
    arguments.into.mkdir(parents=True, exist_ok=True)
    (arguments.into / "day.json").write_text(json.dumps(figures, indent=1) + "\n")
    (arguments.into / "day.html").write_text(draw_page(figures))
    if found := list(complaints(figures)):
        _tell(f"{told.trainer_log}\n{'; '.join(found)}")
        sys.exit(1)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
