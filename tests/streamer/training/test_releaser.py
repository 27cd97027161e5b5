"""Releasing, on a real broker: what triggers a fit, and what a fit starts from."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from models.config import TrainingConfig
from models.release import load_release
from streamer.archive.archive import Archive
from streamer.archive.plays import SCHEMA
from streamer.local.devkafka import DevKafka
from streamer.metrics import TrainerMetrics
from streamer.releases.registry import Registry
from streamer.releases.store import Store
from streamer.training.releaser import Releaser, ReleasingConfig
from streamer.training.shards import open_shards, shards_directory, shards_root
from streamer.training.triggers import Thresholds, Trigger

pytestmark = pytest.mark.kafka

NUM_PLAYS, NUM_USERS, NUM_TRACKS = 3000, 40, 100
FIRST_MS, GAP_MS = 1_700_000_000_000, 200_000


class Place:
    """A releaser over an archive to which plays are appended."""

    def __init__(self, config: ReleasingConfig, archive: Archive) -> None:
        self.config = config
        self.archive = archive
        self.metrics = TrainerMetrics()
        self.releaser = Releaser(config, self.metrics, archive)

    def play(self, num_plays: int, step: int = 1) -> None:
        """Let all listeners continue through the tracks, `step` at a time."""
        first = self.archive.next_offsets.get(0, 0)
        plays = np.arange(first, first + num_plays)
        users = plays % NUM_USERS
        tracks = (users * 37 + step * (plays // NUM_USERS)) % NUM_TRACKS
        columns = {
            "user_id": [f"u{user}" for user in users],
            "track_id": [f"t{track}" for track in tracks],
            "played_at_ms": FIRST_MS + GAP_MS * plays,
            "context": np.zeros(num_plays, np.uint8),
            "skipped": np.zeros(num_plays, np.bool_),
            "partition": np.zeros(num_plays, np.int32),
            "offset": plays,
        }
        self.archive.append(pa.table(columns, SCHEMA), {0: first + num_plays})

    def metric(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)


@pytest.fixture
async def place(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Place]:
    """Release a champion on the first plays; the next fit waits for 500 more, or for the champion to drift."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic_prefix, 1, 1)])
    await admin.close()
    config = ReleasingConfig(
        connection=kafka.connection,
        releases_topic=topic_prefix,
        catalogue_topic=f"{topic_prefix}-catalogue",
        releases_url=str(tmp_path / "releases"),
        checkpoint_dir=tmp_path / "fit",
        window_plays=10 * NUM_PLAYS,
        training=TrainingConfig(epochs=4, item_epochs=5),
        thresholds=Thresholds(min_plays=NUM_PLAYS, max_wait_s=3600, drift_plays=400),
        fresh_after_s=3600,
        num_kept=3,
        index_above=75_000,
    )
    with Archive(tmp_path / "archive") as archive:
        place = Place(config, archive)
        place.play(NUM_PLAYS)
        assert await place.releaser.find_trigger() is Trigger.PLAYS
        assert await place.releaser.release(Trigger.PLAYS, asyncio.Event()) is not None
        yield place


async def test_a_champion_that_answers_as_well_as_before_triggers_no_fit(place: Place) -> None:
    place.play(400)

    assert await place.releaser.find_trigger() is None
    assert (place.metric("refrain_live_hit_rate") or 0) > 0.5


async def test_a_champion_that_answers_worse_triggers_one_fit(place: Place) -> None:
    place.play(400, step=31)  # they start leaping through the tracks

    assert await place.releaser.find_trigger() is Trigger.DRIFT
    assert (place.metric("refrain_live_hit_rate") or 0) < 0.5
    assert await place.releaser.find_trigger() is None  # measured, with no new play since


async def test_a_fit_starts_from_the_champion_and_afresh_after_a_refusal(place: Place) -> None:
    spoilt = dataclasses.replace(place.config, training=TrainingConfig(epochs=4, item_epochs=5, learning_rate=1.0))
    place.play(400)
    releaser = Releaser(spoilt, place.metrics, place.archive)

    assert await releaser.release(Trigger.ASKED, asyncio.Event()) is None
    began_from = [releaser._refused_from]
    place.play(400)
    assert await releaser.release(Trigger.ASKED, asyncio.Event()) is None
    began_from.append(releaser._refused_from)

    assert began_from == [Registry(Store(place.config.releases_url)).ids()[0], None]
    assert len(Registry(Store(place.config.releases_url)).refusals()) == 2


async def test_a_second_stage_counts_more_plays_than_a_window_has(place: Place) -> None:
    place.play(NUM_PLAYS)
    window_plays = 2 * NUM_PLAYS - 1000
    releaser = Releaser(dataclasses.replace(place.config, window_plays=window_plays), place.metrics, place.archive)

    candidate = await releaser._fit(Trigger.ASKED, asyncio.Event())

    assert candidate is not None
    assert candidate.recommender.reranker is not None
    assert candidate.data_window.num_plays == 0.9 * window_plays
    num_followed = candidate.recommender.reranker.sources.num_followers.sum()
    assert num_followed == pytest.approx(2 * NUM_PLAYS - 0.1 * window_plays, abs=NUM_USERS)
    assert open_shards(shards_directory(place.archive.directory, place.config.checkpoint_dir)) is not None
    releaser._end_fit()
    assert [path.name for path in shards_root(place.archive.directory).iterdir()] == ["lock"]


async def test_a_release_keeps_its_trigger_its_verdict_and_its_live_hit_rate(place: Place) -> None:
    (release_id,) = Registry(Store(place.config.releases_url)).ids()

    metrics = load_release(f"{place.config.releases_url}/{release_id}").metrics

    assert metrics["trigger"] == "plays"
    assert str(metrics["verdict"]).startswith("Passed: better than popularity, and there is no champion.")
    assert isinstance(metrics["live_hit_rate"], dict)
