"""A batch: the plays of many listeners laid out for one step, and what the step makes of their states. Pure numpy.

A row is a *life*: one listener's plays in partition order, starting from their state or, after a tombstone, from
nothing. So a listener who occurs twice in a batch, a state from an older release, and a listener who was forgotten and
comes back are one code path: a history, with `fold_from` saying where folding resumes.

Two listeners, a with two remembered plays (a1 a2) and b with one (b1). The partition brings: a plays x, b plays z, a is
forgotten (T), a plays y, b plays w.

    events, by listener      a:x   a:T   a:y   b:z   b:w
    life                      0     0     1     0     0        tombstones of the listener before it

    row   listener   base            is_last   history        fold_from
     0       a       a's state        no       a1 a2  x           2       the tombstone ends this life
     1       a       nothing          yes      y                  0
     2       b       b's state        yes      b1  z  w           1       0 if another release made the state: a rebuild

    histories          a1 a2 x | y | b1 z w                    P = 7 plays
    histories.bounds   0         3   4       7
    new                      2   3      5 6                    where the n = 4 new plays are among the P
    plays              x | y | z w                             the new plays alone
    bounds             0   1   2   4
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.config import RING_SIZE
from models.plays.counts import CountMaps, count_plays
from models.plays.histories import Histories, bounds_of
from streamer.wire.state import BIT_REPEATS, BIT_SKIPPED, NO_RELEASE, States
from streamer.worker.events import Events


@dataclass(frozen=True, slots=True)
class Batch:
    """R lives, ready for one step.

    Attributes:
        listener: int64 (R,), whose life it is.
        is_last: bool (R,), the life continues after the batch: its state is kept.
        base: the states the lives begin with; after a tombstone, that of a new listener.
        histories: P plays: in each row the remembered ones, then the new ones.
        new: int64 (n,), the indices of the new plays among the P.
        fold_from: int64 (R,), how many of the remembered plays `hidden` already contains: all, or none in a rebuild.
        hidden: float32 (R, H), zeros in a rebuild.
        plays: the n new plays, row by row, in order.
        bounds: int64 (R + 1,), the new plays of each row.
    """

    listener: NDArray[np.int64]
    is_last: NDArray[np.bool_]
    base: States
    histories: Histories
    new: NDArray[np.int64]
    fold_from: NDArray[np.int64]
    hidden: NDArray[np.float32]
    plays: Events
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        """Return R."""
        return len(self.listener)

    @property
    def count_from(self) -> NDArray[np.int64]:
        """int64 (R,): how many plays of each row have been counted already: all remembered ones."""
        return self.base.ring_lengths

    def count_plays(self) -> CountMaps:
        """Return how often each of the R lives has played which tracks, including the new plays."""
        histories = self.histories
        return count_plays(self.base.count_maps, histories.bounds, histories.track_keys, self.count_from)

    @property
    def row(self) -> NDArray[np.int64]:
        """int64 (n,): the row of each new play."""
        return np.repeat(np.arange(len(self)), np.diff(self.bounds))

    @property
    def last_plays(self) -> NDArray[np.int64]:
        """int64: the newest play of each life that continues, the one a `latest` worker answers; indices of `plays`."""
        return self.bounds[1:][self.is_last] - 1

    @property
    def plays_seen(self) -> NDArray[np.int64]:
        """int64 (n,): all plays of the listener so far, up to and including each new one."""
        row = self.row
        return self.base.plays_seen[row] + np.arange(len(row)) - self.bounds[row] + 1

    @property
    def num_negative_gaps(self) -> int:
        """Count the plays whose time is earlier than that of the play before them."""
        previous = np.maximum(self.new - 1, 0)
        has_previous = self.new > self.histories.bounds[self.row]
        return int(np.sum(has_previous & (self.plays.played_at_ms < self.histories.played_at_ms[previous])))

    @property
    def num_rebuilt(self) -> int:
        """Count the states that are rebuilt from the plays they remember, because another release made them."""
        return int(np.sum((self.fold_from == 0) & (self.base.ring_lengths > 0)))


def plan(events: Events, states: States, release_key: int | None) -> Batch:
    """Lay out a batch.

    Args:
        events: of L listeners.
        states: of L + 1: the last is that of a new listener.
        release_key: the running release; states made by another one are rebuilt from the plays they remember. None:
            there is no release yet, plays are only remembered.
    """
    events = events.take(np.argsort(events.listener, kind="stable"))
    life = _lives(events)
    plays, life = events.take(~events.forgets), life[~events.forgets]  # (n,)
    starts = np.flatnonzero(_changes(plays.listener) | _changes(life))  # (R,)
    bounds = np.append(starts, len(life))  # (R + 1,)
    listener = plays.listener[starts]  # (R,)
    num_forgets = np.bincount(events.listener[events.forgets], minlength=len(states))  # (L + 1,)
    base = states.take(np.where(life[starts] > 0, len(states) - 1, listener) if num_forgets.any() else slice(-1))
    is_rebuilt = np.full(len(starts), fill_value=False) if release_key is None else base.release_key != release_key

    remembered = base.ring_lengths  # (R,)
    new = np.arange(len(plays.offsets)) + np.repeat(np.cumsum(remembered), np.diff(bounds))  # (n,)
    histories = _histories(base, plays, bounds, new)
    return Batch(
        listener=listener,
        is_last=life[starts] == num_forgets[listener],
        base=base,
        histories=histories,
        new=new,
        fold_from=np.where(is_rebuilt, 0, remembered),
        hidden=np.where(is_rebuilt[:, None], np.float32(0), base.hidden),
        plays=plays,
        bounds=bounds,
    )


def merge(
    batch: Batch, hidden: NDArray[np.float32], counts: CountMaps, *, release_key: int, promoted_at_ms: int
) -> States:
    """Return the states of the R lives after the batch.

    Args:
        batch: as planned.
        hidden: float32 (R, H), as the step left it; (R, 0) if there is no release.
        counts: of the R lives, including the new plays.
        release_key: what made `hidden`.
        promoted_at_ms: when it became champion.
    """
    num_new = np.diff(batch.bounds)  # (R,)
    last = batch.bounds[1:] - 1  # (R,)
    bits = _bits(batch)  # (P,)
    repeats = np.concatenate([[0], np.cumsum(batch.histories.repeats[batch.new])])[batch.bounds]  # (R + 1,)
    is_continued = batch.fold_from == batch.base.ring_lengths
    folded_before = np.where(is_continued, batch.base.plays_folded, batch.base.ring_lengths)
    return States(
        release_key=np.full(len(batch), release_key, np.uint64),
        promoted_at_ms=np.full(len(batch), promoted_at_ms, np.int64),
        plays_folded=(folded_before + num_new) * (release_key != NO_RELEASE),
        plays_seen=batch.base.plays_seen + num_new,
        repeats_seen=batch.base.repeats_seen + np.diff(repeats),
        source_offset=batch.plays.offsets[last],
        played_at_ms=batch.plays.played_at_ms[last],
        counted_track_keys=counts.track_keys,
        counts=counts.counts,
        hidden=hidden,
        said=batch.base.said,
        **_rings(batch.histories, bits),
    )


def _bits(batch: Batch) -> NDArray[np.uint8]:
    """Return the bits that the rings keep of each play: uint8 (P,)."""
    bits = np.where(batch.histories.repeats, np.uint8(BIT_REPEATS), np.uint8(0))
    remembered = batch.base.ring_lengths
    is_taken = np.arange(RING_SIZE) < remembered[:, None]  # (R, RING_SIZE)
    is_old = np.ones(len(bits), np.bool_)
    is_old[batch.new] = False
    bits[is_old] |= batch.base.ring_bits[is_taken] & np.uint8(BIT_SKIPPED)
    bits[batch.new] |= np.where(batch.plays.skipped, np.uint8(BIT_SKIPPED), np.uint8(0))
    return bits


def _lives(events: Events) -> NDArray[np.int64]:
    """Number each event's life by the tombstones of its listener before it: int64 (events,)."""
    before: NDArray[np.int64] = np.cumsum(events.forgets) - events.forgets
    first = np.flatnonzero(_changes(events.listener))
    return before - np.repeat(before[first], np.diff(np.append(first, len(before))))


