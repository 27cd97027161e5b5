"""The trainer process: the trainer, its web server, and its stop signal."""

import dataclasses

from models.config import TrainingConfig
from streamer.kafka.connection import connection_of
from streamer.kafka.topics import ensure_topics
from streamer.metrics import TrainerMetrics
from streamer.runtime.device import pick_device
from streamer.runtime.stop import stop_signal
from streamer.runtime.web import WebServer
from streamer.settings import Settings
from streamer.training.releaser import ReleasingConfig
from streamer.training.trainer import TrainerConfig, run_trainer, train_once
from streamer.training.triggers import Thresholds, Trigger


def trainer_config(settings: Settings) -> TrainerConfig:
    """Take the trainer's configuration from the settings."""
    return TrainerConfig(
        plays_topic=settings.plays_topic,
        archive_dir=settings.archive_dir,
        archive_days=settings.archive_days,
        releasing=ReleasingConfig(
            connection=connection_of(settings),
            releases_topic=settings.releases_topic,
            releases_url=settings.releases_url,
            checkpoint_dir=settings.archive_dir / "fit",
            window_plays=settings.train_window_plays,
            training=dataclasses.replace(TrainingConfig(), epochs=settings.train_epochs),
            thresholds=Thresholds(
                min_plays=settings.train_min_plays,
                max_wait_s=settings.train_max_wait_s,
                drift_plays=settings.train_drift_plays,
            ),
            fresh_after_s=settings.train_fresh_after_s,
            num_kept=settings.releases_kept,
            device=str(pick_device(settings.device)),
        ),
    )


async def run(settings: Settings) -> None:
    """Archive and release until SIGTERM or SIGINT.

    Raises:
        ContractError: the topics or the archive do not meet the trainer's requirements.
    """
    stopping, metrics = stop_signal(), TrainerMetrics(triggers=list(Trigger))
    web = WebServer(
        settings.web_host, settings.trainer_web_port, registry=metrics.registry, unhealthy=_nothing, unready=_nothing
    )
    await web.start()
    try:
        await ensure_topics(settings)
        await run_trainer(trainer_config(settings), metrics, stopping)
    finally:
        await web.stop()


async def run_once(settings: Settings) -> bool:
    """Archive the plays on the topic, fit once, and release; return whether a release was published."""
    stopping = stop_signal()
    await ensure_topics(settings)
    return await train_once(trainer_config(settings), TrainerMetrics(), stopping) is not None


def _nothing() -> str:
    """Report no complaint: an error ends the trainer, and a fit may take hours."""
    return ""
