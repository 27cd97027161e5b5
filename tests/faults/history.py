"""What listeners must have been answered when records were lost or repeated on purpose: which plays, how many so far.

The oracle folds one history from its beginning. Here a history has been cut: its topic was recreated, or the states
were given up, and offsets repeat. So the count of plays in each answer shows which state it came from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

import msgspec

from streamer.wire.messages import Recommendation
from tests.faults.account import Account
from tests.faults.harness import Deployment, read_topic
from tests.faults.load import Event

_read_answer: Final = msgspec.json.Decoder(Recommendation).decode

#: By listener, in order: offset and plays so far; None is a tombstone.
AnswerLog = dict[bytes, list[tuple[int, int] | None]]


class History:
    """The records applied so far, and the answers they must have had."""

    def __init__(self) -> None:
        self.answers: AnswerLog = defaultdict(list)
        self._plays_seen: Counter[bytes] = Counter()

    def apply(self, sent: Mapping[int, Mapping[int, Event]]) -> None:
        """Apply records, by partition and offset."""
        for events in sent.values():
            for offset, event in sorted(events.items()):
                if not event.is_bad:
                    self._apply_one(offset, event)

    def give_up_states(self) -> None:
        """Forget every state; later records start from nothing."""
        self._plays_seen.clear()

    def _apply_one(self, offset: int, event: Event) -> None:
        assert event.key is not None
        if event.forgets:
            self._plays_seen[event.key] = 0
            self.answers[event.key].append(None)
        else:
            self._plays_seen[event.key] += 1
            self.answers[event.key].append((offset, self._plays_seen[event.key]))


async def assert_answered(deployment: Deployment, history: History) -> None:
    """Fail if the answers in either topic differ from the history; the account is drawn up first."""
    lost = twice = out_of_order = 0
    wrong: dict[str, bytes] = {}
    for topic in (deployment.settings.short_term_topic, deployment.settings.long_term_topic):
        answers = await _read_answers(deployment, topic)
        for user in answers.keys() | history.answers.keys():
            given, wanted = Counter(answers[user]), Counter(history.answers[user])
            lost += (wanted - given).total()
            twice += (given - wanted).total()
            out_of_order += given == wanted and answers[user] != history.answers[user]
            if answers[user] != history.answers[user]:
                wrong[topic] = user
    plays = sum(answer is not None for answers in history.answers.values() for answer in answers)
    deployment.account = Account(plays, lost, twice, out_of_order, recoveries_s=())
    assert not wrong, f"{deployment.account}; the first in each topic: {wrong}"


async def _read_answers(deployment: Deployment, topic: str) -> AnswerLog:
    answers: AnswerLog = defaultdict(list)
    for record in await read_topic(deployment.bootstrap_servers, topic):
        answer = None if record.value is None else _read_answer(record.value)
        answers[record.key].append(None if answer is None else (answer.source_offset, answer.plays_seen))
    return answers
