"""What the catalogue withdraws is in no list that follows, whatever the batches; states know nothing of it."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.config import HORIZONS
from models.plays.catalogue import track_keys
from streamer.worker.saying import Saying
from tests.builders import TRACK_IDS, play, state_fields
from tests.laws.cases import cuts, law
from tests.listening import TRACKS, Fetched, batches, listening
from tests.offline import SIZES, Worker


@law
@given(records=listening(), cuts=cuts, withdrawals=st.lists(st.sets(st.sampled_from(TRACKS)), min_size=1, max_size=6))
def test_no_list_holds_a_withdrawn_track_and_no_state_depends_on_it(
    records: Fetched, cuts: Sequence[tuple[int, int]], withdrawals: list[set[str]]
) -> None:
    plain, worker = Worker(), Worker()

    for number, batch in enumerate(batches(records, cuts)):
        withdrawn = withdrawals[number % len(withdrawals)]
        worker.withdrawn = np.sort(track_keys(sorted(withdrawn)))
        worker.outputs.clear()
        worker.serve(batch)
        plain.serve(batch)
        for horizon in range(len(HORIZONS)):
            for answer in worker.answers(horizon):
                listed = {track.track_id for track in answer.tracks}
                assert not listed & withdrawn
                assert len(listed) == min(SIZES[horizon], len(set(TRACK_IDS) - withdrawn))

    mine, theirs = worker.states(), plain.states()
    assert mine.keys() == theirs.keys()
    assert all(state_fields(mine[who]) == state_fields(theirs[who]) for who in theirs)


def test_a_list_in_force_is_replaced_once_one_of_its_tracks_is_withdrawn() -> None:
    worker = Worker(saying=Saying(0.01, SIZES))
    worker.serve({0: [play(1, "u", "t1")], 1: []})
    worker.serve({0: [play(2, "u", "t1")], 1: []})
    (first,) = worker.answers(0)
    listed, others = first.tracks[0].track_id, set(TRACKS) - {track.track_id for track in first.tracks}

    worker.withdrawn = np.sort(track_keys(sorted(others - {"t1"})))
    worker.serve({0: [play(3, "u", "t1")], 1: []})
    assert len(worker.answers(0)) == 1

    worker.withdrawn = track_keys([listed])
    worker.serve({0: [play(4, "u", "t1")], 1: []})
    worker.serve({0: [play(5, "u", "t1")], 1: []})
    _, second = worker.answers(0)
    assert listed not in {track.track_id for track in second.tracks}
