"""The trainer, on a real broker: from plays on the topic to a champion that loads."""

import asyncio
import dataclasses
import json
import logging
import time
from pathlib import Path

import numpy as np
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError

from models.config import TrainingConfig
from models.release import SavedRelease, load_release
from streamer.archive.archive import Archive
from streamer.archive.archiver import Archivist
from streamer.kafka.connection import Connection
from streamer.local.devkafka import DevKafka
from streamer.metrics import TrainerMetrics
from streamer.releases.alias import find_champions, move_alias
from streamer.releases.loading import notice_of
from streamer.releases.registry import Registry
from streamer.releases.store import Store
from streamer.training.releaser import Releaser, ReleasingConfig
from streamer.training.trainer import TrainerConfig, run_trainer, train_once
from streamer.training.triggers import Thresholds, Trigger
from streamer.wire.messages import ReleaseNotice
from tests.builders import save_tiny_release
from tests.until import until

pytestmark = pytest.mark.kafka

NUM_PLAYS, NUM_USERS, NUM_TRACKS = 3000, 40, 100
FIRST_MS, GAP_MS = 1_700_000_000_000, 200_000  # long ago: a broker refuses timestamps ahead of its clock
UNTAUGHT = TrainingConfig(epochs=1, learning_rate=1e-9, item_epochs=1)
ENDLESS = TrainingConfig(epochs=1_000_000, item_epochs=1)


