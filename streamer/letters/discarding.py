"""Discarding letters: records that remove them, so that they are listed, counted and sent no more.

It takes the fence of the senders, so that a letter is not sent and discarded at the same time. A letter that is gone is
not chosen again, so the command may be interrupted and repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaProducer

from streamer.kafka.letters import Letter
from streamer.kafka.producers import send_all, transaction
from streamer.letters.choosing import Choice, Selection, Watch, fenced_portions, look_through, unwatched
from streamer.letters.desk import Desk
from streamer.wire.letters import LetterRecord, discard, removal

_PORTION: Final = 1000  # letters in one transaction


@dataclass(slots=True)
class Disposal(Selection):
    """The letters to discard.

    Attributes:
        num_discarded: letters taken.
    """

    num_discarded: int = 0

    def takes(self, letter: Letter) -> bool:  # noqa: ARG002  every chosen one
        """Count a chosen letter."""
        self.num_discarded += 1
        return True


async def preview_discard(desk: Desk, choice: Choice, watch: Watch = unwatched) -> Disposal:
    """Return what `discard_letters` would do now; discard nothing.

    Raises:
        ContractError: the topic does not exist.
    """
    disposal = Disposal(choice)
    await look_through(desk, disposal, watch)
    return disposal


async def discard_letters(desk: Desk, choice: Choice, watch: Watch = unwatched) -> Disposal:
    """Discard the chosen letters; return how many they were.

    Raises:
        ContractError: the topic does not exist.
        KafkaError: the current portion was not discarded; those before it were.
    """
    disposal = Disposal(choice)
    async with fenced_portions(desk, disposal, _PORTION, watch) as (fence, portions):
        async for portion in portions:
            await _discard(fence, desk.dead_letter_topic, portion)
    return disposal


async def _discard(fence: AIOKafkaProducer, topic: str, letters: Sequence[Letter]) -> None:
    records = [(letter.place.partition, _remover(letter)) for letter in letters]
    async with transaction(fence):
        await send_all(
            fence.send(topic, record.value, record.key, partition, headers=record.headers)
            for partition, record in records
        )


def _remover(letter: Letter) -> LetterRecord:
    """Return the record that removes a letter."""
    return removal(letter.headers.record_key) if letter.has_own_key else discard(letter.place.offset)