def _changes(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark where a value differs from the one before; the first always does: bool, as long as the values."""
    changes = np.ones(len(values), np.bool_)
    changes[1:] = values[1:] != values[:-1]
    return changes


def _histories(base: States, plays: Events, bounds: NDArray[np.int64], new: NDArray[np.int64]) -> Histories:
    """Put the remembered plays of each row before its new ones, which go to the indices `new`."""
    remembered = base.ring_lengths
    all_bounds = bounds_of(remembered + np.diff(bounds))  # (R + 1,)
    is_taken = np.arange(RING_SIZE) < remembered[:, None]  # (R, RING_SIZE)
    old = (all_bounds[:-1, None] + np.arange(RING_SIZE))[is_taken]  # (P - n,)

    def lay_out(ring: NDArray[Any], fresh: NDArray[Any]) -> NDArray[Any]:
        joined = np.empty(all_bounds[-1], fresh.dtype)
        joined[old], joined[new] = ring[is_taken], fresh
        return joined

    track_keys = lay_out(base.ring_track_keys, plays.track_keys)
    first = np.repeat(all_bounds[:-1], np.diff(bounds))
    return Histories(
        bounds=all_bounds,
        track_keys=track_keys,
        played_at_ms=lay_out(base.ring_played_at_ms, plays.played_at_ms),
        contexts=lay_out(base.ring_contexts, plays.contexts),
        repeats=lay_out((base.ring_bits & BIT_REPEATS) > 0, _repeats(track_keys, new, first)),
    )


def _repeats(track_keys: NDArray[np.uint64], places: NDArray[np.int64], first: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the track of each of the n plays at `places` is among the RING_SIZE plays before it, from `first` on.

    The same as models.plays.histories.mark_repeats, without sorting: there are few new plays behind many remembered.
    """
    before: NDArray[np.int64] = places[:, None] - np.arange(1, RING_SIZE + 1)  # (n, RING_SIZE)
    is_same = track_keys[np.maximum(before, 0)] == track_keys[places][:, None]
    repeats: NDArray[np.bool_] = (is_same & (before >= first[:, None])).any(1)
    return repeats


def _rings(histories: Histories, bits: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Return the ring arrays of States: the last RING_SIZE plays of each row, oldest first."""
    ends = histories.bounds[1:]
    lengths = np.minimum(np.diff(histories.bounds), RING_SIZE)
    is_taken = np.arange(RING_SIZE) < lengths[:, None]  # (R, RING_SIZE)
    places = np.where(is_taken, (ends - lengths)[:, None] + np.arange(RING_SIZE), 0)
    columns: dict[str, NDArray[Any]] = {
        "ring_track_keys": histories.track_keys,
        "ring_played_at_ms": histories.played_at_ms,
        "ring_contexts": histories.contexts,
        "ring_bits": bits,
    }
    return {name: np.where(is_taken, column[places], column.dtype.type(0)) for name, column in columns.items()}
