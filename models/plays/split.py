"""A stream of plays, split by time into plays to learn from and plays to predict.

`models.evaluation.protocol` states the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.plays.catalogue import FIRST_TRACK, Catalogue, track_keys
from models.plays.features import DAY_MS
from models.plays.histories import Histories, gather_histories

Part: TypeAlias = Literal["validation", "test"]

_SESSION_GAP_MS: Final = 1_800_000  # the protocol's; a network may use another
_FAR_PLAYS: Final = (25, 100)
_MIN_PLAYS_FOR_FAR: Final = 50
_NEAR_MS: Final = 30 * DAY_MS
_MIN_TRUTH: Final = 5


@dataclass(frozen=True, slots=True)
class Plays:
    """P plays as columns, in any order.

    Attributes:
        listeners: int64 (P,), any numbers.
        tracks: int64 (P,), indices into `track_ids`.
        track_ids: names of the tracks; a catalogue keeps their order.
        played_at_ms: int64 (P,).
        contexts: uint8 (P,), indices of CONTEXTS; absent: none.
        sessions: int64 (P,), as the source gives them; absent: cut at gaps of more than 30 minutes.
    """

    listeners: NDArray[np.int64]
    tracks: NDArray[np.int64]
    track_ids: Sequence[str]
    played_at_ms: NDArray[np.int64]
    contexts: NDArray[np.uint8] | None = None
    sessions: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """A stream of P plays, of which N are of catalogue tracks ("warm"), cut at T1 and T2.

    One listener; nobody played x or y before T1, so these plays are cold:

                             before T1     validation    test
        served               a   b   a  |  x   b   a  |  y   b        P = 8
        warm                 0   1   2         4   5         7        N = 6, indices of the P

        histories            a   b   a         b   a         b        indices 0 to 5
        anchors                      v         v   t                  v and t: the next warm play is validation, test

        anchors of test      4                                        an index of the N
        served_anchors       6                                        one of the P: y comes just before the next warm b

    Attributes:
        order: int64 (P,), the index of each play of the stream in the columns it came from.
        served: histories of all P plays, cold ones included, as a worker would be sent them.
        warm: int64 (N,), rising: indices of the warm plays among the P.
        catalogue: the tracks with a play before T1.
        histories: of the N warm plays.
        rows: int64 (N,), catalogue rows.
        repeats: bool (N,), the listener had played the track before, however long ago.
        session_starts: bool (N,).
        t1_ms: where validation begins.
        t2_ms: where test begins.
    """

    order: NDArray[np.int64]
    served: Histories
    warm: NDArray[np.int64]
    catalogue: Catalogue
    histories: Histories
    rows: NDArray[np.int64]
    repeats: NDArray[np.bool_]
    session_starts: NDArray[np.bool_]
    t1_ms: int
    t2_ms: int

    def training_histories(self) -> tuple[Histories, NDArray[np.int64]]:
        """Return the plays before T1 and their session numbers: int64, rising."""
        train = self.histories.played_at_ms < self.t1_ms
        histories = gather_histories(
            self.histories.listeners()[train],
            self.histories.track_keys[train],
            self.histories.played_at_ms[train],
            self.histories.contexts[train],
        )
        sessions: NDArray[np.int64] = np.cumsum(self.session_starts)
        return histories, sessions[train]

    def anchors(self, part: Part) -> NDArray[np.int64]:
        """Find the warm plays whose next warm play is in a part: int64 (A,), rising indices into the N."""
        has_next = np.ones(len(self.rows), np.bool_)
        has_next[self.histories.bounds[1:] - 1] = False
        next_at_ms = np.append(self.histories.played_at_ms[1:], 0)
        if part == "test":
            return np.flatnonzero(has_next & (next_at_ms >= self.t2_ms))
        return np.flatnonzero(has_next & (next_at_ms >= self.t1_ms) & (next_at_ms < self.t2_ms))

    def served_anchors(self, part: Part) -> NDArray[np.int64]:
        """Find the play, cold or warm, just before each anchor's next warm play: int64 (A,), indices into the P."""
        return self.warm[self.anchors(part) + 1] - 1


@dataclass(frozen=True, slots=True)
class Lists:
    """A recommender's answers at the A anchors of a part, best first; PAD or UNKNOWN in a place is a miss.

    Attributes:
        short_term: int64 (A, 20), rows of the split's catalogue.
        long_term: int64 (A, 100), rows of the split's catalogue.
    """

    short_term: NDArray[np.int64]
    long_term: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LongTermTruths:
    """The truths of L long-term anchors, ragged.

    Attributes:
        anchors: int64 (L,), indices into the warm plays.
        far: bool (L,), the truth is 25..100 plays ahead, rather than within 30 days.
        bounds: int64 (L + 1,), into the truths.
        rows: int64 (truths,), the distinct tracks of each anchor's truth.
        repeats: bool (truths,), the listener had played the track by the anchor.
    """

    anchors: NDArray[np.int64]
    far: NDArray[np.bool_]
    bounds: NDArray[np.int64]
    rows: NDArray[np.int64]
    repeats: NDArray[np.bool_]


