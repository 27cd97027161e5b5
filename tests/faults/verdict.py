"""The verdict on a run: what workers remembered and answered against what the oracle expects.

Exact: offsets, counters, rings, marks, order and number of answers, dead letters, changelog and stores. Within a
tolerance: the hidden units (1e-5: float32 sums are taken in another order when batches differ in shape) and the lists,
equal except for ties closer than 1e-4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import numpy as np
from aiokafka import ConsumerRecord

from models.config import HORIZONS
from models.release import Release
from streamer.kafka.letters import read_letter, read_request
from streamer.wire.changelog import COUNT_KEY, MARK_KEY, Mark, decode_count, listener_key
from streamer.wire.letters import MAX_DEAD_KEY_BYTES, MAX_DEAD_VALUE_BYTES
from streamer.wire.messages import Recommendation
from streamer.wire.state import BIT_REPEATS, BIT_SKIPPED, decode
from tests.counting import counts_by_key
from tests.faults.account import Answers, Place, draw_up, explain
from tests.faults.harness import LIST_SIZES, Deployment, Leftovers
from tests.faults.load import Event
from tests.faults.oracle import Expected, ExpectedAnswer, ExpectedState, RememberedPlay, expect
from tests.faults.strange import Strange

HIDDEN_TOLERANCE: Final = 1e-5

#: Half a step of the four decimals in an answer, plus the width of a tie: 1e-4 of a cosine at a temperature of 20.
SCORE_TOLERANCE: Final = 0.5e-4 + 2e-3

_OFFSET_KEY: Final = b"__faust\0offset__"
_OTHERS_KEYS: Final = b"__"  # Faust's and the store's own

_read_answer = msgspec.json.Decoder(Recommendation).decode

Record: TypeAlias = ConsumerRecord[bytes, bytes]


async def judge(
    deployment: Deployment, releases: Collection[Release], *, silent: Collection[Place] = frozenset()
) -> set[str]:
    """Fail if anything differs from what an uninterrupted run would have left; the account is drawn up first.

    Args:
        deployment: with all its records done and its workers stopped cleanly.
        releases: in the order of their announcements, including repeats after a rollback. Each answer names its
            release; for each listener these must follow the order.
        silent: the plays that must not be answered: those done before the first release.

    Returns:
        The ids of the releases that answered.
    """
    leftovers = await deployment.leftovers()
    answers = [_answers_by_user(records) for records in leftovers.answers]
    wanted = deployment.plays() - set(silent)
    deployment.account = account = draw_up(answers, wanted, deployment.faults, leftovers.changelog)
    assert account.is_clean, f"{account}; seen from the plays: {explain(answers, wanted)}"
    releases_of = _releases_of_plays(answers, list(releases))
    _judge_dead_letters(deployment, leftovers)
    _judge_stores(leftovers)
    states = _judge_changelog(deployment, leftovers.changelog)
    events = _events_by_user(deployment)
    assert all(by_user.keys() <= events.keys() for by_user in answers), "there are answers to unknown listeners"
    assert states.keys() <= {listener_key(user) for user in events}
    for user, played in events.items():  # one at a time: all scores over whole catalogues would fill the memory
        await asyncio.sleep(0)  # else the deployment's clients time out, since this may take a minute
        expected = expect(played, _releases_of_listener(played, releases_of))
        for horizon, by_user in enumerate(answers):
            _judge_answers(horizon, user, by_user.get(user, []), expected)
        _judge_state(
            user, states.get(listener_key(user)), expected.state
        )  # None too: compaction removes tombstones in time
    return {release.release_id for release in releases_of.values()}


def _places(deployment: Deployment) -> list[tuple[Place, Event]]:
    return [
        ((partition, offset), event)
        for partition, events in deployment.sent.items()
        for offset, event in sorted(events.items())
    ]


def _answers_by_user(records: Sequence[Record]) -> Answers:
    """Group a topic's records by listener, in topic order; check their keys and partitions."""
    by_user: dict[bytes, list[Recommendation | None]] = {}
    for record in records:
        answer = None if record.value is None else _read_answer(record.value)
        by_user.setdefault(record.key, []).append(answer)
        if answer is not None:
            assert (answer.user_id.encode(), answer.source_partition) == (record.key, record.partition), answer
    return by_user


