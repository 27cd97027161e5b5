import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faust.events import Event
from faust.types import TP

from streamer.faust.schema import ChunkMessage, position_chunk, records_chunk
from streamer.faust.store import MAX_AGE_S
from streamer.faust.table import ListenerTable
from streamer.kafka.topics import specs
from streamer.settings import Settings
from streamer.wire.changelog import MARK_KEY, NO_MARK, Item, Mark
from tests.builders import NOON_MS, record
from tests.cases.observations import Observe
from tests.until import until

CHANGELOG = "refrain-listeners-changelog"
OpenTable = Callable[..., ListenerTable]


def changelog(partition: int) -> TP:
    return TP(CHANGELOG, partition)


def chunk(table: ListenerTable, partition: int, *items: Item, first_offset: int = 0) -> Event:
    """Build a chunk as recovery hands it over."""
    records = [record(first_offset + number, key, value) for number, (key, value) in enumerate(items)]
    return event(table, records_chunk(changelog(partition), records, 1))


def event(table: ListenerTable, message: ChunkMessage) -> Event:
    return Event(table.app, None, message.records, None, message)


def apply(table: ListenerTable, *events: Event) -> None:
    table.store.apply_changelog_batch(events, bytes, bytes)


def test_many_keys_are_read_at_once_in_the_order_of_the_request(table: ListenerTable) -> None:
    table.store.write_batch(0, [(b"\x01a", b"1"), (b"\x01b", b"2"), (b"\x01c", b"")], 5)

    assert table.store.multi_get(0, [b"\x01b", b"\x01x", b"\x01a", b"\x01b", b"\x01c"]) == [b"2", None, b"1", b"2", b""]
    assert table.store.multi_get(0, []) == []


@pytest.mark.kind(22)
async def test_a_deleted_state_leaves_the_files_without_further_writes(table: ListenerTable, observe: Observe) -> None:
    gone, stays, *others = (os.urandom(64) for _ in range(3000))  # nothing to compress
    states = [(b"\x01u%04d" % number, state) for number, state in enumerate([*others, gone, stays])]
    table.store.write_batch(0, states, 5)
    table.store._dbs[0].flush()
    assert files_with(table, gone)

    table.store.write_batch(0, [(b"\x01u2998", None)], 6)
    table.store._dbs[0].flush()

    await until(lambda: not files_with(table, gone), "RocksDB has compacted the deletion")
    assert files_with(table, stays)
    observe("a forgotten listener's state leaves the files of a store once the deletion has been flushed to them")


def files_with(table: ListenerTable, content: bytes) -> list[Path]:
    """Return the files of partition 0 that hold some bytes."""
    files = table.store.partition_path(0).glob("*.sst")
    return [path for path in files if path.exists() and content in path.read_bytes()]


def test_partitions_keep_apart(table: ListenerTable) -> None:
    table.store.write_batch(0, [(b"\x01a", b"1")], 5)
    table.store.write_batch(1, [(b"\x01a", b"2")], 6)

    assert table.store.multi_get(0, [b"\x01a"]) == [b"1"]
    assert table.store.multi_get(1, [b"\x01a"]) == [b"2"]
    assert [table.store.persisted_offset(changelog(number)) for number in range(3)] == [5, 6, None]


def test_a_batch_deletes_writes_and_keeps_its_changelog_offset(table: ListenerTable) -> None:
    table.store.write_batch(0, [(b"\x01a", b"1"), (b"\x01b", b"1")], 5)

    table.store.write_batch(0, [(b"\x01a", None), (b"\x01b", b"2"), (b"\x01never", None)], 8)

    assert table.store.multi_get(0, [b"\x01a", b"\x01b"]) == [None, b"2"]
    assert table.store.persisted_offset(changelog(0)) == 8


