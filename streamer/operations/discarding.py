"""Discarding letters: records that remove them, so that they are listed, counted and sent no more.

It takes the fence of the senders, so that a letter is not sent and discarded at the same time. A letter that is gone is
not chosen again, so the command may be interrupted and repeated.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaProducer

from streamer.kafka.clients import running
from streamer.kafka.letters import Letter
from streamer.operations.redelivery import Choice, create_fence, read_all_letters
from streamer.settings import Settings
from streamer.wire.letters import RecordId, discard, removal

_PORTION: Final = 1000  # letters in one transaction


@dataclass(slots=True)
class Disposal:
    """Picks letters one by one, and counts them.

    Attributes:
        choice: the letters to discard.
        num_discarded: letters picked.
        missing: letters named but not found yet.
    """

    choice: Choice
    num_discarded: int = 0
    missing: set[RecordId] = field(init=False)

    def __post_init__(self) -> None:
        """Mark every named letter as missing."""
        self.missing = set(self.choice.places)

    def admits(self, letter: Letter) -> bool:
        """Return whether to discard the next letter, and count it."""
        if not self.choice.covers(letter):
            return False
        self.missing.discard(letter.place)
        self.num_discarded += 1
        return True


async def preview_discard(settings: Settings, choice: Choice) -> Disposal:
    """Return what `discard_letters` would do now; discard nothing.

    Raises:
        ContractError: the topic does not exist.
    """
    disposal = Disposal(choice)
    async with aclosing(read_all_letters(settings)) as letters:
        async for letter in letters:
            disposal.admits(letter)
    return disposal


async def discard_letters(settings: Settings, choice: Choice) -> Disposal:
    """Discard the chosen letters; return how many they were.

    Raises:
        ContractError: the topic does not exist.
        KafkaError: the current portion was not discarded; those before it were.
    """
    disposal = Disposal(choice)
    async with running(await create_fence(settings)) as fence, aclosing(read_all_letters(settings)) as letters:
        portion = list[Letter]()
        async for letter in letters:
            if disposal.admits(letter):
                portion.append(letter)
            if len(portion) == _PORTION:
                await _discard(fence, settings.dead_letter_topic, portion)
                portion = []
        if portion:
            await _discard(fence, settings.dead_letter_topic, portion)
    return disposal


async def _discard(fence: AIOKafkaProducer, topic: str, letters: Sequence[Letter]) -> None:
    async with fence.transaction():
        deliveries = []
        for letter in letters:
            key = letter.headers.record_key
            record = removal(key) if letter.has_own_key else discard(letter.place.offset)
            partition = letter.place.partition
            deliveries.append(await fence.send(topic, record.value, record.key, partition, headers=record.headers))
        await asyncio.gather(*deliveries)
