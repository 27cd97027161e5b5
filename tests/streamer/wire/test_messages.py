"""The messages, as they appear on the wire."""

import msgspec
import pytest

from models.config import HORIZONS
from streamer.wire.messages import RankedTrack, Recommendation, ReleaseNotice


def test_a_recommendation_is_what_the_contract_says() -> None:
    recommendation = Recommendation(
        user_id="u17",
        horizon="short-term",
        tracks=(RankedTrack("t9", 0.93),),
        release="r1",
        plays_seen=412,
        source_partition=3,
        source_offset=90125,
        played_at=1795469401000,
        emitted_at=1795469401012,
    )

    assert msgspec.json.encode(recommendation) == (
        b'{"user_id":"u17","horizon":"short-term","tracks":[{"track_id":"t9","score":0.93}],"release":"r1",'
        b'"plays_seen":412,"source_partition":3,"source_offset":90125,"played_at":1795469401000,'
        b'"emitted_at":1795469401012}'
    )


@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_horizons_are_those_of_the_model(horizon: str) -> None:
    fields = {"user_id": "u", "tracks": [], "release": "r", "plays_seen": 1, "source_partition": 0, "source_offset": 0}
    times = {"played_at": 1, "emitted_at": 1}

    assert msgspec.convert(fields | times | {"horizon": horizon}, Recommendation).horizon == horizon
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields | times | {"horizon": horizon.upper()}, Recommendation)


def test_a_release_notice_without_a_digest_is_refused() -> None:
    notice = {"release_id": "r1", "location": "file:///releases/r1", "manifest_sha256": "0" * 64}

    assert msgspec.convert(notice, ReleaseNotice).release_id == "r1"
    with pytest.raises(msgspec.ValidationError, match="manifest_sha256"):
        msgspec.convert(notice | {"manifest_sha256": "unknown"}, ReleaseNotice)
