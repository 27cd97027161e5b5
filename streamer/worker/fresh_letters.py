"""Fresh letters: the dead letters that a worker wrote a moment ago, for whoever watches; the topic holds them all."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from streamer.kafka.letters import Letter
from streamer.kafka.transaction import Records, Writes
from streamer.queries.new_letters import NAMED_S
from streamer.wire.letters import DeadLetterHeaders, RecordId, read_headers
from streamer.wire.views_workers import MOST_NAMED
from streamer.worker.intake import Intake
from streamer.worker.outputs import Topics, letter_of


class FreshLetters:
    """Keeps the newest letters.

    Args:
        topics: that a batch is written to.
        clock: seconds since the epoch.
    """

    def __init__(self, topics: Topics, clock: Callable[[], float] = time.time) -> None:
        self._topics = topics
        self._clock = clock
        self._newest: deque[Letter] = deque(maxlen=MOST_NAMED)

    def note(self, intakes: Sequence[Intake], writes: Sequence[Writes], ends: Sequence[Mapping[str, int]]) -> None:
        """Keep the letters of a batch that is on Kafka.

        Args:
            intakes: of its partitions.
            writes: what was written to each.
            ends: of each, by topic the offset behind the last record.
        """
        topic = self._topics.dead_letters
        for intake, written, of_topic in zip(intakes, writes, ends, strict=True):
            if intake.rejects:
                self._newest.extend(self._letters(intake, written.outputs[topic], of_topic[topic]))

    def named(self) -> list[Letter]:
        """Return the newest letters of the last seconds, oldest first; a broken producer causes thousands a second."""
        since_ms = int((self._clock() - NAMED_S) * 1000)
        return [letter for letter in self._newest if letter.at_ms >= since_ms]

    def _letters(self, intake: Intake, records: Records, end: int) -> Iterator[Letter]:
        """Yield the newest letters of a partition; other records may be between them."""
        offsets = {key: end - len(records) + place for place, key in enumerate(records.keys.to_list())}
        at_ms = int(self._clock() * 1000)
        for reject in intake.rejects[-MOST_NAMED:]:
            letter = letter_of(intake, reject, self._topics)
            headers = read_headers(letter.headers, DeadLetterHeaders)
            assert headers is not None, "they were made of it"
            value = None if headers.null_value else letter.value
            yield Letter(RecordId(intake.partition, offsets[letter.key]), at_ms, headers, headers.play_key, value)