def test_the_last_write_to_a_key_wins_within_a_batch(table: ListenerTable) -> None:
    table.store.write_batch(0, [(b"\x01a", b"1"), (b"\x01a", None), (b"\x01b", None), (b"\x01b", b"2")], 5)

    assert table.store.multi_get(0, [b"\x01a", b"\x01b"]) == [None, b"2"]


async def test_a_batch_outlives_the_process(open_table: OpenTable) -> None:
    table = open_table()
    table.store.write_batch(0, [(b"\x01a", b"1"), (MARK_KEY, Mark(7, 8).encode())], 5)
    await table.store.stop()

    reopened = open_table()

    assert reopened.mark(0) == Mark(7, 8)
    assert reopened.mark(1) == NO_MARK
    assert reopened.store.persisted_offset(changelog(0)) == 5


@pytest.mark.long
def test_after_a_crash_states_mark_and_offset_are_of_one_batch(tmp_path: Path, open_table: OpenTable) -> None:
    writer = textwrap.dedent(f"""
        import os
        from pathlib import Path
        from faust.types import TP
        from streamer.faust.app import create_chunk_app, listener_table
        from streamer.wire.changelog import MARK_KEY, Mark
        from streamer.settings import Settings
        app = create_chunk_app(Settings(state_dir=Path({str(tmp_path)!r})))
        app.finalize()
        table = listener_table(app, 4)
        table.persisted_offset(TP(table.changelog_topic_name, 0))
        store = table.store
        for number in range(1, 120):
            value = str(number).encode() * 100_000
            store.write_batch(0, [(b"\\x01a", value), (b"\\x01b", value), (MARK_KEY, Mark(number, 0).encode())], number)
        os._exit(9)
    """)
    process = subprocess.run([sys.executable, "-c", writer], check=False, timeout=120)
    assert process.returncode == 9

    table = open_table()

    offset = table.store.persisted_offset(changelog(0)) or 0
    a, b = table.store.multi_get(0, [b"\x01a", b"\x01b"])
    assert 0 < offset < 119  # a crash takes what was in memory
    assert table.mark(0) == Mark(offset, 0)
    assert a == b == str(offset).encode() * 100_000


@pytest.mark.parametrize(("age_s", "is_kept"), [(MAX_AGE_S - 60, True), (MAX_AGE_S + 60, False)])
async def test_a_store_older_than_the_changelogs_tombstones_is_discarded(
    age_s: float, open_table: OpenTable, monkeypatch: pytest.MonkeyPatch, *, is_kept: bool
) -> None:
    written_at_s = time.time() - age_s
    table = open_table()
    with monkeypatch.context() as earlier:
        earlier.setattr(time, "time", lambda: written_at_s)
        table.store.write_batch(0, [(b"\x01a", b"1")], 5)
    await table.store.stop()

    reopened = open_table()

    assert reopened.store.multi_get(0, [b"\x01a"]) == ([b"1"] if is_kept else [None])
    assert reopened.store.persisted_offset(changelog(0)) == (5 if is_kept else None)
    reopened.store.write_batch(0, [(b"\x01b", b"2")], 9)  # and it can be written to
    assert reopened.store.persisted_offset(changelog(0)) == 9


def test_a_store_is_discarded_well_before_the_changelog_forgets() -> None:
    (kept_ms,) = [int(spec.configs["delete.retention.ms"]) for spec in specs(Settings(), 4) if spec.name == CHANGELOG]

    assert kept_ms - 24 * 3600 * 1000 >= MAX_AGE_S * 1000


@pytest.mark.long
async def test_opening_a_store_again_and_again_leaves_no_more_logs(tmp_path: Path, open_table: OpenTable) -> None:
    for _ in range(6):
        await open_table(partitions=[0]).store.stop()

    assert 1 <= num_logs(tmp_path) <= 4, "RocksDB writes logs without end"


def num_logs(directory: Path) -> int:
    return len(list(directory.rglob("LOG*")))


