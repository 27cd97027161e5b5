"""The letters that a command acts on: chosen, found in order, and handed out in portions behind a fence."""

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from aiokafka import AIOKafkaProducer

from streamer.kafka.clients import running
from streamer.kafka.letters import Letter, read_letters, survey_letters
from streamer.kafka.limits import read_batch_limit
from streamer.kafka.producers import create_transactional_producer
from streamer.letters.desk import Desk
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

#: Given the number of records, yields what is called with how many of them have been read.
Watch: TypeAlias = Callable[[int], AbstractContextManager[Callable[[int], None]]]


def unwatched(_: int) -> AbstractContextManager[Callable[[int], None]]:
    """Show nothing."""
    return nullcontext(lambda _: None)


@dataclass(slots=True)
class Selection:
    """Decides on letters one by one.

    Attributes:
        choice: the letters to act on.
        missing: letters named but not found yet.
        reasons: why letters that were named are not acted on.
    """

    choice: Choice
    missing: set[RecordId] = field(init=False)
    reasons: dict[RecordId, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Mark every named letter as missing."""
        self.missing = set(self.choice.places)

    def admits(self, letter: Letter) -> bool:
        """Return whether to act on the next letter, and count it."""
        if not self.choice.covers(letter):
            return False
        self.missing.discard(letter.place)
        return self.takes(letter)

    def note(self, letter: Letter, reason: str) -> None:
        """Note why a letter is not acted on, if it was named."""
        if letter.place in self.choice.places:
            self.reasons[letter.place] = reason

    @abstractmethod
    def takes(self, letter: Letter) -> bool:
        """Return whether to act on a chosen letter, and count it."""


async def look_through(desk: Desk, selection: Selection, watch: Watch) -> None:
    """Count what would be done now; do nothing.

    Raises:
        ContractError: the topic does not exist.
    """
    async with aclosing(read_all(desk, watch)) as letters:
        async for letter in letters:
            selection.admits(letter)


@asynccontextmanager
async def fenced_portions(
    desk: Desk, selection: Selection, size: int, watch: Watch
) -> AsyncIterator[tuple[AIOKafkaProducer, AsyncGenerator[list[Letter], None]]]:
    """Yield the fence of the commands that change letters, and the letters to act on, `size` at a time.

    Raises:
        ContractError: the topic does not exist.
    """
    async with (
        running(await create_fence(desk)) as fence,
        aclosing(_portions(desk, selection, size, watch)) as portions,
    ):
        yield fence, portions


async def create_fence(desk: Desk) -> AIOKafkaProducer:
    """Create a producer that, when it starts, fences the previous sender and ends its open transaction."""
    topics = (desk.plays_topic, desk.dead_letter_topic)
    return create_transactional_producer(
        desk.connection,
        max_batch_bytes=await read_batch_limit(desk.connection, topics),
        transactional_id=desk.fence_id,
        transaction_timeout_s=desk.transaction_timeout_s,
    )


async def _portions(desk: Desk, selection: Selection, size: int, watch: Watch) -> AsyncGenerator[list[Letter], None]:
    portion = list[Letter]()
    async with aclosing(read_all(desk, watch)) as letters:
        async for letter in letters:
            if selection.admits(letter):
                portion.append(letter)
            if len(portion) == size:
                yield portion
                portion = []
    if portion:
        yield portion


async def read_all(desk: Desk, watch: Watch = unwatched) -> AsyncGenerator[Letter, None]:
    """Yield the letters that are on the topic now and not gone.

    Raises:
        ContractError: the topic does not exist.
    """
    survey = await survey_letters(desk.connection, desk.dead_letter_topic, desk.extent)
    with watch(survey.num_records) as show:
        async with aclosing(read_letters(desk.connection, survey, show)) as letters:
            async for letter in letters:
                yield letter
