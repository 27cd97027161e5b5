from __future__ import annotations

from math import exp, isinf, log, sqrt

import numpy as np
import pytest

from models.evaluation.baselines import rank
from models.evaluation.baselines.session_knn import SessionKnn
from models.plays.split import Split
from tests.models.evaluation.baselines.conftest import names, split_of

ALL = 1000  # neighbours: more than there are, since ties at the cut could go either way
METHODS = [
    SessionKnn(0.6, num_neighbours=ALL),
    SessionKnn(0.9, num_neighbours=ALL, num_plays=3, match_decay=0.5, idf_weight=2),
    SessionKnn(0.8, num_neighbours=ALL, recency_days=3, reach_plays=1.5, idf_weight=1),
]


def test_tracks_of_the_most_similar_session_come_first() -> None:
    split = split_of(["abc", "axy", "pqr"], later=["ab", "p", "q"])

    (lists,) = rank(SessionKnn(0.6).fit(split), split, split.anchors("test"), [1.0])

    assert names(split, lists.short_term[1])[:3] == "abc"  # the listener has just played a and b


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_those_of_the_definition(split: Split, method: SessionKnn) -> None:
    anchors = split.anchors("test")[::9]

    scores = method.fit(split).score(split, anchors).toarray()

    sessions = listened_sessions(split)
    for row, anchor in zip(scores, anchors.tolist(), strict=True):
        np.testing.assert_allclose(row, defined_scores(split, method, sessions, anchor), rtol=1e-4, atol=1e-6)


def test_only_the_nearest_sessions_are_used(split: Split) -> None:
    anchors = split.anchors("test")[::9]

    few = SessionKnn(0.6, num_neighbours=1).fit(split).score(split, anchors)
    many = SessionKnn(0.6).fit(split).score(split, anchors)

    longest = max(len({track for track, _ in session}) for session in listened_sessions(split))
    assert np.diff(few.indptr).max() <= longest
    assert (np.diff(many.indptr) >= np.diff(few.indptr)).all()
    assert few.nnz < many.nnz


def listened_sessions(split: Split) -> list[list[tuple[int, int]]]:
    """Track and time of the plays of each session before T1."""
    sessions: list[list[tuple[int, int]]] = []
    for play, row in enumerate(split.rows.tolist()):
        time_ms = int(split.histories.played_at_ms[play])
        if time_ms >= split.t1_ms:
            continue
        if split.session_starts[play]:
            sessions.append([])
        sessions[-1].append((row - 2, time_ms))
    return sessions


def defined_scores(split: Split, method: SessionKnn, sessions: list[list[tuple[int, int]]], anchor: int) -> np.ndarray:
    """Score session by session and track by track."""
    begin = split.histories.bounds[split.histories.listeners()[anchor]]
    played = [row - 2 for row in split.rows[begin : anchor + 1][::-1][: method.num_plays].tolist()]
    now_ms = int(split.histories.played_at_ms[anchor])
    holding = [sum(track in {held for held, _ in session} for session in sessions) for track in range(25)]
    nearest = []
    for session in sessions:
        tracks = {track for track, _ in session}
        near = sum(method.decay**ago for ago, track in enumerate(played) if track in tracks) / sqrt(len(tracks))
        if not isinf(method.recency_days):
            near *= exp(-(now_ms - session[-1][1]) / 86_400_000 / method.recency_days)
        nearest.append((near, session))
    scores = np.zeros(len(split.catalogue))
    for near, session in sorted(nearest, key=lambda pair: -pair[0])[: method.num_neighbours]:
        places = {track: place for place, (track, _) in enumerate(session)}
        shared = [ago for ago, track in enumerate(played) if track in places]
        if not shared:
            continue
        for track, place in places.items():
            distance = abs(place - places[played[shared[0]]])
            factor = 1.0 if isinf(method.reach_plays) else exp(-distance / method.reach_plays)
            idf = 1 + method.idf_weight * log(len(sessions) / holding[track])
            scores[track] += near * method.match_decay ** shared[0] * factor * idf
    return scores
