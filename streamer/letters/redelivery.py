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

import time
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaProducer

from streamer.kafka.letters import Letter, count_partitions
from streamer.kafka.partitioner import PARTITIONERS
from streamer.kafka.producers import Delivery, send_all, transaction
from streamer.letters.choosing import Choice, Selection, Watch, fenced_portions, look_through, unwatched
from streamer.letters.desk import Desk
from streamer.wire.letters import MAX_DEAD_VALUE_BYTES, ResentHeaders, as_headers, receipt
from streamer.wire.messages import Cause

_PORTION: Final = 200  # letters in one transaction: 13 MiB if all have the maximum size
_CREATE_TIME: Final = 0  # Kafka's code for timestamps of the producer, here this command


@dataclass(slots=True)
class Dispatch(Selection):
    """The letters to send, and the outcomes.

    Attributes:
        desk: of the deployment.
        num_partitions: of `plays`.
        num_sent: letters accepted for sending.
        num_sent_before: letters that already have receipts.
        refused: letters that cannot be sent, counted by reason.
    """

    desk: Desk
    num_partitions: int
    num_sent: int = 0
    num_sent_before: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def takes(self, letter: Letter) -> bool:
        """Return whether to send a chosen letter, and count it."""
        if letter.is_sent:
            self.num_sent_before += 1
            self.note(letter, "was sent again before")
        elif reason := self.why_not(letter):
            self.refused[reason] += 1
            self.note(letter, reason)
        else:
            self.num_sent += 1
            return True
        return False

    def home(self, letter: Letter) -> int:
        """Return the partition of `plays` that the letter goes to."""
        if self.desk.partitioner and letter.key is not None:
            return PARTITIONERS[self.desk.partitioner](letter.key, self.num_partitions)
        return letter.headers.source_partition

    def why_not(self, letter: Letter) -> str | None:
        """Return why a letter cannot be sent, unless it was already; None if it can."""
        if letter.headers.source_topic != self.desk.plays_topic:
            return f"came from another topic than {self.desk.plays_topic}"
        if letter.headers.is_cut:
            return f"key or value truncated to {MAX_DEAD_VALUE_BYTES >> 10} KiB: only the producer has the whole play"
        if letter.key is None:
            return "without a key, so that no worker can take the play: fix the producer"
        if self.home(letter) >= self.num_partitions:
            return f"came from a partition that {self.desk.plays_topic} no longer has"
        if (cause := _next_cause(letter)) is not None:
            why = f"a worker would reject the same bytes again ({cause.words})"
            return f"{why}: fix the producer, which has to send the play"
        return None


async def preview(desk: Desk, choice: Choice, watch: Watch = unwatched) -> Dispatch:
    """Return what `send_again` would do now; send nothing.

    Raises:
        ContractError: one of the topics does not exist.
    """
    dispatch = await create_dispatch(desk, choice)
    await look_through(desk, dispatch, watch)
    return dispatch


async def send_again(desk: Desk, choice: Choice, watch: Watch = unwatched) -> Dispatch:
    """Send the chosen letters that have not been sent before and can be accepted; return the outcomes.

    Raises:
        ContractError: one of the topics does not exist.
        KafkaError: the current portion was not sent; those before it were.
    """
    dispatch = await create_dispatch(desk, choice)
    async with fenced_portions(desk, dispatch, _PORTION, watch) as (fence, portions):
        async for portion in portions:
            await _send(fence, dispatch, portion)
    return dispatch


async def create_dispatch(desk: Desk, choice: Choice) -> Dispatch:
    """Create what decides which letters are sent.

    Raises:
        ContractError: there is no topic of plays.
    """
    num_partitions = await count_partitions(desk.connection, desk.plays_topic)
    return Dispatch(choice, desk, num_partitions)


def _next_cause(letter: Letter) -> Cause | None:
    """Return why a worker would reject a letter if it were sent now, as far as its bytes tell."""
    from streamer.wire.plays import decode

    now_ms = time.time_ns() // 1_000_000
    rejects = decode([letter.key], [letter.value], [now_ms], [_CREATE_TIME]).rejects
    return rejects[0].cause if rejects else None


async def _send(fence: AIOKafkaProducer, dispatch: Dispatch, letters: Sequence[Letter]) -> None:
    """Send letters with their receipts in one transaction."""
    async with transaction(fence):
        await send_all(send for letter in letters for send in _sends(fence, dispatch, letter))


def _sends(fence: AIOKafkaProducer, dispatch: Dispatch, letter: Letter) -> Iterator[Awaitable[Delivery]]:
    """Yield what sends a letter, and what sends its receipt."""
    headers = as_headers(ResentHeaders(str(letter.place), letter.headers.times_sent + 1))
    yield fence.send(dispatch.desk.plays_topic, letter.value, letter.key, dispatch.home(letter), headers=headers)
    note, partition = receipt(letter.place.offset), letter.place.partition
    yield fence.send(dispatch.desk.dead_letter_topic, note.value, note.key, partition, headers=note.headers)
