"""Session kNN: the tracks of the sessions most similar to the listener's latest plays (VSKNN, STAN, VSTAN)."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isinf
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from models.evaluation.baselines.queries import decayed_query, latest_plays
from models.evaluation.baselines.sessions import Sessions, training_sessions
from models.plays.catalogue import FIRST_TRACK
from models.plays.features import DAY_MS
from models.plays.split import Split

_NEVER: Final = -1


@dataclass(frozen=True, slots=True)
class SessionKnn:
    """Recommend the tracks of the nearest sessions.

    With w_i = decay^(plays since i), the nearness of a session s is the sum of w_i over the shared tracks i, divided by
    sqrt(|s|). It gives each of its tracks that weight, times the factors below.

    Attributes:
        decay: weight of a listener's play relative to the next one; STAN's first weighting.
        num_neighbours: number of nearest sessions used.
        num_plays: how many of the listener's latest plays are compared.
        match_decay: factor on a neighbour for every play since the latest track it shares.
        idf_weight: a track counts 1 + this * log(S / sessions that hold it).
        recency_days: days between a session and now in which nearness falls by e; STAN's second weighting.
        reach_plays: plays between a track and the latest shared one over which it counts less by e; STAN's third.

    Source: Ludewig and Jannach 2018 (VSKNN: decays, idf); Garg et al. 2019 (STAN); Ludewig et al. 2021 (VSTAN: both).
    """

    decay: float
    num_neighbours: int = 100
    num_plays: int = 20
    match_decay: float = 1.0
    idf_weight: float = 0.0
    recency_days: float = inf
    reach_plays: float = inf

    def fit(self, split: Split) -> IndexedSessions:
        """Index the sessions before T1."""
        sessions = training_sessions(split)
        num_sessions, num_tracks = sessions.tracks.shape
        lengths = np.maximum(sessions.tracks.sum(axis=1), 1)
        frequencies = np.maximum(sessions.tracks.sum(axis=0), 1)
        return IndexedSessions(
            method=self,
            sessions=sessions,
            by_track=csr_array((diags_array(1 / np.sqrt(lengths)) @ sessions.tracks).T.astype(np.float32)),
            keys=np.repeat(np.arange(num_sessions), np.diff(sessions.tracks.indptr)) * num_tracks
            + sessions.tracks.indices,
            track_weights=1 + self.idf_weight * np.log(num_sessions / frequencies),
        )


@dataclass(frozen=True, slots=True)
class IndexedSessions:
    """The sessions before T1, indexed for search.

    Attributes:
        method: how they are searched.
        sessions: S sessions of M tracks.
        by_track: float32 (M, S), 1 / sqrt(tracks of the session) where it holds the track.
        keys: int64 (entries,), ascending: session * M + track of each entry of `sessions.tracks`.
        track_weights: float64 (M,).
    """

    method: SessionKnn
    sessions: Sessions
    by_track: csr_array
    keys: NDArray[np.int64]
    track_weights: NDArray[np.float64]

    def score(self, split: Split, anchors: NDArray[np.int64]) -> csr_array:
        """Score by the tracks of the nearest sessions."""
        neighbours, weights = self._nearest(split, anchors)  # (A, k)
        steps, entries = self._latest_shared(split, anchors, neighbours)  # (A, k)
        weights *= self.method.match_decay**steps
        numbers, places = np.nonzero(weights)  # (pairs,)
        pairs = neighbours[numbers, places]
        bounds = self.sessions.tracks.indptr
        lengths = bounds[pairs + 1] - bounds[pairs]
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        held = np.repeat(bounds[pairs], lengths) + offsets  # (pairs' tracks,), entries of the sessions
        tracks = self.sessions.tracks.indices[held]
        scores = np.repeat(weights[numbers, places], lengths) * self.track_weights[tracks]
        if not isinf(self.method.reach_plays):
            shared = np.repeat(self.sessions.places[entries[numbers, places]], lengths)
            scores *= np.exp(-np.abs(self.sessions.places[held] - shared) / self.method.reach_plays)
        return csr_array(
            (scores.astype(np.float32), (np.repeat(numbers, lengths), tracks)),
            shape=(len(anchors), self.sessions.tracks.shape[1]),
        )

    def _nearest(self, split: Split, anchors: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the k nearest sessions and their nearness, 0 if fewer share a track: both (A, k)."""
        query = decayed_query(split, anchors, self.method.num_plays, self.method.decay)
        nearness = csr_array(query @ self.by_track)  # (A, S)
        if not isinf(self.method.recency_days):
            now_ms = np.repeat(split.histories.played_at_ms[anchors], np.diff(nearness.indptr))
            ages_days = (now_ms - self.sessions.ended_at_ms[nearness.indices]) / DAY_MS
            nearness.data *= np.exp(-ages_days / self.method.recency_days).astype(np.float32)
        k = min(self.method.num_neighbours, nearness.shape[1])
        weights, neighbours = torch.from_numpy(nearness.toarray()).topk(k, dim=1)
        return neighbours.numpy(), weights.numpy()

    def _latest_shared(
        self, split: Split, anchors: NDArray[np.int64], neighbours: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the latest play whose track each neighbour holds.

        Returns:
            How many plays ago it was, and the entry of the session: both int64 (A, k), 0 if no track is shared.
        """
        plays, real = latest_plays(split, anchors, self.method.num_plays)
        tracks = np.where(real, split.rows[plays] - FIRST_TRACK, _NEVER)  # (A, n)
        steps, entries = np.zeros_like(neighbours), np.zeros_like(neighbours)
        numbers, places = np.nonzero(np.ones(neighbours.shape, np.bool_))  # (unmatched,), neighbours without a match
        for step in range(tracks.shape[1]):
            candidates = tracks[numbers, step]
            keys = neighbours[numbers, places] * self.sessions.tracks.shape[1] + candidates
            indices = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            is_match = (self.keys[indices] == keys) & (candidates != _NEVER)
            steps[numbers[is_match], places[is_match]] = step
            entries[numbers[is_match], places[is_match]] = indices[is_match]
            numbers, places = numbers[~is_match], places[~is_match]
        return steps, entries
