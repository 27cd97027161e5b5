"""The order of the steps, on which a crash depends; and one uncomputable play, on a real Kafka."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamer.kafka.chunk import Chunk
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.releases.alias import move_alias
from streamer.settings import Settings
from streamer.wire.messages import ReleaseNotice
from streamer.worker.batching import Drain
from streamer.worker.pace import Pace
from streamer.worker.pipeline import Answering
from tests.builders import play, play_value, save_tiny_release
from tests.onkafka import Record, produce, read_committed
from tests.poison import SabotagedEngine, raises_over
from tests.working import until_marked, working

#: What answering a batch would take: here nothing is answered.
UNUSED: Any = None


class Diarist(Answering):
    """Answering that only notes each batch in a diary."""

    diary: list[str]
    fails: bool

    async def answer_batch(self, chunks: Sequence[Chunk]) -> None:
        await asyncio.sleep(0)  # a commit takes a while: a premature acknowledgement would come first
        if self.fails:
            raise RuntimeError("the transaction was not committed")
        self.diary.append(f"answered {len(chunks)}")


def make_diarist(*, fails: bool) -> Diarist:
    here = {"drain", "max_plays", "pace"}
    unused = [field.name for field in fields(Answering) if field.name not in here]
    diarist = Diarist(**dict.fromkeys(unused, UNUSED), drain=Drain(), max_plays=1, pace=Pace(0.0))
    object.__setattr__(diarist, "diary", [])
    object.__setattr__(diarist, "fails", fails)
    return diarist


async def two_chunks(diary: list[str]) -> AsyncIterator[Chunk]:
    async def acknowledge() -> None:
        diary.append("acknowledged")

    for offset in (0, 1):
        yield Chunk(0, [play(offset, "u", "t1")], 0.0, acknowledge)


async def test_a_chunk_is_acknowledged_only_when_its_batch_is_on_kafka_and_on_disk() -> None:
    diarist = make_diarist(fails=False)

    await diarist.answer_plays(two_chunks(diarist.diary))

    assert diarist.diary == ["answered 1", "acknowledged", "answered 1", "acknowledged"]


async def test_a_failed_batch_is_never_acknowledged() -> None:
    diarist = make_diarist(fails=True)

    with pytest.raises(RuntimeError):
        await diarist.answer_plays(two_chunks(diarist.diary))

    assert diarist.diary == []


@pytest.mark.kafka
async def test_an_uncomputable_play_is_a_dead_letter_and_all_others_are_answered(
    kafka: DevKafka, topic_prefix: str, tmp_path: Path
) -> None:
    at = kafka.bootstrap_servers
    settings = Settings(
        kafka_bootstrap_servers=at, app_id=topic_prefix, state_dir=tmp_path / "state", partitions=1, answer="each",
        releases_url=str(tmp_path / "releases"),
        plays_topic=f"{topic_prefix}.plays", short_term_topic=f"{topic_prefix}.short", device="cpu",
        long_term_topic=f"{topic_prefix}.long", dead_letter_topic=f"{topic_prefix}.dead",
        releases_topic=f"{topic_prefix}.releases", catalogue_topic=f"{topic_prefix}.catalogue",
    )  # fmt: skip
    await ensure_topics(settings)
    await move_alias(
        kafka.connection, settings.releases_topic, ReleaseNotice(*save_tiny_release(tmp_path / "releases"))
    )
    tracks = ["t1", "t2", "t5", "t3", "t5", "t1"]
    await produce(at, settings.plays_topic, *(play_value("u0", track) for track in tracks), key=b"u0")

    async with working(settings, SabotagedEngine(raises_over("t5"))) as answering:
        await until_marked(answering, 5)
        metrics = answering.metrics.registry

    letters = await read_committed(at, settings.dead_letter_topic)
    assert [offset_and_cause(letter) for letter in letters] == [("2", "uncomputable"), ("4", "uncomputable")]
    fresh = list(answering.letters._newest)
    assert [(each.place.offset, each.key, each.value) for each in fresh] == [
        (each.offset, b"u0", each.value) for each in letters
    ]
    assert [each.headers.source_offset for each in fresh] == [2, 4]
    for topic in (settings.short_term_topic, settings.long_term_topic):
        answers = [msgspec.json.decode(each.value or b"") for each in await read_committed(at, topic)]
        assert [(each["source_offset"], each["plays_seen"]) for each in answers] == [(0, 1), (1, 2), (3, 3), (5, 4)]
    assert metrics.get_sample_value("refrain_plays_judged_total") == 3  # u0 is in the sample
    assert (metrics.get_sample_value("refrain_step_cpu_seconds_total") or 0) > 0


def offset_and_cause(letter: Record) -> tuple[str, str]:
    """Return the source offset and the cause of a dead letter."""
    headers = dict(letter.headers)
    return headers["source-offset"].decode(), headers["error"].decode()