def _releases_of_plays(answers: Sequence[Answers], releases: Sequence[Release]) -> dict[Place, Release]:
    """Return which release answered each play; both horizons must agree, and no listener may go back."""
    by_horizon: list[dict[Place, Release]] = []
    for by_user in answers:
        of_horizon: dict[Place, Release] = {}
        for user, listed in by_user.items():
            age = 0
            for answer in filter(None, listed):
                newer = [later for later in range(age, len(releases)) if releases[later].release_id == answer.release]
                assert newer, f"{user!r} was answered by an older release after a newer one: {answer}"
                age = newer[0]
                of_horizon[answer.source_partition, answer.source_offset] = releases[age]
        by_horizon.append(of_horizon)
    short_term, long_term = by_horizon
    assert short_term == long_term, "the horizons were answered for different plays, or by different releases"
    return short_term


def _events_by_user(deployment: Deployment) -> dict[bytes, list[tuple[int, Event]]]:
    by_user: dict[bytes, list[tuple[int, Event]]] = {}
    for (_, offset), event in _places(deployment):
        if not event.is_bad:
            assert event.key is not None
            by_user.setdefault(event.key, []).append((offset, event))
    return by_user


def _releases_of_listener(
    events: Sequence[tuple[int, Event]], releases_of: Mapping[Place, Release]
) -> dict[int, Release]:
    return {offset: release for offset, event in events if (release := releases_of.get((event.partition, offset)))}


def _judge_answers(horizon: int, user: bytes, answers: Sequence[Recommendation | None], expected: Expected) -> None:
    offsets = [answer and answer.source_offset for answer in answers]
    assert offsets == [answer and answer.offset for answer in expected.answers], (
        f"{HORIZONS[horizon]} answers and tombstones of {user!r} are for {offsets}"
    )
    for answer, right in zip(answers, expected.answers, strict=True):
        if answer is not None and right is not None:
            _judge_answer(horizon, answer, right)


def _judge_answer(horizon: int, answer: Recommendation, right: ExpectedAnswer) -> None:
    assert answer.horizon == HORIZONS[horizon]
    assert (answer.plays_seen, answer.played_at) == (right.plays_seen, right.played_at_ms), answer
    scores = right.scores[horizon]
    best = np.sort(scores)[::-1][: LIST_SIZES[horizon]]
    given = [track.score for track in answer.tracks]
    rows = [right.release.catalogue.track_ids.index(track.track_id) for track in answer.tracks]
    assert len(set(rows)) == len(best), answer
    np.testing.assert_allclose(given, best, atol=SCORE_TOLERANCE, rtol=0, err_msg=f"{answer}")
    np.testing.assert_allclose(given, scores[rows], atol=SCORE_TOLERANCE, rtol=0, err_msg=f"{answer}")


def _judge_dead_letters(deployment: Deployment, leftovers: Leftovers) -> None:
    wanted = sorted(
        (place, (event.key or b"")[:MAX_DEAD_KEY_BYTES], (event.value or b"")[:MAX_DEAD_VALUE_BYTES])
        for place, event in _places(deployment)
        if event.is_bad
    )
    given, forgotten, removed = [], [], []
    for record in leftovers.dead_letters:
        if record.value is None and not record.headers:
            removed.append(record.key)
            continue
        if (request := read_request(record)) is not None:
            forgotten.append((request.key, request.user))
            continue
        letter = read_letter(record)
        assert letter is not None, record
        headers = letter.headers
        assert headers.source_topic == deployment.settings.plays_topic
        place = (headers.source_partition, headers.source_offset)
        event = deployment.sent[place[0]][place[1]]
        assert not isinstance(event, Strange) or headers.error in event.causes, (event, headers)
        given.append((place, letter.key or b"", letter.value or b""))
    assert sorted(given) == wanted
    assert sorted(forgotten) == sorted(
        (b"forget:%d:%d" % place, event.key) for place, event in _places(deployment) if event.forgets
    )
    assert set(removed) <= {key for key, _ in forgotten} | _of_the_forgotten(
        deployment, [user for _, user in forgotten]
    )


