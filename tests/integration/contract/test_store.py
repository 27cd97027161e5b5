"""The store, as Faust reads and opens it."""

from __future__ import annotations

import rocksdict
from faust.stores.rocksdb import Store

from streamer.faust.app import ChunkApp
from streamer.faust.store import ChunkStore
from streamer.wire.changelog import KIND_LISTENER, KIND_MARK
from tests.integration.contract.places import CHANGELOG


def test_the_offset_of_a_store_has_a_key_that_no_listener_can_have() -> None:
    assert Store.offset_key == b"__faust\0offset__", "existing stores would be read from the beginning, or wrongly"
    assert Store.offset_key[:1] not in (KIND_LISTENER, KIND_MARK)


async def test_faust_finds_the_offset_that_we_wrote_with_the_states(app: ChunkApp) -> None:
    app.conf.tabledir.mkdir(parents=True)
    store: ChunkStore = app.tables["listeners"].data

    before = store.persisted_offset(CHANGELOG)
    store.write_batch(0, [(b"\x01u1", b"state")], changelog_offset=12)

    assert (before, store.persisted_offset(CHANGELOG)) == (None, 12), "recovery would start at the wrong record"
    assert isinstance(store._dbs[0], rocksdict.Rdict), "apply_changelog_batch() reads _dbs to see what is open"
    await store.stop()
