"""A playback on a real broker; an echo replaces the workers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from models.plays.catalogue import Catalogue
from models.plays.split import split_plays
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.recordings.plays import RecordedPlays
from streamer.replay import playback as module
from streamer.replay.collector import AnswerReader, Collector
from streamer.replay.playback import Playback, PlaybackError
from streamer.replay.recording import Recording
from streamer.settings import Settings

pytestmark = pytest.mark.kafka

NUM_PARTITIONS, MAX_UNDER_WAY = 2, 250


@dataclass
class Stage:
    """Topics, a recording and its playback, not yet started."""

    settings: Settings
    recording: Recording
    collector: Collector
    playback: Playback


@pytest.fixture
async def stage(kafka: DevKafka, topic_prefix: str, draw_listening: Callable[..., RecordedPlays]) -> Stage:
    settings = Settings(
        kafka_bootstrap_servers=kafka.bootstrap_servers, app_id=topic_prefix, partitions=NUM_PARTITIONS,
        plays_topic=f"{topic_prefix}.plays", short_term_topic=f"{topic_prefix}.short",
        long_term_topic=f"{topic_prefix}.long", dead_letter_topic=f"{topic_prefix}.dead",
        releases_topic=f"{topic_prefix}.releases",
        catalogue_topic=f"{topic_prefix}.catalogue",
    )  # fmt: skip
    await ensure_topics(settings)
    listening = draw_listening(600)
    recording = Recording.of(listening, split_plays(listening.plays), NUM_PARTITIONS)
    collector = Collector(recording, np.array([0]), Catalogue(["a"]), (1, 1))
    answer_topics = (settings.short_term_topic, settings.long_term_topic)
    reader = AnswerReader(kafka.connection, answer_topics, settings.dead_letter_topic, NUM_PARTITIONS, collector)
    playback = Playback(
        recording, collector, reader, kafka.connection,
        topic=settings.plays_topic, max_under_way=MAX_UNDER_WAY,
    )  # fmt: skip
    return Stage(settings, recording, collector, playback)


@contextlib.asynccontextmanager
async def echo(settings: Settings) -> AsyncIterator[None]:
    """Answer every play of the topic, with nothing, for as long as the context lasts."""
    servers = settings.kafka_bootstrap_servers
    consumer = AIOKafkaConsumer(settings.plays_topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    async with consumer, AIOKafkaProducer(bootstrap_servers=servers) as producer:

        async def answer() -> None:
            async for play in consumer:
                lineage = {"tracks": [], "source_partition": play.partition, "source_offset": play.offset}
                for topic in (settings.short_term_topic, settings.long_term_topic):
                    await producer.send(topic, msgspec.json.encode(lineage), play.key, partition=play.partition)

        answering = asyncio.create_task(answer())
        yield
        answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answering


async def test_every_play_is_sent_and_its_answers_found(stage: Stage) -> None:
    async with echo(stage.settings):
        await stage.playback.run(lambda _sent, _answered: None)

    assert (stage.collector.num_answers == 1).all()
    sent_at_ms, answered_at_ms = stage.playback.times_ms()
    assert len(sent_at_ms) == len(stage.recording)
    assert (answered_at_ms >= sent_at_ms).all()


async def test_the_number_of_plays_under_way_is_bounded(stage: Stage) -> None:
    under_way = []

    async with echo(stage.settings):
        await stage.playback.run(lambda sent, answered: under_way.append(sent - answered))

    assert under_way[-1] == 0
    assert max(under_way) < MAX_UNDER_WAY + module._SLICE_PLAYS


async def test_a_topic_with_another_producer_is_rejected(stage: Stage) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stage.settings.kafka_bootstrap_servers) as stranger:
        await stranger.send_and_wait(stage.settings.plays_topic, b"{}", b"u", partition=0)

    with pytest.raises(PlaybackError, match="has a record at offset 0 that this replay did not send"):
        await stage.playback.run(lambda _sent, _answered: None)


async def test_unanswered_plays_end_a_playback(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_STANDSTILL_S", 0.3)

    with pytest.raises(PlaybackError, match="0 of 600 are answered, 400 were sent"):
        await stage.playback.run(lambda _sent, _answered: None)


async def test_a_watch_may_end_a_playback(stage: Stage) -> None:
    def watch(sent: int, answered: int) -> None:
        raise InterruptedError(sent, answered)

    with pytest.raises(InterruptedError):
        await stage.playback.run(watch)
