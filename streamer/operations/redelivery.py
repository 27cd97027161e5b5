"""Re-sending letters: each goes to `plays` exactly once, as it was received, and counts as played now.

A letter and its receipt are one transaction. The receipt goes to the letter's own partition. Retention deletes a
partition from its beginning, so the receipt outlives its letter. Each letter is therefore sent once, in any portions,
however often the command is interrupted or repeated. (Committed group offsets would record how far a run has come, but
not which letters it selected by cause or one by one.) Each sender takes the fence `<app_id>-dead-letters` before it
reads the receipts: of two concurrent senders, only the later one sends.

Letters return to the partition they came from, in order. If the settings name a partitioner, they go to the partition
their key belongs to, which differs only for strays. A play that a worker would reject again as it is, is not sent: the
decoder of the workers decides. One that is sent names its letter, so that a next letter takes the place of this one.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaProducer

from streamer.kafka.clients import running
from streamer.kafka.connection import connection_of
from streamer.kafka.letters import Letter, count_partitions, read_letters, survey_letters
from streamer.kafka.limits import read_batch_limit
from streamer.kafka.partitioner import PARTITIONERS
from streamer.kafka.producers import create_transactional_producer
from streamer.settings import Settings
from streamer.wire.letters import MAX_DEAD_VALUE_BYTES, RecordId, ResentHeaders, as_headers, receipt
from streamer.wire.messages import Cause

_PORTION: Final = 200  # letters in one transaction: 13 MiB if all have the maximum size
_CREATE_TIME: Final = 0  # Kafka's code for timestamps of the producer, here this command


@dataclass(frozen=True, slots=True)
class Choice:
    """A selection of letters: those with some causes, or some by position.

    Attributes:
        causes: empty unless chosen by cause.
        places: empty unless chosen by position.
    """

    causes: Collection[Cause] = ()
    places: Collection[RecordId] = ()

    def covers(self, letter: Letter) -> bool:
        """Return whether a letter is selected."""
        return letter.headers.error in self.causes or letter.place in self.places


EVERY_LETTER: Final = Choice(causes=tuple(Cause))


@dataclass(slots=True)
class Dispatch:
    """Decides on letters one by one, and counts the outcomes.

    Attributes:
        settings: of the deployment.
        num_partitions: of `plays`.
        choice: the letters to send.
        num_sent: letters accepted for sending.
        num_sent_before: letters that already have receipts.
        refused: letters that cannot be sent, counted by reason.
        missing: letters named but not found yet.
    """

    settings: Settings
    num_partitions: int
    choice: Choice
    num_sent: int = 0
    num_sent_before: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    missing: set[RecordId] = field(init=False)

    def __post_init__(self) -> None:
        """Mark every named letter as missing."""
        self.missing = set(self.choice.places)

    def admits(self, letter: Letter) -> bool:
        """Return whether to send the next letter, and count it."""
        if not self.choice.covers(letter):
            return False
        self.missing.discard(letter.place)
        if letter.is_sent:
            self.num_sent_before += 1
        elif reason := self._why_not(letter):
            self.refused[reason] += 1
        else:
            self.num_sent += 1
            return True
        return False

    def home(self, letter: Letter) -> int:
        """Return the partition of `plays` that the letter goes to."""
        if self.settings.partitioner and letter.key is not None:
            return PARTITIONERS[self.settings.partitioner](letter.key, self.num_partitions)
        return letter.headers.source_partition

    def _why_not(self, letter: Letter) -> str | None:
        if letter.headers.source_topic != self.settings.plays_topic:
            return f"came from another topic than {self.settings.plays_topic}"
        if letter.headers.is_cut:
            return f"truncated to {MAX_DEAD_VALUE_BYTES >> 10} KiB, or their keys: only their producer has them whole"
        if letter.key is None:
            return "without a key, so that no worker can take them: fix their producer"
        if self.home(letter) >= self.num_partitions:
            return f"came from a partition that {self.settings.plays_topic} no longer has"
        if (cause := _next_cause(letter)) is not None:
            return f"a worker would reject them again as they are ({cause}): fix their producer, which has to send them"
        return None


async def preview(settings: Settings, choice: Choice) -> Dispatch:
    """Return what `send_again` would do now; send nothing.

    Raises:
        ContractError: one of the topics does not exist.
    """
    dispatch = await _create_dispatch(settings, choice)
    async with aclosing(read_all_letters(settings)) as letters:
        async for letter in letters:
            dispatch.admits(letter)
    return dispatch


async def send_again(settings: Settings, choice: Choice) -> Dispatch:
    """Send the chosen letters that have not been sent before and can be accepted; return the outcomes.

    Raises:
        ContractError: one of the topics does not exist.
        KafkaError: the current portion was not sent; those before it were.
    """
    dispatch = await _create_dispatch(settings, choice)
    async with running(await create_fence(settings)) as fence, aclosing(read_all_letters(settings)) as letters:
        portion = list[Letter]()
        async for letter in letters:
            if dispatch.admits(letter):
                portion.append(letter)
            if len(portion) == _PORTION:
                await _send(fence, dispatch, portion)
                portion = []
        if portion:
            await _send(fence, dispatch, portion)
    return dispatch


async def _create_dispatch(settings: Settings, choice: Choice) -> Dispatch:
    num_partitions = await count_partitions(connection_of(settings), settings.plays_topic)
    return Dispatch(settings, num_partitions, choice)


def _next_cause(letter: Letter) -> Cause | None:
    """Return why a worker would reject a letter if it were sent now, as far as its bytes tell."""
    from streamer.wire.plays import decode

    now_ms = time.time_ns() // 1_000_000
    rejects = decode([letter.key], [letter.value], [now_ms], [_CREATE_TIME]).rejects
    return rejects[0].cause if rejects else None


async def create_fence(settings: Settings) -> AIOKafkaProducer:
    """Create a producer that, when it starts, fences the previous sender and ends its open transaction."""
    topics = (settings.plays_topic, settings.dead_letter_topic)
    return create_transactional_producer(
        connection_of(settings),
        max_batch_bytes=await read_batch_limit(connection_of(settings), topics),
        transactional_id=f"{settings.app_id}-dead-letters",
        transaction_timeout_s=settings.transaction_timeout_s,
    )


async def read_all_letters(settings: Settings) -> AsyncGenerator[Letter, None]:
    """Yield the letters that are on the topic now and not gone.

    Raises:
        ContractError: the topic does not exist.
    """
    connection = connection_of(settings)
    survey = await survey_letters(connection, settings.dead_letter_topic)
    async with aclosing(read_letters(connection, survey)) as letters:
        async for letter in letters:
            yield letter


async def _send(fence: AIOKafkaProducer, dispatch: Dispatch, letters: Sequence[Letter]) -> None:
    """Send letters with their receipts in one transaction."""
    plays_topic, dead_letter_topic = dispatch.settings.plays_topic, dispatch.settings.dead_letter_topic
    async with fence.transaction():
        deliveries = []
        for letter in letters:
            note, partition = receipt(letter.place.offset), dispatch.home(letter)
            headers = as_headers(ResentHeaders(str(letter.place), letter.headers.times_sent + 1))
            deliveries += [
                await fence.send(plays_topic, letter.value, letter.key, partition, headers=headers),
                await fence.send(dead_letter_topic, note.value, note.key, letter.place.partition, headers=note.headers),
            ]
        await asyncio.gather(*deliveries)
