"""What if: the lists of a listener on a copy of their state, as it is, with plays added, and with plays removed.

Added plays take the way of any play: decode, plan, step. A state is never written, nor is there a way from here to do
it. A removed play cannot be taken out of hidden units; so the state is rebuilt from the plays it remembers without that
one, as it would be under a new release, and then covers those plays only. `before` is rebuilt from all of them then, so
that both differ by the plays alone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from models.config import RING_SIZE
from models.plays.histories import Histories, bounds_of
from models.release import Release
from models.serving.step import Ranked, step
from models.serving.step_input import StepInput
from streamer.errors import ImaginedError
from streamer.wire.messages import Play
from streamer.wire.plays import LOG_APPEND_TIME, PlayColumns
from streamer.wire.plays import decode as decode_plays
from streamer.wire.state import BIT_REPEATS, States, decode
from streamer.wire.views import ImaginedPlay
from streamer.worker.batch import plan
from streamer.worker.events import join
from streamer.worker.removal import forget_release, without

MAX_ADDED: Final = RING_SIZE


@dataclass(frozen=True, slots=True)
class Answered:
    """Lists, and what they were computed from.

    Attributes:
        step_input: of one listener and one anchor.
        ranked: one per horizon, of one anchor.
        num_covered: plays that the state contains.
    """

    step_input: StepInput
    ranked: tuple[Ranked, ...]
    num_covered: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ranks as the engine of a worker does.

    Attributes:
        release: without withdrawn tracks.
        sizes: length of the lists.
        heard_masked: how many of the latest plays are left out of the lists, by horizon.
    """

    release: Release
    sizes: tuple[int, int]
    heard_masked: tuple[int, int]

    def read(self, record: bytes | None) -> States:
        """Decode the state of one listener; None is that of a new one.

        Raises:
            ValueError: it is no record of a state.
        """
        return decode([record], self.release.network.config.hidden_size)

    def answer(self, states: States) -> Answered | None:
        """Rank after the latest play of a state; None if it has none. A state of another release is rebuilt first."""
        num = int(states.ring_lengths[0])
        if not num:
            return None
        is_rebuilt = bool(states.release_key[0] != self.release.key)
        folded = np.zeros(1, np.int64) if is_rebuilt else states.ring_lengths
        hidden = np.zeros_like(states.hidden) if is_rebuilt else states.hidden
        counts, counted = states.count_maps, states.ring_lengths
        step_input = StepInput(hidden, remembered_plays(states), folded, counts, counted, np.array([num - 1]))
        return self._step(step_input, num if is_rebuilt else int(states.plays_folded[0]))

    def answer_after(self, states: States, plays: PlayColumns) -> Answered:
        """Rank after plays that come one after the other, as a worker would: after the last one."""
        events, _ = join([plays], [states.source_offset[0] + 1 + np.arange(len(plays))])
        stranger = self.read(None)
        batch = plan(events, _both(states, stranger), self.release.key)
        counts = batch.base.count_maps
        last = batch.new[batch.last_plays]
        step_input = StepInput(batch.hidden, batch.histories, batch.fold_from, counts, batch.count_from, last)
        folded = states.ring_lengths if batch.num_rebuilt else states.plays_folded
        return self._step(step_input, int(folded[0]) + len(plays))

    def _step(self, step_input: StepInput, num_covered: int) -> Answered:
        recommender = self.release.recommender
        output = step(recommender, step_input, sizes=self.sizes, heard_masked=self.heard_masked)
        return Answered(step_input, output.ranked, num_covered)


@dataclass(frozen=True, slots=True)
class Imagined:
    """Lists before and after imagined plays; None where there would be none."""

    is_rebuilt: bool
    before: Answered | None
    after: Answered | None


def imagine(ranking: Ranking, record: bytes | None, added: PlayColumns | None, removed: Collection[int]) -> Imagined:
    """Answer what if.

    Args:
        ranking: of the release that answers.
        record: the state of the listener; None if they have none.
        added: plays of the listener, oldest first; None: none.
        removed: the numbers of remembered plays, as in `RememberedPlay`.

    Raises:
        ImaginedError: a play that is removed is not remembered.
        ValueError: it is no record of a state.
    """
    states = ranking.read(record)
    is_rebuilt = bool(removed) or bool(states.ring_lengths[0] and states.release_key[0] != ranking.release.key)
    if removed:
        states, remaining = forget_release(states), without(states, removed)
    else:
        remaining = states
    before = ranking.answer(states)
    after = ranking.answer(remaining) if added is None else ranking.answer_after(remaining, added)
    return Imagined(is_rebuilt, before, after)


def read_added(user: str, plays: Sequence[ImaginedPlay], now_ms: int) -> PlayColumns | None:
    """Read plays as if they came on the topic now; None if there are none.

    Raises:
        ImaginedError: one would be refused, or they are too many.
    """
    if len(plays) > MAX_ADDED:
        raise ImaginedError(f"{len(plays)} plays are added; add {MAX_ADDED} at most")
    values = [
        msgspec.json.encode(
            Play(user, each.track_id, now_ms if each.played_at is None else each.played_at, each.context, None, None,
                 each.skipped)
        )
        for each in plays
    ]  # fmt: skip
    num = len(values)
    decoded = decode_plays([user.encode()] * num, values, [now_ms] * num, [LOG_APPEND_TIME] * num)
    for reject in decoded.rejects:
        raise ImaginedError(
            f"added play {reject.index + 1} would be a dead letter, {reject.cause.words}: {reject.reason}"
        )
    return decoded.plays if num else None


def remembered_plays(states: States) -> Histories:
    """Lay out the remembered plays of one listener."""
    length = int(states.ring_lengths[0])
    return Histories(
        bounds=bounds_of(states.ring_lengths),
        track_keys=states.ring_track_keys[0, :length],
        played_at_ms=states.ring_played_at_ms[0, :length],
        contexts=states.ring_contexts[0, :length],
        repeats=(states.ring_bits[0, :length] & BIT_REPEATS) > 0,
    )


def _both(states: States, stranger: States) -> States:
    return States(*(np.concatenate([getattr(states, name), getattr(stranger, name)]) for name in States.__slots__))
