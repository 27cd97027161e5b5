"""The letters that a command acts on: chosen, found in order, and handed out in portions behind a fence."""

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaProducer

from streamer.kafka.clients import running
from streamer.kafka.connection import connection_of
from streamer.kafka.letters import Letter, read_letters, survey_letters
from streamer.kafka.limits import read_batch_limit
from streamer.kafka.producers import create_transactional_producer
from streamer.runtime.progress import progress
from streamer.settings import Settings
from streamer.wire.letters import RecordId
from streamer.wire.messages import Cause


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
class Selection:
    """Decides on letters one by one.

    Attributes:
        choice: the letters to act on.
        missing: letters named but not found yet.
    """

    choice: Choice
    missing: set[RecordId] = field(init=False)

    def __post_init__(self) -> None:
        """Mark every named letter as missing."""
        self.missing = set(self.choice.places)

    def admits(self, letter: Letter) -> bool:
        """Return whether to act on the next letter, and count it."""
        if not self.choice.covers(letter):
            return False
        self.missing.discard(letter.place)
        return self.takes(letter)

    @abstractmethod
    def takes(self, letter: Letter) -> bool:
        """Return whether to act on a chosen letter, and count it."""


async def look_through(settings: Settings, selection: Selection) -> None:
    """Count what would be done now; do nothing.

    Raises:
        ContractError: the topic does not exist.
    """
    async with aclosing(_read_all(settings)) as letters:
        async for letter in letters:
            selection.admits(letter)


@asynccontextmanager
async def fenced_portions(
    settings: Settings, selection: Selection, size: int
) -> AsyncIterator[tuple[AIOKafkaProducer, AsyncGenerator[list[Letter], None]]]:
    """Yield the fence of the commands that change letters, and the letters to act on, `size` at a time.

    Raises:
        ContractError: the topic does not exist.
    """
    async with (
        running(await create_fence(settings)) as fence,
        aclosing(_portions(settings, selection, size)) as portions,
    ):
        yield fence, portions


async def create_fence(settings: Settings) -> AIOKafkaProducer:
    """Create a producer that, when it starts, fences the previous sender and ends its open transaction."""
    topics = (settings.plays_topic, settings.dead_letter_topic)
    return create_transactional_producer(
        connection_of(settings),
        max_batch_bytes=await read_batch_limit(connection_of(settings), topics),
        transactional_id=f"{settings.app_id}-dead-letters",
        transaction_timeout_s=settings.transaction_timeout_s,
    )


async def _portions(settings: Settings, selection: Selection, size: int) -> AsyncGenerator[list[Letter], None]:
    portion = list[Letter]()
    async with aclosing(_read_all(settings)) as letters:
        async for letter in letters:
            if selection.admits(letter):
                portion.append(letter)
            if len(portion) == size:
                yield portion
                portion = []
    if portion:
        yield portion


async def _read_all(settings: Settings) -> AsyncGenerator[Letter, None]:
    """Yield the letters that are on the topic now and not gone.

    Raises:
        ContractError: the topic does not exist.
    """
    connection = connection_of(settings)
    survey = await survey_letters(connection, settings.dead_letter_topic)
    with progress("letters", survey.num_records, "records of them") as show:
        async with aclosing(read_letters(connection, survey, show)) as letters:
            async for letter in letters:
                yield letter
