"""docs/openapi.json: the questions that a worker answers over HTTP, as its own table of routes describes them.

`python -m tests.openapi` (or `make schemas`) writes it. The worker is built and never started.
"""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from streamer.queries.openapi import Json, describe
from streamer.settings import Settings
from streamer.worker.app import create_worker
from streamer.worker.beside import create_beside

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "openapi.json"


async def describe_worker(directory: Path) -> Json:
    """Describe the routes of a worker, built in an empty directory."""
    settings = Settings(state_dir=directory / "state", releases_url=str(directory / "releases"), device="cpu")
    worker = create_worker(settings, num_partitions=1)
    beside = create_beside(settings, worker, num_partitions=1)
    await beside.close()
    await worker.answering.releases.stop()
    await worker.answering.withdrawals.stop()
    worker.answering.engine.close()
    return describe(beside.queries.routes)


def render() -> str:
    """Return the document's text."""
    with TemporaryDirectory() as directory:
        document = asyncio.run(describe_worker(Path(directory)))
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write docs/openapi.json."""
    DOCUMENT.write_text(render())


if __name__ == "__main__":
    main()