def split_plays(plays: Plays, *, t1_ms: int | None = None, t2_ms: int | None = None) -> Split:
    """Sort plays into a stream and cut it.

    Args:
        plays: the columns.
        t1_ms: where validation begins; absent: at the time of the play at 80 % of the plays.
        t2_ms: where test begins; absent: at the time of the play at 90 %.
    """
    times_ms = np.sort(plays.played_at_ms)
    t1_ms = int(times_ms[len(times_ms) * 8 // 10]) if t1_ms is None else t1_ms
    t2_ms = int(times_ms[len(times_ms) * 9 // 10]) if t2_ms is None else t2_ms
    order = np.lexsort((plays.played_at_ms, plays.listeners))  # (P,), stable: equal times keep their order
    tracks, served = plays.tracks[order], _served(plays, order)
    catalogue_tracks = np.unique(tracks[served.played_at_ms < t1_ms])  # (M,)
    warm = np.flatnonzero(np.isin(tracks, catalogue_tracks))  # (N,)
    listeners = _numbered(served.listeners()[warm])
    histories = gather_histories(listeners, served.track_keys[warm], served.played_at_ms[warm], served.contexts[warm])
    rows = np.searchsorted(catalogue_tracks, tracks[warm]) + FIRST_TRACK  # (N,)
    sessions = None if plays.sessions is None else plays.sessions[order][warm]
    return Split(
        order=order,
        served=served,
        warm=warm,
        catalogue=Catalogue([plays.track_ids[track] for track in catalogue_tracks]),
        histories=histories,
        rows=rows,
        repeats=_played_before(listeners, rows),
        session_starts=_session_starts(histories, sessions),
        t1_ms=t1_ms,
        t2_ms=t2_ms,
    )


def _served(plays: Plays, order: NDArray[np.int64]) -> Histories:
    """Lay all plays out as histories, in the order of the stream: int64 (P,)."""
    keys = track_keys(plays.track_ids)[plays.tracks[order]]
    contexts = None if plays.contexts is None else plays.contexts[order]
    return gather_histories(_numbered(plays.listeners[order]), keys, plays.played_at_ms[order], contexts)


def split_once(plays: Plays, *, t1_ms: int | None = None) -> Split:
    """Split plays in two: the newest are the validation part; there is no test part.

    Args:
        plays: the columns.
        t1_ms: where the validation part begins; absent: so that it holds an eighth of the plays.

    Raises:
        ValueError: there are no plays.
    """
    if not len(plays.played_at_ms):
        raise ValueError("there are no plays to split; wait for some")
    times_ms = np.sort(plays.played_at_ms)
    at_an_eighth = int(times_ms[min((len(times_ms) * 7 + 4) // 8, len(times_ms) - 1)])
    return split_plays(plays, t1_ms=at_an_eighth if t1_ms is None else t1_ms, t2_ms=int(times_ms[-1]) + 1)


def long_term_truths(split: Split, part: Part, *, stride: int) -> LongTermTruths:
    """Find the truth of every `stride`-th anchor of a part, leaving out anchors with too little ahead of them.

    A listener's plays after an anchor; in the validation part only those before T2:

        with 50 or more ahead, "far":     anchor  . . . . [ 25 ......... 100 ]  . . .     plays ahead
        with fewer, "near":               anchor [ ......... 30 days ]  . . .             plays up to 30 days later

    The truth is the set of distinct tracks in the brackets; with fewer than 5, the anchor is left out.
    """
    truths = []
    for anchor in split.anchors(part)[::stride].tolist():
        begin, end = _listener_plays(split, anchor, part)
        window, is_far = _truth_window(split, anchor, end)
        truth = np.unique(split.rows[window])
        if len(truth) >= _MIN_TRUTH:
            truths.append((anchor, is_far, truth, np.isin(truth, split.rows[begin : anchor + 1])))
    anchors, far, rows, repeats = zip(*truths, strict=True) if truths else ((),) * 4
    return LongTermTruths(
        anchors=np.array(anchors, np.int64),
        far=np.array(far, np.bool_),
        bounds=np.cumsum([0, *map(len, rows)]),
        rows=np.concatenate([np.empty(0, np.int64), *rows]),
        repeats=np.concatenate([np.empty(0, np.bool_), *repeats]),
    )


def _listener_plays(split: Split, anchor: int, part: Part) -> tuple[int, int]:
    """Return the first and the end index of the plays of an anchor's listener; validation ends before T2."""
    bounds, times_ms = split.histories.bounds, split.histories.played_at_ms
    listener = np.searchsorted(bounds, anchor, side="right") - 1
    begin, end = int(bounds[listener]), int(bounds[listener + 1])
    if part == "validation":
        end = anchor + 1 + int(np.searchsorted(times_ms[anchor + 1 : end], split.t2_ms))
    return begin, end


def _truth_window(split: Split, anchor: int, end: int) -> tuple[slice, bool]:
    """Select the plays ahead of an anchor that hold its truth; also return whether they are the far ones."""
    ahead = end - anchor - 1
    if ahead >= _MIN_PLAYS_FOR_FAR:
        return slice(anchor + _FAR_PLAYS[0], anchor + min(_FAR_PLAYS[1], ahead) + 1), True
    times_ms = split.histories.played_at_ms
    near = int(np.searchsorted(times_ms[anchor + 1 : end], times_ms[anchor] + _NEAR_MS, side="right"))
    return slice(anchor + 1, anchor + 1 + near), False


def _numbered(listeners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumber sorted listeners 0, 1, 2, ... without holes."""
    return np.cumsum(np.append(False, listeners[1:] != listeners[:-1]))[: len(listeners)]


def _played_before(listeners: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark all but a listener's first play of each track: bool (N,)."""
    _, firsts = np.unique(listeners * (rows.max(initial=0) + 1) + rows, return_index=True)
    repeats = np.ones(len(rows), np.bool_)
    repeats[firsts] = False
    return repeats


def _session_starts(histories: Histories, sessions: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """Mark where the source's session changes or the gap is long; a listener's first play always starts a session."""
    starts = np.ones(histories.num_plays, np.bool_)
    if sessions is None:
        starts[1:] = np.diff(histories.played_at_ms) > _SESSION_GAP_MS
    else:
        starts[1:] = sessions[1:] != sessions[:-1]
    starts[histories.bounds[:-1]] = True
    return starts
