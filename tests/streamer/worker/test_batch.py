import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import COUNT_DECAY, RING_SIZE
from models.plays.catalogue import track_key
from models.plays.histories import mark_repeats
from streamer.wire.plays import PlayColumns
from streamer.wire.plays import decode as decode_plays
from streamer.wire.state import BIT_REPEATS, BIT_SKIPPED, NO_RELEASE, States, decode
from streamer.worker.batch import Batch, merge, plan
from streamer.worker.events import Events, join
from tests.builders import NOON_MS, play_value, random_states
from tests.counting import counts_by_key

RELEASE = 9

#: An event as user, track and minutes since noon; without a track, a tombstone.
Event = tuple[str, str] | tuple[str, str, int]


def columns(*events: Event, skipped: bool = False) -> tuple[PlayColumns, np.ndarray]:
    """Events of one partition at offsets 0, 10, 20, ..."""
    keys = [user.encode() for user, *_ in events]
    values = [
        play_value(user, track, NOON_MS + 60_000 * sum(minutes), skipped=skipped) if track else None
        for user, track, *minutes in events
    ]
    plays = decode_plays(keys, values, [2 * NOON_MS] * len(events), [0] * len(events)).plays
    return plays, 10 * np.arange(len(events))


def events_of(*events: Event, skipped: bool = False) -> Events:
    plays, offsets = columns(*events, skipped=skipped)
    return join([plays], [offsets])[0]


def new_states(num: int) -> States:
    """The states of that many new listeners, and the extra one that `plan` expects last."""
    return decode([None] * (num + 1), 6)


def and_a_new_listener(states: States) -> States:
    return States(*(np.concatenate([getattr(s, n) for s in (states, new_states(0))]) for n in States.__slots__))


def after(batch: Batch, release_key: int = RELEASE) -> States:
    return merge(batch, batch.hidden, batch.count_plays(), release_key=release_key, promoted_at_ms=5)


def tracks(batch: Batch) -> list[int]:
    track_keys: list[int] = batch.plays.track_keys.tolist()
    return track_keys


def keys(*names: str) -> list[int]:
    return [track_key(name) for name in names]


def test_partitions_are_joined_and_their_listeners_kept_apart() -> None:
    left, offsets = columns(("u", "a"), ("v", "b"), ("u", "c"))
    empty, no_offsets = columns()
    right, _ = columns(("v", "d"), ("u", "e"))

    events, listeners = join([left, empty, right], [offsets, no_offsets, np.array([3, 4])])

    assert listeners.users == [b"u", b"v", b"v", b"u"]
    assert listeners.bounds.tolist() == [0, 2, 2, 4]
    assert events.listener.tolist() == [0, 1, 0, 2, 3]
    assert events.offsets.tolist() == [0, 10, 20, 3, 4]
    assert events.track_keys.tolist() == keys("a", "b", "c", "d", "e")


def test_a_batch_is_laid_out_as_drawn() -> None:
    states = after(plan(events_of(("a", "a1"), ("a", "a2"), ("b", "b1")), new_states(2), RELEASE))
    plays = events_of(("a", "x"), ("b", "z"), ("a", ""), ("a", "y"), ("b", "w"))

    batch = plan(plays, and_a_new_listener(states), RELEASE)

    assert batch.listener.tolist() == [0, 0, 1]
    assert batch.is_last.tolist() == [False, True, True]
    assert batch.fold_from.tolist() == [2, 0, 1]
    assert batch.histories.track_keys.tolist() == keys("a1", "a2", "x", "y", "b1", "z", "w")
    assert batch.histories.bounds.tolist() == [0, 3, 4, 7]
    assert batch.new.tolist() == [2, 3, 5, 6]
    assert tracks(batch) == keys("x", "y", "z", "w")
    assert batch.bounds.tolist() == [0, 1, 2, 4]


def test_the_plays_of_a_listener_are_together_and_in_order() -> None:
    batch = plan(events_of(("u", "a"), ("v", "b"), ("u", "c"), ("v", "d"), ("u", "e")), new_states(2), RELEASE)

    assert batch.listener.tolist() == [0, 1]
    assert tracks(batch) == keys("a", "c", "e", "b", "d")
    assert batch.bounds.tolist() == [0, 3, 5]
    assert batch.row.tolist() == [0, 0, 0, 1, 1]
    assert batch.plays_seen.tolist() == [1, 2, 3, 1, 2]
    assert batch.last_plays.tolist() == [2, 4]


