from __future__ import annotations

import numpy as np

from models.evaluation.baselines.sessions import training_sessions
from models.plays.split import Split
from tests.models.evaluation.baselines.conftest import split_of


def test_sessions_hold_the_tracks_before_t1_each_at_its_latest_place() -> None:
    split = split_of(["abacb", "ca"], later=["c", "b"], num_in_session=3)  # aba | cb, ca

    sessions = training_sessions(split)

    assert sessions.tracks.toarray().tolist() == [[1, 1, 0], [0, 1, 1], [1, 0, 1]]
    assert sessions.tracks.indices.tolist() == [0, 1, 1, 2, 0, 2]
    assert sessions.places.tolist() == [2, 1, 1, 0, 1, 0]
    assert sessions.ended_at_ms.tolist() == [120_000, 3_840_000, 60_000]


def test_no_session_spans_two_listeners_or_a_long_gap(split: Split) -> None:
    sessions = training_sessions(split)

    histories, _ = split.training_histories()
    new = np.diff(histories.played_at_ms) > 1_800_000
    new[histories.bounds[1:-1] - 1] = True
    assert sessions.tracks.shape == (1 + new.sum(), len(split.catalogue))