def test_keys_with_a_prefix_are_counted(table: ListenerTable) -> None:
    assert table.store.count_keys(0, b"\x01") == 0

    items = [(kind + str(number).encode(), b"") for kind in (b"\x00", b"\x01", b"\x02") for number in range(50)]
    for offset in (5, 6):  # each written twice
        table.store.write_batch(0, [*items, (b"\x017", None)], offset)

    assert table.store.count_keys(0, b"\x01") == 49


def test_recovery_applies_chunks_with_the_offsets_they_end_at(table: ListenerTable) -> None:
    apply(
        table,
        chunk(table, 0, (b"\x01a", b"1"), (b"\x01b", b"1")),
        chunk(table, 1, (b"\x01a", b"9"), first_offset=70),
        chunk(table, 0, (b"\x01a", None), (MARK_KEY, Mark(3, 4).encode()), first_offset=20),
    )

    assert table.store.multi_get(0, [b"\x01a", b"\x01b"]) == [None, b"1"]
    assert table.mark(0) == Mark(3, 4)
    assert [table.store.persisted_offset(changelog(number)) for number in (0, 1)] == [21, 70]


def test_a_position_moves_the_offset_and_nothing_else(table: ListenerTable) -> None:
    table.store.write_batch(0, [(b"\x01a", b"1")], 5)

    apply(table, event(table, position_chunk(changelog(0), 8, 1)))

    assert table.store.multi_get(0, [b"\x01a"]) == [b"1"]
    assert table.store.persisted_offset(changelog(0)) == 8


def test_chunks_of_partitions_not_open_are_dropped(open_table: OpenTable) -> None:
    table = open_table(partitions=[0])

    apply(table, chunk(table, 0, (b"\x01a", b"1")), chunk(table, 2, (b"\x01a", b"2")))

    assert table.store._dbs.keys() == {0}
    assert table.store.persisted_offset(changelog(0)) == 0
    assert table.store.persisted_offset(changelog(2)) is None
    assert table.store.multi_get(2, [b"\x01a"]) == [None]


def test_a_revoked_partition_is_closed_and_can_be_opened_by_another(
    table: ListenerTable, open_table: OpenTable
) -> None:
    table.store.write_batch(0, [(b"\x01a", b"1")], 5)

    table.store.revoke_partitions(table, {changelog(0), TP("plays", 1)})

    assert table.store._dbs.keys() == {1, 2, 3}
    assert open_table(partitions=[0]).store.multi_get(0, [b"\x01a"]) == [b"1"]


def test_a_late_batch_does_not_open_a_revoked_partition_again(table: ListenerTable) -> None:
    table.store.revoke_partitions(table, {changelog(0)})

    with pytest.raises(LookupError, match="partition 0 is not open: it belongs to another worker"):
        table.store.write_batch(0, [(b"\x01a", b"1")], 5)
    with pytest.raises(LookupError, match="partition 0"):
        table.mark(0)
    with pytest.raises(LookupError, match="partition 0"):
        table.num_listeners(0)
    assert table.store._dbs.keys() == {1, 2, 3}


async def test_a_recovery_cut_short_leaves_a_store_as_old_as_the_records_it_read(
    open_table: OpenTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = NOON_MS / 1000 + MAX_AGE_S + 60
    monkeypatch.setattr(time, "time", lambda: now_s)
    old, new = record(7, b"\x01a", b"1"), record(8, b"\x01b", b"1", timestamp_ms=int(now_s * 1000) - 60_000)
    table = open_table()

    apply(table, event(table, records_chunk(changelog(0), [new, old], 1)))  # the time of the last record counts
    apply(table, event(table, position_chunk(changelog(0), 9, 1)))
    apply(table, event(table, records_chunk(changelog(1), [old, new], 1)))
    apply(table, event(table, position_chunk(changelog(2), 9, 1)))
    await table.store.stop()

    reopened = open_table()
    assert [reopened.store.persisted_offset(changelog(number)) for number in range(3)] == [None, 8, 9]
    assert reopened.store.multi_get(0, [b"\x01a", b"\x01b"]) == [None, None]