@pytest.mark.parametrize("plays_seen", [0, 1, 63, 64, 65, 500])
def test_remembered_plays_precede_new_ones(plays_seen: int) -> None:
    states = random_states([plays_seen, 0])
    remembered = min(plays_seen, RING_SIZE)

    batch = plan(events_of(("u", "a"), ("u", "b")), states, RELEASE)

    assert batch.histories.bounds.tolist() == [0, remembered + 2]
    assert batch.histories.track_keys.tolist() == [*states.ring_track_keys[0, :remembered], *keys("a", "b")]
    assert batch.new.tolist() == [remembered, remembered + 1]
    assert batch.fold_from.tolist() == [remembered]
    assert batch.plays_seen.tolist() == [plays_seen + 1, plays_seen + 2]


@pytest.mark.parametrize("plays_seen", [0, 1, 62, 63, 64, 500])
def test_the_ring_keeps_the_last_plays_and_leaves_the_places_after_them_free(plays_seen: int) -> None:
    states = random_states([plays_seen, 0])
    remembered = min(plays_seen, RING_SIZE)

    merged = after(plan(events_of(("u", "a"), ("u", "b", 3)), states, RELEASE))

    expected = [*states.ring_track_keys[0, :remembered].tolist(), *keys("a", "b")][-RING_SIZE:]
    assert merged.ring_track_keys[0].tolist() == expected + [0] * (RING_SIZE - len(expected))
    assert merged.ring_played_at_ms[0, merged.ring_lengths[0] - 1] == merged.played_at_ms[0] == NOON_MS + 180_000
    assert merged.plays_seen.tolist() == [plays_seen + 2]
    assert merged.plays_folded.tolist() == [plays_seen + 2]
    assert merged.source_offset.tolist() == [10]


def test_a_state_of_another_release_is_rebuilt_from_the_plays_it_remembers() -> None:
    states = random_states([500, 20, 0], release_key=8)

    batch = plan(events_of(("u", "a"), ("v", "b"), ("v", "c")), states, RELEASE)
    merged = after(batch)

    assert batch.fold_from.tolist() == [0, 0]
    assert not batch.hidden.any()
    assert batch.num_rebuilt == 2
    assert merged.plays_folded.tolist() == [RING_SIZE + 1, 20 + 2]
    assert merged.plays_seen.tolist() == [501, 22]
    assert merged.release_key.tolist() == [RELEASE] * 2


def test_a_state_of_the_running_release_continues() -> None:
    states = random_states([500, 0])

    batch = plan(events_of(("u", "a")), states, RELEASE)

    assert batch.hidden.tolist() == states.hidden[:1].tolist()
    assert batch.num_rebuilt == 0


def test_before_the_first_release_nothing_is_folded_and_after_it_all_remembered_plays_are() -> None:
    remembered = after(plan(events_of(("u", "a"), ("u", "b")), new_states(1), None), NO_RELEASE)

    states = and_a_new_listener(remembered)
    batch = plan(events_of(("u", "c")), states, RELEASE)

    assert remembered.plays_folded.tolist() == [0]
    assert remembered.release_key.tolist() == [NO_RELEASE]
    assert remembered.plays_seen.tolist() == [2]
    assert batch.fold_from.tolist() == [0]
    assert after(batch).plays_folded.tolist() == [3]


def test_a_tombstone_ends_a_life_and_the_next_play_starts_another_from_nothing() -> None:
    events = events_of(("u", "a"), ("v", "b"), ("u", ""), ("u", "c"), ("u", "d"))

    batch = plan(events, random_states([7, 5, 0]), RELEASE)

    assert batch.listener.tolist() == [0, 0, 1]
    assert batch.is_last.tolist() == [False, True, True]
    assert batch.base.plays_seen.tolist() == [7, 0, 5]
    assert batch.plays_seen.tolist() == [8, 1, 2, 6]
    assert [tracks(batch)[place] for place in batch.last_plays] == keys("d", "b")


def test_a_listener_whose_last_event_is_a_tombstone_has_no_life_that_continues() -> None:
    batch = plan(events_of(("u", "a"), ("u", "")), random_states([7, 0]), RELEASE)

    assert batch.is_last.tolist() == [False]
    assert batch.last_plays.tolist() == []


def test_two_tombstones_are_equivalent_to_one() -> None:
    batch = plan(events_of(("u", "a"), ("u", ""), ("u", ""), ("u", "b")), random_states([7, 0]), RELEASE)

    assert batch.is_last.tolist() == [False, True]
    assert batch.base.plays_seen.tolist() == [7, 0]


@pytest.mark.parametrize("events", [(), (("u", ""),), (("u", ""), ("v", ""))])
def test_a_batch_without_plays_changes_no_state(events: tuple[Event, ...]) -> None:
    batch = plan(events_of(*events), new_states(len(events)), RELEASE)

    assert len(batch) == len(after(batch)) == batch.num_negative_gaps == batch.num_rebuilt == 0


