from itertools import islice

import numpy as np
import pytest

from streamer.demo.traffic import START_MS, Message, make_traffic
from streamer.local.world import World
from streamer.wire.messages import Cause
from streamer.wire.plays import decode

NOW_MS = 1_790_000_000_000


def messages(num_messages: int, bad_share: float) -> list[Message]:
    world = World.build(np.random.default_rng(0), num_listeners=20, num_tracks=200)
    return list(islice(make_traffic(world, np.random.default_rng(1), bad_share), num_messages))


def causes(sent: list[Message]) -> list[Cause | None]:
    decoded = decode([one.key for one in sent], [one.value for one in sent], [NOW_MS] * len(sent), [0] * len(sent))
    found = {reject.index: reject.cause for reject in decoded.rejects}
    return [found.get(index) for index in range(len(sent))]


def test_a_worker_accepts_every_play_and_rejects_every_bad_one() -> None:
    sent = messages(2_000, bad_share=0.01)

    refused = [cause is not None for cause in causes(sent)]

    assert refused == [message.play is None for message in sent]
    assert any(refused)


def test_bad_plays_take_turns_in_what_is_wrong() -> None:
    sent = messages(400, bad_share=0.5)

    bad = [cause for cause in causes(sent) if cause is not None][:4]

    assert bad == [Cause.NOT_JSON, Cause.MISSING_FIELD, Cause.IMPOSSIBLE_TIME, Cause.KEY_MISMATCH]


def test_bad_plays_are_added_to_the_good_ones_and_replace_none() -> None:
    sent = messages(3_000, bad_share=0.1)

    assert sum(message.play is None for message in sent) == pytest.approx(300 / 1.1, rel=0.2)
    assert [one.play for one in messages(50, bad_share=0.0)] == [one.play for one in messages(50, bad_share=0.0)]


def test_plays_are_in_the_distant_past_and_in_order() -> None:
    times_ms = [message.play.played_at for message in messages(500, bad_share=0.0) if message.play is not None]

    assert times_ms == sorted(times_ms)
    assert times_ms[0] >= START_MS
    assert times_ms[-1] < NOW_MS
