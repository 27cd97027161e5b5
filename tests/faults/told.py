"""What listeners must have been told where records were lost or repeated on purpose: which plays, and how many so far.

The oracle folds one history from its beginning. Here a history has been cut: its topic was made anew, or the states
were given up, and offsets come again. So the count of plays in each answer says what the state behind it was.
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

#: By listener, in order: offset and plays so far; None where forgotten.
Told = dict[bytes, list[tuple[int, int] | None]]


class History:
    """What has been applied so far, one listener at a time."""

    def __init__(self) -> None:
        self.told: Told = defaultdict(list)
        self._plays_seen: Counter[bytes] = Counter()

    def go_on(self, sent: Mapping[int, Mapping[int, Event]]) -> None:
        """Apply records, by partition and offset."""
        for events in sent.values():
            for offset, event in sorted(events.items()):
                if not event.is_bad:
                    self._apply(offset, event)

    def give_up_states(self) -> None:
        """Go on without what was remembered."""
        self._plays_seen.clear()

    def _apply(self, offset: int, event: Event) -> None:
        assert event.key is not None
        if event.forgets:
            self._plays_seen[event.key] = 0
            self.told[event.key].append(None)
        else:
            self._plays_seen[event.key] += 1
            self.told[event.key].append((offset, self._plays_seen[event.key]))


async def assert_told(deployment: Deployment, history: History) -> None:
    """Fail where either topic says anything else; the account is drawn up first."""
    lost = twice = out_of_order = 0
    wrong: dict[str, bytes] = {}
    for topic in (deployment.settings.short_term_topic, deployment.settings.long_term_topic):
        told = await _told(deployment, topic)
        for user in told.keys() | history.told.keys():
            given, wanted = Counter(told[user]), Counter(history.told[user])
            lost += (wanted - given).total()
            twice += (given - wanted).total()
            out_of_order += given == wanted and told[user] != history.told[user]
            if told[user] != history.told[user]:
                wrong[topic] = user
    plays = sum(answer is not None for answers in history.told.values() for answer in answers)
    deployment.account = Account(plays, lost, twice, out_of_order, recoveries_s=())
    assert not wrong, f"{deployment.account}; the first in each topic: {wrong}"


async def _told(deployment: Deployment, topic: str) -> Told:
    told: Told = defaultdict(list)
    for record in await read_topic(deployment.bootstrap_servers, topic):
        answer = None if record.value is None else _read_answer(record.value)
        told[record.key].append(None if answer is None else (answer.source_offset, answer.plays_seen))
    return told