def test_a_track_that_is_in_the_ring_is_a_repeat_and_counted() -> None:
    batch = plan(events_of(("u", "a"), ("u", "b"), ("u", "a"), ("v", "a")), new_states(2), RELEASE)
    merged = after(batch)

    assert batch.histories.repeats.tolist() == [False, False, True, False]
    assert merged.repeats_seen.tolist() == [1, 0]
    assert merged.ring_bits[:, :4].tolist() == [[0, 0, BIT_REPEATS, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(("num_between", "is_repeat"), [(RING_SIZE - 1, True), (RING_SIZE, False)])
def test_a_repeat_is_forgotten_with_the_ring(num_between: int, *, is_repeat: bool) -> None:
    others: list[Event] = [("u", f"other{number}") for number in range(num_between)]

    at_once = plan(events_of(("u", "a"), *others, ("u", "a")), new_states(1), RELEASE)
    before = after(plan(events_of(("u", "a"), *others), new_states(1), RELEASE))
    states = and_a_new_listener(before)
    later = plan(events_of(("u", "a")), states, RELEASE)

    assert at_once.histories.repeats[-1] == later.histories.repeats[-1] == is_repeat


@given(names=st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=200))
def test_new_plays_are_marked_as_the_trainer_marks_them(names: list[str]) -> None:
    batch = plan(events_of(*[("u", name) for name in names]), new_states(1), RELEASE)

    expected = mark_repeats(np.array([0, len(names)]), np.array(keys(*names), np.uint64))
    assert batch.histories.repeats.tolist() == expected.tolist()


def test_new_plays_are_counted_beside_those_counted_before() -> None:
    states = random_states([5, 0])
    before = counts_by_key(states.counted_track_keys[0], states.counts[0])

    merged = after(plan(events_of(("u", "a"), ("u", "b"), ("u", "a"), skipped=True), states, RELEASE))

    counts = counts_by_key(merged.counted_track_keys[0], merged.counts[0])
    decayed = {key: count * COUNT_DECAY**3 for key, count in before.items()}
    a, b = keys("a", "b")
    assert counts == pytest.approx(decayed | {a: 1 + COUNT_DECAY**2, b: COUNT_DECAY})


@pytest.mark.parametrize("release_key", [8, None])
def test_counts_continue_under_another_release_or_none(release_key: int | None) -> None:
    states, events = random_states([500, 0]), events_of(("u", "a"), ("u", "b"))

    counts, same = (plan(events, states, key).count_plays() for key in (release_key, RELEASE))

    assert counts.track_keys.tolist() == same.track_keys.tolist()
    assert counts.counts.tolist() == same.counts.tolist()


def test_a_tombstone_forgets_the_counts() -> None:
    batch = plan(events_of(("u", "a"), ("u", ""), ("u", "b"), ("u", "b")), random_states([70, 0]), RELEASE)

    merged = after(batch)

    (b,) = keys("b")
    assert counts_by_key(merged.counted_track_keys[1], merged.counts[1]) == pytest.approx({b: 1 + COUNT_DECAY})


def test_the_bits_of_remembered_plays_stay_with_them() -> None:
    states = random_states([40, 0])

    merged = after(plan(events_of(("u", "a"), skipped=True), states, RELEASE))

    assert merged.ring_bits[0, :40].tolist() == states.ring_bits[0, :40].tolist()
    assert merged.ring_bits[0, 40] == BIT_SKIPPED


@pytest.mark.parametrize(("minutes", "num_negative"), [([0, 1, 2], 0), ([0, 0], 0), ([5, 4, 3], 2), ([5, 1, 3], 1)])
def test_plays_that_claim_to_precede_the_one_before_are_counted(minutes: list[int], num_negative: int) -> None:
    events: list[Event] = [("u", "a", minute) for minute in minutes]

    alone = plan(events_of(*events), new_states(1), RELEASE)
    after_others = plan(events_of(("t", "a", 99), *events), new_states(2), RELEASE)

    assert alone.num_negative_gaps == after_others.num_negative_gaps == num_negative


def test_the_first_new_play_is_compared_with_the_last_remembered_one() -> None:
    states = random_states([3, 0])
    latest_ms = int(states.ring_played_at_ms[0, 2])
    minutes = (latest_ms - NOON_MS) // 60_000

    early = plan(events_of(("u", "a", minutes - 1)), states, RELEASE)
    late = plan(events_of(("u", "a", minutes + 1)), states, RELEASE)

    assert (early.num_negative_gaps, late.num_negative_gaps) == (1, 0)


def test_merging_leaves_the_base_states_unchanged() -> None:
    states = random_states([80, 3, 0])
    before = random_states([80, 3, 0])

    batch = plan(events_of(("u", "a"), ("v", "b")), states, RELEASE)
    batch.hidden[:] = 7
    after(batch)

    for name in States.__slots__:
        assert np.array_equal(getattr(states, name), getattr(before, name))
