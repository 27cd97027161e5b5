"""A stream of plays split by time, into what is learned from and what is asked.

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

_SESSION_GAP_MS: Final = 1_800_000  # of the protocol, whatever a network's own is
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
        sessions: int64 (P,), where the source knows them; absent: cut at gaps of 30 minutes.
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

    Attributes:
        order: int64 (P,), the place of each play of the stream in the columns it came from.
        served: histories of all P plays, cold ones too, as a stream of them is.
        warm: int64 (N,), rising: the warm ones among the P.
        catalogue: the tracks with a play before T1.
        histories: of the N warm plays.
        rows: int64 (N,), of the catalogue.
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
        """Give the plays before T1, and the session number of each, rising."""
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
        """Give the warm plays whose next play lies in a part, rising: int64 (A,), indices into the N."""
        has_next = np.ones(len(self.rows), np.bool_)
        has_next[self.histories.bounds[1:] - 1] = False
        next_at_ms = np.append(self.histories.played_at_ms[1:], 0)
        if part == "test":
            return np.flatnonzero(has_next & (next_at_ms >= self.t2_ms))
        return np.flatnonzero(has_next & (next_at_ms >= self.t1_ms) & (next_at_ms < self.t2_ms))

    def served_anchors(self, part: Part) -> NDArray[np.int64]:
        """Find, among all P plays, the one (cold or not) just before each anchor's next warm play: int64 (A,)."""
        return self.warm[self.anchors(part) + 1] - 1


@dataclass(frozen=True, slots=True)
class Lists:
    """What a recommender answered at the A anchors of a part, best first; PAD or UNKNOWN in a place is a miss.

    Attributes:
        short_term: int64 (A, 20), rows of the split's catalogue.
        long_term: int64 (A, 100), rows of the split's catalogue.
    """

    short_term: NDArray[np.int64]
    long_term: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LongTermTruths:
    """What L long-term anchors are asked, ragged.

    Attributes:
        anchors: int64 (L,), indices into the warm plays.
        far: bool (L,), whether the truth lies 25..100 plays ahead, not just within 30 days.
        bounds: int64 (L + 1,), into the truths.
        rows: int64, distinct tracks of each anchor.
        repeats: bool, the listener had played the track up to the anchor.
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
        t1_ms: where validation begins; absent: at the time of the play at 80 %.
        t2_ms: where test begins; absent: at the time of the play at 90 %.
    """
    times_ms = np.sort(plays.played_at_ms)
    t1_ms = int(times_ms[len(times_ms) * 8 // 10]) if t1_ms is None else t1_ms
    t2_ms = int(times_ms[len(times_ms) * 9 // 10]) if t2_ms is None else t2_ms
    order = np.lexsort((plays.played_at_ms, plays.listeners))  # stable: equal times keep their order
    tracks, played_at_ms = plays.tracks[order], plays.played_at_ms[order]
    contexts = np.zeros(len(order), np.uint8) if plays.contexts is None else plays.contexts[order]
    keys = track_keys(plays.track_ids)[tracks]
    served = gather_histories(_numbered(plays.listeners[order]), keys, played_at_ms, contexts)

    catalogue_tracks = np.unique(tracks[played_at_ms < t1_ms])
    warm = np.flatnonzero(np.isin(tracks, catalogue_tracks))
    listeners = _numbered(served.listeners()[warm])
    histories = gather_histories(listeners, keys[warm], played_at_ms[warm], contexts[warm])
    rows = np.searchsorted(catalogue_tracks, tracks[warm]) + FIRST_TRACK
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


def split_once(plays: Plays, *, t1_ms: int | None = None) -> Split:
    """Split plays in two: the newest are the validation part, and nothing is tested.

    Args:
        plays: the columns.
        t1_ms: where the validation part begins; absent: so that it holds an eighth of the plays.

    Raises:
        ValueError: there are none.
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
    found = []
    for anchor in split.anchors(part)[::stride].tolist():
        begin, end = _listener_plays(split, anchor, part)
        window, is_far = _truth_window(split, anchor, end)
        truth = np.unique(split.rows[window])
        if len(truth) >= _MIN_TRUTH:
            found.append((anchor, is_far, truth, np.isin(truth, split.rows[begin : anchor + 1])))
    anchors, far, rows, repeats = zip(*found, strict=True) if found else ((),) * 4
    return LongTermTruths(
        anchors=np.array(anchors, np.int64),
        far=np.array(far, np.bool_),
        bounds=np.cumsum([0, *map(len, rows)]),
        rows=np.concatenate([np.empty(0, np.int64), *rows]),
        repeats=np.concatenate([np.empty(0, np.bool_), *repeats]),
    )


def _listener_plays(split: Split, anchor: int, part: Part) -> tuple[int, int]:
    """Bound the plays of an anchor's listener; those from T2 on are beyond the end of the validation part."""
    bounds, times_ms = split.histories.bounds, split.histories.played_at_ms
    listener = np.searchsorted(bounds, anchor, side="right") - 1
    begin, end = int(bounds[listener]), int(bounds[listener + 1])
    if part == "validation":
        end = anchor + 1 + int(np.searchsorted(times_ms[anchor + 1 : end], split.t2_ms))
    return begin, end


def _truth_window(split: Split, anchor: int, end: int) -> tuple[slice, bool]:
    """Give the plays ahead of an anchor that hold its truth, and whether they are the far ones."""
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
    """Tell a listener's first play of a track from all later ones."""
    _, firsts = np.unique(listeners * (rows.max(initial=0) + 1) + rows, return_index=True)
    repeats = np.ones(len(rows), np.bool_)
    repeats[firsts] = False
    return repeats


def _session_starts(histories: Histories, sessions: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """Mark where the source's session changes, or the gap is long; a listener's first play always starts one."""
    starts = np.ones(histories.num_plays, np.bool_)
    if sessions is None:
        starts[1:] = np.diff(histories.played_at_ms) > _SESSION_GAP_MS
    else:
        starts[1:] = sessions[1:] != sessions[:-1]
    starts[histories.bounds[:-1]] = True
    return starts