@pytest.fixture
async def config(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> TrainerConfig:
    config = TrainerConfig(
        plays_topic=f"{topic_prefix}-plays",
        dead_letter_topic=f"{topic_prefix}-dead",
        archive_dir=tmp_path / "archive",
        archive_days=365,
        releasing=ReleasingConfig(
            connection=kafka.connection,
            releases_topic=f"{topic_prefix}-releases",
            catalogue_topic=f"{topic_prefix}-catalogue",
            releases_url=str(tmp_path / "releases"),
            checkpoint_dir=tmp_path / "fit",
            window_plays=10 * NUM_PLAYS,
            training=TrainingConfig(epochs=4, item_epochs=5),
            thresholds=Thresholds(min_plays=NUM_PLAYS, max_wait_s=3600, drift_plays=NUM_PLAYS),
            fresh_after_s=3600,
            num_kept=3,
            index_above=75_000,
        ),
        archive_period_s=0.1,
        retry_s=0.1,
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    plays_topic = NewTopic(config.plays_topic, 2, 1, topic_configs={"retention.ms": "-1"})
    dead_letter_topic = NewTopic(config.dead_letter_topic, 2, 1)
    await admin.create_topics([plays_topic, dead_letter_topic, NewTopic(config.releasing.releases_topic, 1, 1)])
    await admin.close()
    return config


async def produce(config: TrainerConfig, tracks: np.ndarray) -> None:
    """Let the listeners play the tracks in turn."""
    async with AIOKafkaProducer(**config.releasing.connection.client_options(), linger_ms=50) as producer:
        sent = []
        for play, track in enumerate(tracks.tolist()):
            user, played_at = play % NUM_USERS, FIRST_MS + GAP_MS * play
            value = json.dumps({"user_id": f"u{user}", "track_id": f"t{track}", "played_at": played_at}).encode()
            sent.append(await producer.send(config.plays_topic, value, f"u{user}".encode(), user % 2, played_at))
        await asyncio.gather(*sent)


def trained(config: TrainerConfig, training: TrainingConfig) -> TrainerConfig:
    return dataclasses.replace(config, releasing=dataclasses.replace(config.releasing, training=training))


def album_order() -> np.ndarray:
    plays = np.arange(NUM_PLAYS)
    return (plays % NUM_USERS * 37 + plays // NUM_USERS) % NUM_TRACKS


def hits() -> np.ndarray:
    return np.random.default_rng(3).zipf(1.5, NUM_PLAYS) % NUM_TRACKS


async def champion(config: TrainerConfig) -> ReleaseNotice | None:
    champions = await find_champions(config.releasing.connection, config.releasing.releases_topic)
    return champions[-1] if champions else None


class StagesShown(TrainerMetrics):
    """Metrics that keep the stages they have shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    def show_stage(self, stage: str, epoch: int = 0, num_epochs: int = 0) -> None:
        super().show_stage(stage, epoch, num_epochs)
        self.shown.append(stage)


async def test_plays_on_the_topic_become_a_champion_that_loads(config: TrainerConfig) -> None:
    await produce(config, album_order())
    metrics = StagesShown()

    saved = await train_once(config, metrics, asyncio.Event())

    assert saved is not None
    assert list(dict.fromkeys(metrics.shown)) == ["catch-up", "read", "items", "network", "judge", "map", "publish"]
    assert await champion(config) == notice_of(saved)
    release = load_release(saved.location, manifest_sha256=saved.manifest_sha256)
    assert len(release.catalogue) == NUM_TRACKS
    assert metrics.registry.get_sample_value("refrain_plays_archived_total") == NUM_PLAYS
    assert metrics.registry.get_sample_value("refrain_releases_published_total") == 1
    assert metrics.registry.get_sample_value("refrain_plays_since_fit") == 0


async def test_weights_that_fail_the_gate_move_no_alias(
    config: TrainerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    await produce(config, hits())
    metrics = TrainerMetrics()

    assert await train_once(trained(config, UNTAUGHT), metrics, asyncio.Event()) is None

    assert await champion(config) is None
    assert metrics.registry.get_sample_value("refrain_releases_refused_total") == 1
    assert "release refused: not significantly better than popularity in HR@20" in caplog.text
    (refusal,) = Registry(Store(config.releasing.releases_url)).refusals()
    assert refusal.verdict.startswith("Refused: not significantly better than popularity in HR@20. Judged on 29")


async def test_without_plays_there_is_nothing_to_fit(config: TrainerConfig, caplog: pytest.LogCaptureFixture) -> None:
    assert await train_once(config, TrainerMetrics(), asyncio.Event()) is None

    assert "no fit: 0 plays are too few" in caplog.text


async def test_plays_that_arrive_while_it_runs_trigger_one_fit(config: TrainerConfig) -> None:
    metrics, stopping = TrainerMetrics(), asyncio.Event()
    running = asyncio.create_task(run_trainer(config, metrics, stopping))

    await produce(config, album_order())
    await until(lambda: metrics.registry.get_sample_value("refrain_releases_published_total") == 1, "released")
    stopping.set()
    await asyncio.wait_for(running, 30)

    assert await champion(config) is not None
    shown = metrics.registry.get_sample_value
    assert shown("refrain_last_fit_passed") == 1
    assert (shown("refrain_last_fit_seconds") or 0) > 0
    assert 0 <= time.time() - (shown("refrain_last_fit_timestamp_seconds") or 0) < 60
    assert shown("refrain_archive_plays", {"age": "day"}) == NUM_PLAYS
    assert b'"ended":"stopped"' in (config.archive_dir / "last-words.json").read_bytes()
    with Archive(config.archive_dir) as archive:
        assert (archive.num_plays, archive.num_new) == (NUM_PLAYS, 0)


async def test_an_interrupted_fit_resumes_at_the_next_start(
    config: TrainerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await produce(config, album_order())
    stopping = asyncio.Event()
    endless = trained(config, ENDLESS)
    running = asyncio.create_task(run_trainer(endless, TrainerMetrics(), stopping))
    await until(lambda: "fit ended epoch=1 " in caplog.text, "an epoch has ended")

    stopping.set()
    await asyncio.wait_for(running, 30)

    assert await champion(config) is None
    with Archive(config.archive_dir) as archive:
        assert archive.num_new == NUM_PLAYS
        assert archive.fitting is not None
    assert await train_once(config, TrainerMetrics(), asyncio.Event()) is not None


async def test_a_candidate_that_cannot_be_published_is_kept_and_published_later(
    config: TrainerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    await produce(config, album_order())
    metrics, stopping = TrainerMetrics(), asyncio.Event()
    place = Path(config.releasing.releases_url)
    occupy(place)
    running = asyncio.create_task(run_trainer(config, metrics, stopping))
    await until(lambda: "network and credentials reach it; retrying in 0 s" in caplog.text, "a release fails")

    free(place)
    await until(lambda: metrics.registry.get_sample_value("refrain_releases_published_total") == 1, "released")
    stopping.set()
    await asyncio.wait_for(running, 30)

    assert await champion(config) is not None
    assert metrics.registry.get_sample_value("refrain_fits_total", {"trigger": "plays"}) == 1
    assert (metrics.registry.get_sample_value("refrain_trainer_failures_total") or 0) >= 1


async def test_a_release_that_kafka_rejects_is_announced_later(
    config: TrainerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    await produce(config, album_order())
    metrics, stopping = TrainerMetrics(), asyncio.Event()
    await allow_bytes(config, 10)
    running = asyncio.create_task(run_trainer(config, metrics, stopping))
    await until(lambda: "raise max.message.bytes of the topic" in caplog.text, "an announcement fails")

    assert await champion(config) is None
    await allow_bytes(config, 10_000)
    await until(lambda: metrics.registry.get_sample_value("refrain_releases_published_total") == 1, "released")
    stopping.set()
    await asyncio.wait_for(running, 30)

    notice = await champion(config)
    assert notice is not None
    assert Registry(Store(config.releasing.releases_url)).ids() == [notice.release_id]
    assert metrics.registry.get_sample_value("refrain_fits_total", {"trigger": "plays"}) == 1


async def test_without_kafka_nothing_is_lost(config: TrainerConfig) -> None:
    await produce(config, album_order())
    metrics, stopping = TrainerMetrics(), asyncio.Event()
    with Archive(config.archive_dir) as archive:
        archivist = Archivist(config.releasing.connection, config.plays_topic, archive, metrics)
        await archivist.start()
        await archivist.catch_up(stopping)
        await archivist.stop()
        releaser = Releaser(
            dataclasses.replace(config.releasing, connection=Connection.parse("127.0.0.1:1")), metrics, archive
        )

        with pytest.raises(KafkaConnectionError):
            await releaser.release(Trigger.ASKED, stopping)

        assert (archive.num_new, archive.fitting) == (NUM_PLAYS, None)


async def test_a_broken_champion_is_logged_and_replaced(
    config: TrainerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    broken = save_tiny_release(Path(config.releasing.releases_url))
    free(Path(broken.location, "weights.safetensors"))
    notice = ReleaseNotice(broken.release_id, broken.location, broken.manifest_sha256)
    await move_alias(config.releasing.connection, config.releasing.releases_topic, notice)
    await produce(config, album_order())

    saved = await train_once(config, TrainerMetrics(), asyncio.Event())

    assert saved is not None
    assert "champion is broken" in caplog.text
    assert "There is no champion to compare it with." in verdict_of(saved)


async def allow_bytes(config: TrainerConfig, num_bytes: int) -> None:
    """Limit the size of a release's notice."""
    admin = AIOKafkaAdminClient(**config.releasing.connection.client_options())
    await admin.start()
    limit = {"max.message.bytes": str(num_bytes)}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, config.releasing.releases_topic, limit)])
    await admin.close()


def occupy(place: Path) -> None:
    place.write_text("no directory can be made here")


def free(place: Path) -> None:
    place.unlink()


def verdict_of(saved: SavedRelease) -> str:
    return str(load_release(saved.location).metrics["verdict"])
