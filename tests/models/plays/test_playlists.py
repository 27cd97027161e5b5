from __future__ import annotations

import numpy as np

from models.plays.playlists import playlist_histories


def test_a_playlist_is_a_listener_who_plays_it_from_top_to_bottom() -> None:
    playlists, positions = np.array([7, 3, 7, 3, 7]), np.array([2, 0, 1, 5, 1])
    keys = np.array([70, 30, 71, 31, 72], np.uint64)

    histories = playlist_histories(playlists, positions, keys)

    assert histories.bounds.tolist() == [0, 2, 5]
    assert histories.track_keys.tolist() == [30, 31, 71, 72, 70]
    assert not histories.played_at_ms.any()
    assert not histories.contexts.any()
