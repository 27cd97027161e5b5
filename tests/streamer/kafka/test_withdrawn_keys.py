import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.kafka.withdrawn_keys import Backlog, Said, changed
from streamer.worker.narrowing import NOTHING


@given(st.lists(st.dictionaries(st.integers(0, 12), st.booleans(), min_size=1)))
def test_keys_are_those_whose_latest_record_withdraws(batches: list[dict[int, bool]]) -> None:
    keys, expected = NOTHING, set[int]()
    for batch in batches:
        before = keys
        keys = changed(keys, batch)
        now = (expected | {key for key, gone in batch.items() if gone}) - {
            key for key, gone in batch.items() if not gone
        }
        assert (keys is before) == (now == expected)
        expected = now
        assert keys.tolist() == sorted(expected)
        assert keys.dtype == np.uint64


RECORDS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.booleans()))


@given(portions=st.lists(RECORDS, min_size=1), by_time=st.booleans())
def test_a_backlog_knows_each_tracks_newest_record(
    *, portions: list[list[tuple[int, int, bool]]], by_time: bool
) -> None:
    backlog, newest = Backlog(by_time=by_time), dict[int, Said]()
    place = 0
    for portion in portions:
        said = [Said(key, at_ms, place := place + 1, gone) for key, at_ms, gone in portion]
        backlog.add(said)
        for each in said:
            if not by_time or each.key not in newest or each.written_at_ms >= newest[each.key].written_at_ms:
                newest[each.key] = each

    assert backlog.withdrawn().tolist() == sorted(key for key, said in newest.items() if said.withdraws)
