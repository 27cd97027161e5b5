"""Poison costs one message each: every good play is applied, every bad one is in the dead letters with its cause."""

from __future__ import annotations

import itertools
import time
from collections import Counter

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.letters.choosing import EVERY_LETTER
from streamer.letters.desk import desk_of
from streamer.letters.redelivery import send_again
from streamer.wire.letters import MAX_DEAD_KEY_BYTES, MAX_DEAD_VALUE_BYTES, DeadLetterHeaders, read_headers
from streamer.wire.messages import Cause, Recommendation
from streamer.wire.plays import MAX_AHEAD_OF_PRODUCER_MS
from streamer.worker.intake import take_in
from streamer.worker.outputs import _dead_letters
from tests.amount import examples
from tests.builders import play_value, record
from tests.faults.conftest import TinyRelease
from tests.faults.harness import Deployment
from tests.faults.poison import bulky_poisons, common_poisons, draw_poisons
from tests.faults.strange import LATEST_MS, Strange
from tests.faults.verdict import judge
from tests.offline import TOPICS


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(common_poisons(), min_size=1, max_size=8))
def test_good_plays_are_read_and_bad_ones_rejected_with_their_cause(poisons: list[Strange]) -> None:
    check(poisons)


@settings(max_examples=examples(25), deadline=None)
@given(bulky_poisons())
def test_so_are_large_ones(poison: Strange) -> None:
    check([poison])


def check(poisons: list[Strange]) -> None:
    """Compare a chunk's plays and dead letters with the expected ones."""
    records = [record(10 + i, each.key, each.value, timestamp_ms=LATEST_MS) for i, each in enumerate(poisons)]

    intake = take_in(0, records, None)
    letters = _dead_letters(intake, TOPICS)

    good = [each for each in poisons if not each.causes]
    plays = intake.plays
    assert plays.users == [each.key for each in good]
    assert plays.track_ids == [each.track_id for each in good]
    assert plays.forgets.tolist() == [each.forgets for each in good]
    assert plays.played_at_ms.tolist() == [0 if each.forgets else each.played_at_ms for each in good]
    assert plays.contexts.tolist() == [each.context for each in good]
    assert plays.skipped.tolist() == [each.skipped for each in good]
    rejected = [each for each in enumerate(poisons, 10) if each[1].causes]
    for letter, (offset, bad) in zip(letters.values(), rejected, strict=True):
        headers = read_headers(letter.headers, DeadLetterHeaders)
        assert headers is not None
        assert headers.error in bad.causes, (bad.kind, headers)
        assert headers.source_offset == offset
        assert len(headers.reason) < 300
        assert headers.play_key == (bad.key and bad.key[:MAX_DEAD_KEY_BYTES])
        assert headers.null_value == (bad.value is None)
        assert letter.value == (bad.value or b"")[:MAX_DEAD_VALUE_BYTES]
        assert headers.is_cut == (headers.play_key != bad.key or letter.value != (bad.value or b""))


@pytest.mark.quick
@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_thousands_of_poisons_cost_nothing_but_themselves(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    poisons = draw_poisons(num_common=4000, num_bulky=60, seed_number=7)
    deployment.events = itertools.chain(poisons, deployment.events)
    await deployment.announce(first_release.saved)
    worker = deployment.start("a")

    # Compressed, because a broker limits the compressed size: a poison of 1.25 MiB passes a limit of 1 MiB.
    async with AIOKafkaProducer(
        bootstrap_servers=deployment.bootstrap_servers,
        enable_idempotence=True,
        linger_ms=5,
        compression_type="gzip",
        max_request_size=4 << 20,
    ) as deployment.producer:
        await deployment.feed(len(poisons) + 100)
    await deployment.all_done()

    assert await worker.stop() == 0
    await judge(deployment, [first_release.release])
    assert deployment.complaints() == []
    assert set(Cause) - await causes_given(deployment) == {Cause.STRAY_PARTITION, Cause.UNCOMPUTABLE}


async def causes_given(deployment: Deployment) -> set[Cause]:
    """Return the causes of all dead letters, and fail if one is not a cause of its poison."""
    num_given: Counter[Cause] = Counter()
    for letter in (await deployment.leftovers()).dead_letters:
        if (headers := read_headers(letter.headers, DeadLetterHeaders)) is None:
            continue  # a request to remove the letters of a forgotten listener
        cause = headers.error
        num_given[cause] += 1
        event = deployment.sent[headers.source_partition][headers.source_offset]
        assert not isinstance(event, Strange) or cause in event.causes, (event, cause)
    return set(num_given)


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_play_rejected_for_its_clock_counts_once_when_it_is_sent_again(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    topic, partition, now_ms = deployment.settings.plays_topic, 0, time.time_ns() // 1_000_000
    await deployment.announce(first_release.saved)
    worker = deployment.start("a")
    await deployment.producer.send_and_wait(
        topic, play_value("u", "t1", now_ms), b"u", partition, timestamp_ms=now_ms - 2 * MAX_AHEAD_OF_PRODUCER_MS
    )
    await deployment.progress(1)

    again = [(await send_again(desk_of(deployment.settings), EVERY_LETTER)).num_sent for _ in range(2)]
    await deployment.progress(2)
    assert await worker.stop() == 0
    worker = deployment.start("a")  # on a plays topic that ends with the marker of a transaction
    await worker.ready()
    await deployment.producer.send_and_wait(topic, play_value("u", "t2", now_ms), b"u", partition)
    await deployment.progress(4)

    assert await worker.stop() == 0
    answers = [
        msgspec.json.decode(each.value, type=Recommendation) for each in (await deployment.leftovers()).answers[0]
    ]
    assert again == [1, 0]
    assert [(each.source_offset, each.plays_seen) for each in answers] == [(1, 1), (3, 2)]
    assert deployment.complaints() == []
