"""A worker's table on a disk of its own, without a broker."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest
from faust.types import TP

from streamer.faust.app import create_chunk_app, listener_table
from streamer.faust.table import ListenerTable
from streamer.settings import Settings

NUM_PARTITIONS = 4


@pytest.fixture
def open_table(tmp_path: Path) -> Iterator[Callable[..., ListenerTable]]:
    """Open the table of a new process on the same disk, with partitions assigned; the last one must have stopped."""
    opened: list[ListenerTable] = []

    def open_(app_id: str = "refrain", partitions: Collection[int] = range(NUM_PARTITIONS)) -> ListenerTable:
        app = create_chunk_app(Settings(state_dir=tmp_path, app_id=app_id))
        app.finalize()
        table = listener_table(app, NUM_PARTITIONS)
        opened.append(table)
        for partition in partitions:  # recovery starts by asking for each one's offset, which opens it
            table.persisted_offset(TP(table.changelog_topic_name, partition))
        return table

    yield open_
    for table in opened:
        for db in table.store._dbs.values():
            db.close()


@pytest.fixture
def table(open_table: Callable[[], ListenerTable]) -> ListenerTable:
    return open_table()
