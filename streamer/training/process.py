"""The trainer process: the trainer, its web server, and its stop signal."""

import dataclasses

from aiokafka.errors import OffsetOutOfRangeError

from models.config import TrainingConfig
from streamer.kafka.access import once_admitted
from streamer.kafka.connection import connection_of
from streamer.kafka.contact import Contact
from streamer.kafka.retention import show_retention
from streamer.kafka.rights import trainer_rights
from streamer.kafka.topics import ensure_topics
from streamer.metrics import TrainerMetrics
from streamer.releases.signing import read_signer
from streamer.releases.store import check_place
from streamer.runtime.crash import crash, leave
from streamer.runtime.device import pick_device
from streamer.runtime.stop import Interrupted, stop_signal, unless_stopped
from streamer.runtime.tasks import start_vital
from streamer.runtime.web import WebServer
from streamer.settings import Settings
from streamer.training.health import Watch
from streamer.training.releaser import ReleasingConfig
from streamer.training.trainer import TrainerConfig, run_trainer, train_once
from streamer.training.triggers import Thresholds, Trigger


def trainer_config(settings: Settings) -> TrainerConfig:
    """Take the trainer's configuration from the settings."""
    return TrainerConfig(
        plays_topic=settings.plays_topic,
        dead_letter_topic=settings.dead_letter_topic,
        archive_dir=settings.archive_dir,
        archive_days=settings.archive_days,
        releasing=ReleasingConfig(
            connection=connection_of(settings),
            releases_topic=settings.releases_topic,
            catalogue_topic=settings.catalogue_topic,
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
            index_above=settings.index_above,
            device=str(pick_device(settings.device)),
            signer=read_signer(settings.releases_signing_key.get_secret_value()),
        ),
    )


async def run(settings: Settings) -> None:
    """Archive and release until SIGTERM or SIGINT.

    Raises:
        AccessError: Kafka does not let us in, or a right is missing.
        ContractError: the topics or the archive do not meet the trainer's requirements.
    """
    stopping = stop_signal(lambda: leave("the trainer was in the middle of a step; it starts over"))
    metrics = TrainerMetrics(triggers=list(Trigger))
    contact = Contact(connection_of(settings), settings.plays_topic)
    watch = Watch(metrics, contact)
    metrics.kafka_unreachable.set_function(lambda: contact.unreachable_s)
    web = WebServer(
        settings.web_host, settings.trainer_web_port, registry=metrics.registry,
        unhealthy=watch.unhealthy, unready=watch.unready, remark=watch.remark,
    )  # fmt: skip
    await web.start()
    try:
        if await unless_stopped(_admitted(settings), stopping) is None:
            return
        asking = start_vital(contact.run(), "contact with Kafka")
        watching = start_vital(watch.run(connection_of(settings), settings.plays_topic), "watch over the trainer")
        showing = start_vital(
            show_retention(connection_of(settings), settings.plays_topic, metrics.retention.set),
            "look at the retention",
        )
        await run_trainer(trainer_config(settings), metrics, stopping)
        for task in (asking, watching, showing):
            task.cancel()
    except OffsetOutOfRangeError as exc:
        crash("plays were deleted before they were archived; the next start counts them, and goes on behind", exc)
    finally:
        await web.stop()


async def run_once(settings: Settings) -> bool:
    """Archive the plays on the topic, fit once, and release; return whether a release was published.

    Raises:
        Interrupted: a signal came first.
    """
    stopping = stop_signal(lambda: leave("the fit was not finished", Interrupted(stopping.number).status))
    saved = None
    if await unless_stopped(_admitted(settings), stopping) is not None:
        saved = await train_once(trainer_config(settings), TrainerMetrics(), stopping)
    if saved is None and stopping.is_set():
        raise Interrupted(stopping.number)
    return saved is not None


async def _admitted(settings: Settings) -> int:
    check_place(settings.releases_url)
    connection = connection_of(settings)
    return await once_admitted(connection, trainer_rights(settings), ensure_topics(settings))
