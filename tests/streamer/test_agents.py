"""The order of the story: what a crash finds depends on what comes last."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from streamer.agents import Answering
from streamer.gathering import Chunk, Gate
from tests.builders import play

#: What answering a batch would need: here nothing is answered.
UNUSED: Any = None


class Story(Answering):
    """Answering with its batches replaced by a note in a diary."""

    diary: list[str]
    fails: bool

    async def answer_batch(self, chunks: Sequence[Chunk]) -> None:
        await asyncio.sleep(0)  # a commit takes a while: an acknowledgement would find its chance
        if self.fails:
            raise RuntimeError("the transaction was not committed")
        self.diary.append(f"answered {len(chunks)}")


def story(*, fails: bool) -> Story:
    names = ("table", "fences", "engine", "releases", "metrics", "topics", "pick_answered", "belongs_here")
    told = Story(**dict.fromkeys(names, UNUSED), gate=Gate(), max_plays=1, max_wait_s=0.0)
    object.__setattr__(told, "diary", [])
    object.__setattr__(told, "fails", fails)
    return told


async def two_chunks(diary: list[str]) -> AsyncIterator[Chunk]:
    async def acknowledge() -> None:
        diary.append("acknowledged")

    for offset in (0, 1):
        yield Chunk(0, [play(offset, "u", "t1")], acknowledge)


async def test_a_chunk_is_acknowledged_only_when_its_batch_is_on_kafka_and_on_disk() -> None:
    told = story(fails=False)

    await told.answer_plays(two_chunks(told.diary))

    assert told.diary == ["answered 1", "acknowledged", "answered 1", "acknowledged"]


async def test_a_batch_that_failed_is_never_acknowledged() -> None:
    told = story(fails=True)

    with pytest.raises(RuntimeError):
        await told.answer_plays(two_chunks(told.diary))

    assert told.diary == []
