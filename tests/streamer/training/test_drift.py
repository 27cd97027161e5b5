"""Drift: when the champion is measured, and what counts as a fall."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.release import Release
from models.release_files import Json
from streamer.archive.archive import Archive
from streamer.archive.plays import to_table
from streamer.metrics import TrainerMetrics
from streamer.training.drift import DriftWatch
from streamer.training.triggers import Thresholds
from streamer.wire.plays import decode_records
from tests.builders import NOON_MS, play, tiny_release

NOTHING = np.empty(0, np.uint64)
PERFECT: Json = {"mean": 1.0, "low": 0.99, "high": 1.0}
HOPELESS: Json = {"mean": 0.0, "low": 0.0, "high": 0.0}
THRESHOLDS = Thresholds(min_plays=10_000, max_wait_s=3600, drift_plays=100)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path) as archive:
        append(archive, 400)
        yield archive


def append(archive: Archive, num_plays: int) -> None:
    """Twenty listeners play tracks that no tiny release knows, so that none of its lists holds them."""
    first = archive.next_offsets.get(0, 0)
    offsets = range(first, first + num_plays)
    records = [play(offset, f"u{offset % 20}", f"new{offset % 7}", NOON_MS + offset) for offset in offsets]
    decoded = decode_records(records)
    archive.append(to_table(decoded.plays, 0, np.array(offsets)), {0: offsets.stop})


def champion(**metrics: Json) -> Release:
    return replace(tiny_release(), metrics=metrics)


def test_the_champion_is_measured_again_after_enough_new_plays(archive: Archive) -> None:
    watch = DriftWatch(THRESHOLDS, archive, TrainerMetrics())

    looks = [watch.claim_look(), watch.claim_look()]
    append(archive, 99)
    looks.append(watch.claim_look())
    append(archive, 1)
    looks.append(watch.claim_look())

    assert looks == [True, False, False, True]


def test_a_significantly_lower_rate_is_drift(archive: Archive) -> None:
    metrics = TrainerMetrics()

    assert DriftWatch(THRESHOLDS, archive, metrics).has_drifted(champion(live_hit_rate=PERFECT), NOTHING)
    assert metrics.registry.get_sample_value("refrain_live_hit_rate") == 0
    assert metrics.registry.get_sample_value("refrain_live_hit_rate_at_release") == 1.0


@pytest.mark.parametrize("then", [{"live_hit_rate": HOPELESS}, {"live_hit_rate": None}, {}])
def test_a_champion_no_worse_than_it_was_or_never_measured_has_not_drifted(
    archive: Archive, then: dict[str, Json]
) -> None:
    assert not DriftWatch(THRESHOLDS, archive, TrainerMetrics()).has_drifted(champion(**then), NOTHING)
