"""A table as a worker has it, on a disk of its own, without a broker."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamer.chunks.app import create_chunk_app, listener_table
from streamer.chunks.table import ListenerTable
from streamer.settings import Settings

NUM_PARTITIONS = 4


@pytest.fixture
def open_table(tmp_path: Path) -> Iterator[Callable[..., ListenerTable]]:
    """Open the table of a new process on the same disk; the one before must have stopped."""
    opened: list[ListenerTable] = []

    def open_(app_id: str = "refrain") -> ListenerTable:
        app = create_chunk_app(Settings(state_dir=tmp_path, app_id=app_id))
        app.finalize()
        opened.append(listener_table(app, NUM_PARTITIONS))
        return opened[-1]

    yield open_
    for table in opened:
        for db in table.store._dbs.values():
            db.close()


@pytest.fixture
def table(open_table: Callable[[], ListenerTable]) -> ListenerTable:
    return open_table()