def _of_the_forgotten(deployment: Deployment, users: Sequence[bytes]) -> set[bytes]:
    """Return the keys of the letters that name a forgotten listener, which a worker removes after a while."""
    return {
        b"%s:%d:%d" % (deployment.settings.plays_topic.encode(), *place)
        for place, event in _places(deployment)
        if event.is_bad and any(user in (event.key or b"") + b" " + (event.value or b"") for user in users)
    }


def _judge_changelog(deployment: Deployment, changelog: Sequence[Record]) -> dict[bytes, bytes | None]:
    """Return the latest record of each listener; marks must cover the last record sent, counts be right."""
    latest = {(record.partition, record.key): record.value for record in changelog}
    for partition, events in deployment.sent.items():
        last = max(events)
        mark = latest.pop((partition, MARK_KEY))
        count = latest.pop((partition, COUNT_KEY), None)
        num_listeners = sum(number == partition and value is not None for (number, _), value in latest.items())
        assert (0 if count is None else decode_count(count)) == num_listeners, f"listeners of partition {partition}"
        assert Mark.decode(mark) == Mark(last, deployment.sent_at_ms[partition, last])
    states = {key: value for (_, key), value in latest.items()}
    assert len(states) == len(latest), "a listener has states in two partitions"
    return states


def _judge_state(user: bytes, record: bytes | None, wanted: ExpectedState | None) -> None:
    assert (record is None) == (wanted is None), f"{user!r} must be {'forgotten' if wanted is None else 'remembered'}"
    if record is None or wanted is None:
        return
    state = decode([record], len(wanted.hidden))
    counters = ("release_key", "plays_folded", "plays_seen", "repeats_seen", "source_offset", "played_at_ms")
    given = {name: int(getattr(state, name)[0]) for name in counters}
    assert given == {name: getattr(wanted, name) for name in counters}, f"state of {user!r}"
    assert _ring(state, wanted) == [_place_of_ring(play) for play in wanted.ring], f"ring of {user!r}"
    assert counts_by_key(state.counted_track_keys[0], state.counts[0]) == wanted.counts, f"counts of {user!r}"
    np.testing.assert_allclose(
        state.hidden[0], wanted.hidden, atol=HIDDEN_TOLERANCE, rtol=0, err_msg=f"hidden state of {user!r}"
    )


def _ring(state: object, wanted: ExpectedState) -> list[tuple[int, ...]]:
    columns = [
        getattr(state, name)[0, : len(wanted.ring)].tolist()
        for name in ("ring_track_keys", "ring_played_at_ms", "ring_contexts", "ring_bits")
    ]
    return list(zip(*columns, strict=True))


def _place_of_ring(play: RememberedPlay) -> tuple[int, ...]:
    bits = BIT_SKIPPED * play.skipped | BIT_REPEATS * play.repeats
    return play.track_key, play.played_at_ms, play.context, bits


def _judge_stores(leftovers: Leftovers) -> None:
    """Each store must equal the changelog up to its own offset; one of each partition must be at the end."""
    at_end: set[int] = set()
    for (partition, path), items in leftovers.stores.items():
        offset = int(items.get(_OFFSET_KEY, b"-1"))
        records = [record for record in leftovers.changelog if record.partition == partition]
        wanted = {record.key: record.value for record in records if record.offset <= offset}
        _judge_store(path, items, {key: value for key, value in wanted.items() if value is not None})
        if not records or offset >= records[-1].offset:
            at_end.add(partition)
    assert at_end == {record.partition for record in leftovers.changelog} | at_end, f"stores at the end: {at_end}"


def _judge_store(path: Path, items: Mapping[bytes, bytes], wanted: Mapping[bytes, bytes]) -> None:
    states = {key: value for key, value in items.items() if not key.startswith(_OTHERS_KEYS)}
    wrong = [key for key in states.keys() | wanted.keys() if states.get(key) != wanted.get(key)]
    assert not wrong, f"{path} differs from the changelog at {sorted(wrong)[:5]}"
