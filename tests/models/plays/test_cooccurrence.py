from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from models.plays.cooccurrence import follower_counts, row_shares, session_cosines

TRACKS = np.array([0, 1, 2, 1, 2, 0, 1, 2, 3])
LISTENERS = np.array([5, 5, 5, 5, 5, 7, 7, 7, 7])


@pytest.mark.parametrize("reach", [1, 3, 20])
def test_followers_are_counted_within_a_listener_by_their_distance(reach: int) -> None:
    counts = follower_counts(TRACKS, LISTENERS, 5, reach=reach)

    expected = np.zeros((5, 5), np.float32)
    for earlier in range(9):
        for later in range(earlier + 1, 9):
            if LISTENERS[earlier] == LISTENERS[later] and later - earlier <= reach:
                expected[TRACKS[earlier], TRACKS[later]] += 1 / (later - earlier)
    assert np.allclose(counts.toarray(), expected)
    assert counts.dtype == np.float32


def test_no_plays_have_no_followers() -> None:
    nothing = np.empty(0, np.int64)

    assert follower_counts(nothing, nothing, 4, reach=10).nnz == 0


def test_shares_of_a_row_add_up_to_one_or_stay_zero() -> None:
    shares = row_shares(csr_array(np.array([[1, 3], [0, 0]], np.float32))).toarray()

    assert shares.tolist() == [[0.25, 0.75], [0, 0]]


def test_closeness_is_the_cosine_of_shrunk_sessions() -> None:
    sessions = csr_array(np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0]], np.float32))

    closeness = session_cosines(sessions, shrinkage=2.0).toarray()

    assert closeness[0, 1] == pytest.approx(1 / np.sqrt((1 + 2) * (3 + 2)))
    assert closeness[0, 2] == 0
    assert not closeness.diagonal().any()
