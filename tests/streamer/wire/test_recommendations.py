"""Lists written from fragments have the bytes of the plain encoder."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.plays.catalogue import FIRST_TRACK, PAD
from models.plays.track_ids import TrackIds
from streamer.wire.blobs import Blobs
from streamer.wire.messages import Horizon, RankedTrack, Recommendation
from streamer.wire.recommendations import Lineage, ListEncoder
from tests.cases.observations import Observe

TRACK_IDS = ["t0", "spotify:track:1", 'quo"te', "naïve\u2028\x00", "100%d"]
ENCODER = ListEncoder(TrackIds.of(TRACK_IDS))
MISSING = (PAD, 0.0)

places = st.tuples(
    st.integers(FIRST_TRACK, FIRST_TRACK + len(TRACK_IDS) - 1),
    st.floats(0, 1, width=32) | st.sampled_from([1.0, 0.0, 4e-5]),
)
counts = st.integers(1, 2**62)


def recommendation(
    horizon: Horizon, row_scores: list[tuple[int, float]], lineage: Lineage, answer: int = 0
) -> Recommendation:
    """Build the answer the slow, clear way; scores have four decimals, the last of which is at least 1."""
    tracks = [
        RankedTrack(TRACK_IDS[row - FIRST_TRACK], max(float(np.rint(score * 10_000) / 10_000), 0.0001))
        for row, score in row_scores
        if row != PAD
    ]
    return Recommendation(
        user_id=(lineage.users.to_list()[answer] or b"").decode(),
        horizon=horizon,
        tracks=tuple(tracks),
        release=lineage.release,
        plays_seen=int(lineage.plays_seen[answer]),
        source_partition=int(lineage.source_partitions[answer]),
        source_offset=int(lineage.source_offsets[answer]),
        played_at=int(lineage.played_at_ms[answer]),
        emitted_at=lineage.emitted_at_ms,
    )


def lineage_of(
    users: list[bytes], plays_seen: list[int], offsets: list[int], played_at_ms: list[int], partition: int, *rest: Any
) -> Lineage:
    partitions = [partition + number for number in range(len(users))]
    numbers = [np.array(each, np.int64) for each in (plays_seen, partitions, offsets, played_at_ms)]
    return Lineage(Blobs.of(users), numbers[0], numbers[1], numbers[2], numbers[3], *rest)


def written_by(
    encoder: ListEncoder, horizon: Horizon, rows: NDArray[np.int64], scores: NDArray[np.float32], lineage: Lineage
) -> list[bytes]:
    return [value for value in encoder.encode(horizon, rows, scores, lineage).to_list() if value is not None]


@given(
    st.sampled_from(["short-term", "long-term"]),
    st.lists(places | st.just(MISSING), min_size=1, max_size=6),
    st.text(min_size=1),
    st.text(),
    st.tuples(counts, counts, counts, counts, counts),
)
def test_a_list_is_what_the_plain_encoder_writes(
    horizon: Horizon, row_scores: list[tuple[int, float]], user: str, release: str, numbers: tuple[int, ...]
) -> None:
    plays_seen, partition, offset, played_at_ms, emitted_at_ms = numbers
    lineage = lineage_of([user.encode()], [plays_seen], [offset], [played_at_ms], partition, release, emitted_at_ms)
    rows = np.array([[row for row, _ in row_scores]], np.int64)
    scores = np.array([[score for _, score in row_scores]], np.float32)

    (written,) = written_by(ENCODER, horizon, rows, scores, lineage)

    plain = recommendation(horizon, row_scores, lineage)
    assert msgspec.json.decode(written, type=Recommendation) == plain
    assert written == msgspec.json.encode(plain)


@pytest.mark.kind(24)
def test_every_score_has_a_prepared_text(observe: Observe) -> None:
    scores = np.linspace(0, 1, 20_001, dtype=np.float32)[:, None]
    num = len(scores)
    lineage = lineage_of([b"u"] * num, [1] * num, [0] * num, [0] * num, 0, "r1", 0)

    written = written_by(ENCODER, "short-term", np.full((num, 1), FIRST_TRACK), scores, lineage)

    texts = {answer.split(b'"score":')[1].split(b"}")[0] for answer in written}
    assert texts == {msgspec.json.encode(ticks / 10_000) for ticks in range(1, 10_001)}
    observe("scores from 0 to 1 are written as 0.0001 to 1.0, all from prepared texts")


def test_each_answer_has_its_own_list_and_lineage() -> None:
    lineage = lineage_of([b"u0", b"u1"], [1, 2], [10, 11], [100, 101], 3, "r1", 102)
    row_scores = [[(2, 0.5), (3, 0.25)], [(4, 1.0), MISSING]]
    rows = np.array([[row for row, _ in of_list] for of_list in row_scores], np.int64)
    scores = np.array([[score for _, score in of_list] for of_list in row_scores], np.float32)

    written = written_by(ENCODER, "long-term", rows, scores, lineage)

    read = [msgspec.json.decode(answer, type=Recommendation) for answer in written]
    assert read == [recommendation("long-term", row_scores[answer], lineage, answer) for answer in (0, 1)]


def test_a_list_without_tracks_is_empty() -> None:
    lineage = lineage_of([b"u0"], [1], [0], [0], 0, "r1", 0)

    (written,) = written_by(ENCODER, "short-term", np.array([[PAD, PAD]]), np.zeros((1, 2), np.float32), lineage)

    assert msgspec.json.decode(written, type=Recommendation).tracks == ()


def test_without_answers_nothing_is_written() -> None:
    lineage = lineage_of([], [], [], [], 0, "r1", 0)

    assert written_by(ENCODER, "short-term", np.zeros((0, 20), np.int64), np.zeros((0, 20), np.float32), lineage) == []


def test_lineage_of_another_length_is_refused() -> None:
    lineage = lineage_of([b"u0"], [1, 2], [0], [0], 0, "r1", 0)

    with pytest.raises(ValueError, match=r"all input arrays|not of the same answers"):
        written_by(ENCODER, "short-term", np.array([[2]]), np.array([[0.5]], np.float32), lineage)
