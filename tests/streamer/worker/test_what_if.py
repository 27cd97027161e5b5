"""What if equals what a worker would answer, and changes nothing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import CONTEXTS, COUNT_DECAY
from models.plays.catalogue import FIRST_TRACK, PAD, track_key
from models.release import Release
from streamer.errors import ImaginedError
from streamer.wire.changelog import listener_key
from streamer.wire.messages import Recommendation
from streamer.wire.state import BIT_REPEATS, NO_RELEASE
from streamer.wire.views import ImaginedPlay
from streamer.worker.removal import without
from streamer.worker.what_if import Answered, Ranking, imagine, read_added
from tests.amount import examples
from tests.builders import NOON_MS, play, random_states, records_of, state_fields
from tests.laws.cases import CHALLENGER
from tests.listening import TRACKS
from tests.offline import CHAMPION, SIZES, Worker

DAY_MS = 86_400_000
few = settings(max_examples=examples(25), deadline=None)
tracks_played = st.lists(st.sampled_from(TRACKS), max_size=90)
imagined_plays = st.lists(
    st.builds(
        ImaginedPlay,
        track_id=st.sampled_from(TRACKS),
        played_at=st.integers(NOON_MS - DAY_MS, NOON_MS),
        context=st.sampled_from([None, *CONTEXTS]),
        skipped=st.sampled_from([None, True, False]),
    ),
    max_size=4,
)


def heard(tracks: Sequence[str], release: Release | None = CHAMPION) -> Worker:
    """A worker whose listener has played some tracks, one a minute."""
    records = [play(at, "u", track, NOON_MS - DAY_MS + 60_000 * at) for at, track in enumerate(tracks)]
    return Worker(release).serve_all({0: records, 1: []})


def record_of(worker: Worker) -> bytes | None:
    return worker.store[0].get(listener_key(b"u"))


def ranking_of(release: Release) -> Ranking:
    return Ranking(release, SIZES, (0, 0))


def assert_same_lists(answered: Answered | None, worker: Worker, release: Release = CHAMPION) -> None:
    """Compare with the last answers of a worker, whose scores are written with four decimals."""
    assert answered is not None
    for horizon, ranked in enumerate(answered.ranked):
        answer: Recommendation = worker.answers(horizon)[-1]
        rows = [row for row in ranked.rows[0].tolist() if row != PAD]
        assert [release.catalogue.track_ids[row - FIRST_TRACK] for row in rows] == [
            track.track_id for track in answer.tracks
        ]
        scores = [track.score for track in answer.tracks]
        np.testing.assert_allclose(ranked.scores[0][: len(rows)], scores, atol=1e-4)


@few
@given(tracks=tracks_played, added=imagined_plays)
def test_plays_that_are_added_get_the_answer_that_a_worker_gives_when_they_come(
    tracks: Sequence[str], added: Sequence[ImaginedPlay]
) -> None:
    worker = heard(tracks)
    record = record_of(worker)

    imagined = imagine(ranking_of(CHAMPION), record, read_added("u", added, NOON_MS), ())

    assert not imagined.is_rebuilt
    assert record_of(worker) == record
    if tracks:
        assert_same_lists(imagined.before, worker)
    else:
        assert imagined.before is None
    if added:
        come = [
            play(len(tracks) + at, "u", each.track_id, each.played_at or 0, context=each.context, skipped=each.skipped)
            for at, each in enumerate(added)
        ]
        worker.serve({0: come, 1: []})
        assert_same_lists(imagined.after, worker)
        assert imagined.after is not None
        assert imagined.after.num_covered == worker.states()[0, "u"].plays_folded[0]


@few
@given(tracks=st.lists(st.sampled_from(TRACKS), min_size=1, max_size=90), first=st.sampled_from([CHALLENGER, None]))
def test_a_state_of_another_release_is_rebuilt_first_as_a_worker_does(
    tracks: Sequence[str], first: Release | None
) -> None:
    worker = heard(tracks, first)
    added = [ImaginedPlay("t3", NOON_MS)]

    imagined = imagine(ranking_of(CHAMPION), record_of(worker), read_added("u", added, NOON_MS), ())

    assert imagined.is_rebuilt
    worker.release, worker.promoted_at_ms = CHAMPION, 2
    worker.serve({0: [play(len(tracks), "u", "t3", NOON_MS)], 1: []})
    assert_same_lists(imagined.after, worker)


@few
@given(tracks=st.lists(st.sampled_from(TRACKS), min_size=1, max_size=64), added=imagined_plays, data=st.data())
def test_without_a_play_the_lists_are_those_of_a_listener_who_never_played_it(
    tracks: Sequence[str], added: Sequence[ImaginedPlay], data: st.DataObject
) -> None:
    """Up to 64 plays, the ring remembers all, so that rebuilding forgets nothing."""
    removed = data.draw(st.sets(st.integers(1, len(tracks)), min_size=1, max_size=3))
    record = record_of(heard(tracks))
    kept = [(at, track) for at, track in enumerate(tracks) if at + 1 not in removed]
    never = Worker().serve_all({0: [play(at, "u", track, NOON_MS - DAY_MS + 60_000 * at) for at, track in kept], 1: []})

    imagined = imagine(ranking_of(CHAMPION), record, read_added("u", added, NOON_MS), removed)

    assert imagined.is_rebuilt
    assert_same_lists(imagined.before, heard(tracks))
    come = [
        play(len(tracks) + at, "u", each.track_id, each.played_at or 0, context=each.context, skipped=each.skipped)
        for at, each in enumerate(added)
    ]
    never.serve({0: come, 1: []})
    if kept or added:
        assert_same_lists(imagined.after, never)
        assert imagined.after is not None
        assert imagined.after.num_covered == len(kept) + len(added)
    else:
        assert imagined.after is None


@few
@given(tracks=st.lists(st.sampled_from(TRACKS), min_size=1, max_size=200), data=st.data())
def test_a_removed_play_leaves_the_ring_and_its_share_of_the_counts(tracks: Sequence[str], data: st.DataObject) -> None:
    remembered = min(len(tracks), 64)
    number = data.draw(st.integers(len(tracks) - remembered + 1, len(tracks)))
    states = ranking_of(CHAMPION).read(record_of(heard(tracks)))

    left = without(states, [number])

    removed, length = track_key(tracks[number - 1]), remembered - 1
    ring = [track_key(track) for at, track in enumerate(tracks) if at + 1 != number and at >= len(tracks) - remembered]
    assert left.ring_track_keys[0].tolist() == ring + [0] * (64 - length)
    assert left.plays_seen.tolist() == [length]
    assert left.release_key.tolist() == [NO_RELEASE]
    before, after = (
        dict(zip(each.counted_track_keys[0].tolist(), each.counts[0].tolist(), strict=True)) for each in (states, left)
    )
    assert after.get(removed, 0.0) == pytest.approx(before[removed] - COUNT_DECAY ** (len(tracks) - number), abs=2e-4)
    assert all(after[key] == count for key, count in before.items() if key not in {removed, 0})


def test_counts_and_places_of_a_ring_that_is_not_full_stay_in_order() -> None:
    states = random_states([5])

    left = state_fields(without(states, [2, 5]))

    for name in ("ring_played_at_ms", "ring_contexts", "ring_track_keys"):
        column = getattr(states, name)[0].tolist()
        assert left[name][0][:4] == [column[0], column[2], column[3], 0]


@pytest.mark.parametrize(("first", "repeats"), [(2, True), (9, False)])  # play 2 has left the ring, as play 6 has
def test_a_play_stays_a_repeat_if_one_before_the_ring_is_left(first: int, repeats: bool) -> None:  # noqa: FBT001
    tracks = [f"x{number}" for number in range(1, 71)]
    for number in (first, 10, 12, 20):
        tracks[number - 1] = "t0"
    removed = [number for number in (9, 10, 12) if tracks[number - 1] == "t0"]

    left = without(ranking_of(CHAMPION).read(record_of(heard(tracks))), removed)

    place = left.ring_track_keys[0].tolist().index(track_key("t0"))
    assert bool(left.ring_bits[0, place] & BIT_REPEATS) == repeats


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ([ImaginedPlay("t1"), ImaginedPlay("t" * 300)], "added play 2 would be a dead letter, invalid track id"),
        ([ImaginedPlay("t1", NOON_MS + 2 * DAY_MS)], "added play 1 would be a dead letter, impossible time"),
        ([ImaginedPlay("t1")] * 65, "65 plays are added; add 64 at most"),
    ],
)
def test_a_play_that_the_topic_would_refuse_is_refused(added: Sequence[ImaginedPlay], said: str) -> None:
    with pytest.raises(ImaginedError, match=said):
        read_added("u", added, NOON_MS)


@pytest.mark.parametrize("number", [0, 6, 71])
def test_a_play_that_is_not_remembered_cannot_be_removed(number: int) -> None:
    record = record_of(heard(["t1"] * 70))

    with pytest.raises(ImaginedError, match=f"play {number} is not remembered, only those from 7 to 70"):
        imagine(ranking_of(CHAMPION), record, None, [number])


def test_withdrawn_tracks_are_in_no_imagined_list() -> None:
    recommender = CHAMPION.recommender.without(np.array([1, 2, 3]))
    narrow = replace(CHAMPION, recommender=recommender)

    imagined = imagine(
        ranking_of(narrow), records_of(random_states([70]))[0], read_added("u", [ImaginedPlay("t1")], NOON_MS), [40]
    )

    assert imagined.after is not None
    assert imagined.after.num_covered == 64
    for ranked in imagined.after.ranked:
        assert not np.isin(ranked.rows, np.array([1, 2, 3]) + FIRST_TRACK).any()
