"""Contact with Kafka: whether its brokers answer, and since when they have not.

The clients that do the work retry for ever and say nothing that a probe could read, so an outage looks like a topic
without plays. This asks on a connection of its own, every two seconds.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import Final

from aiokafka.errors import KafkaError

from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import Connection

logger = logging.getLogger(__name__)

_PERIOD_S: Final = 2.0
_ANSWER_LIMIT_S: Final = 4.0

#: Seconds without an answer after which contact counts as lost: longer than the election of a leader, and short enough
#: to be told within 15 s.
LOST_AFTER_S: Final = 10.0

#: Answers in a row without the topic after which it counts as deleted.
_MISSING_LIMIT: Final = 3

_DELETED: Final = (
    "the topic {} was deleted. States, archive and answers are kept. Create it again with the same number of "
    "partitions; then the next start says what does not fit, and names the remedy"
)


class Contact:
    """Asks Kafka who leads the partitions of a topic.

    Args:
        connection: to Kafka.
        topic: the plays; it exists.
        clock: seconds.

    Attributes:
        num_answers: received so far.
    """

    def __init__(self, connection: Connection, topic: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._topic = topic
        self._clock = clock
        self._answered_s = clock()
        self.num_answers = 0
        self._num_failures = 0
        self._num_missing = 0
        self._leaderless: Collection[int] = ()
        self._was_lost = False

    @property
    def unreachable_s(self) -> float:
        """Seconds since Kafka last answered, with a leader for each partition; 0 while it does."""
        return self._clock() - self._answered_s if self._num_failures else 0.0

    @property
    def is_lost(self) -> bool:
        """Whether no broker has answered for too long."""
        return not self._leaderless and self._is_overdue

    def reaches(self, partition: int) -> bool:
        """Whether what is known of a partition is current."""
        return not self._is_overdue or (bool(self._leaderless) and partition not in self._leaderless)

    def complaint(self) -> str:
        """Say what does not answer, and for how long; empty while contact is not lost."""
        if not self._is_overdue:
            return ""
        if self._leaderless:
            numbers = sorted(self._leaderless)
            return f"partitions {numbers} of {self._topic} have had no leader for {self.unreachable_s:.0f} s"
        return f"Kafka has not answered for {self.unreachable_s:.0f} s"

    async def run(self) -> None:
        """Ask until cancelled.

        Raises:
            ContractError: the topic was deleted.
        """
        while True:
            try:
                async with asyncio.timeout(_ANSWER_LIMIT_S) as limit, KafkaAdmin(self._connection) as admin:
                    while True:
                        self.note_answer(await admin.find_leaders(self._topic))
                        limit.reschedule(None)
                        await asyncio.sleep(_PERIOD_S)
                        limit.reschedule(asyncio.get_running_loop().time() + _ANSWER_LIMIT_S)
            except (KafkaError, OSError) as exc:  # a TimeoutError is an OSError
                self.note_failure(exc)
            await asyncio.sleep(_PERIOD_S)

    def note_answer(self, leaders: "dict[int, int] | None") -> None:
        """Note an answer: the leader of each partition, -1 for none; None if there is no such topic.

        Raises:
            ContractError: the topic was deleted.
        """
        self.num_answers += 1
        self._num_missing = self._num_missing + 1 if leaders is None else 0
        if self._num_missing >= _MISSING_LIMIT:
            raise ContractError(_DELETED.format(self._topic))
        self._leaderless = [partition for partition, leader in (leaders or {}).items() if leader < 0]
        if self._leaderless:
            self._note_problem()
            return
        silent_s, self._num_failures, self._answered_s = self.unreachable_s, 0, self._clock()
        if self._was_lost:
            self._was_lost = False
            logger.warning("Kafka answers again: after %.0f s", silent_s)

    def note_failure(self, cause: Exception) -> None:
        """Note that Kafka did not answer."""
        self._leaderless = ()
        self._note_problem(cause)

    @property
    def _is_overdue(self) -> bool:
        return self._num_failures > 1 and self.unreachable_s >= LOST_AFTER_S

    def _note_problem(self, cause: Exception | None = None) -> None:
        self._num_failures += 1
        if self._is_overdue and not self._was_lost:
            self._was_lost = True
            logger.error(
                "Kafka unreachable: %s%s; waiting for it",
                self.complaint(),
                f" ({str(cause) or type(cause).__name__})" if cause else "",
            )


async def check_exists(connection: Connection, topic: str) -> None:
    """Ask Kafka about a topic that existed, until it is there or as often missing as after a deletion.

    Raises:
        ContractError: it was deleted.
        KafkaError: Kafka does not answer.
    """
    async with KafkaAdmin(connection) as admin:
        for _ in range(_MISSING_LIMIT):
            if await admin.find_leaders(topic) is not None:
                return
            await asyncio.sleep(_PERIOD_S)
    raise ContractError(_DELETED.format(topic))
