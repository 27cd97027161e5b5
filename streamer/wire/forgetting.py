"""Which letters name a forgotten listener: by the key of their play, or by the user id in its value.

A value that is no JSON, or whose `user_id` is no text, is searched for the id as a word. That may remove a letter of
another listener whose broken value mentions the id; such a letter can only be looked at, as no worker would accept it.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from streamer.wire.letters import RecordId


@dataclass(frozen=True, slots=True)
class ForgetRequest:
    """A request to remove the letters of a listener that were written before it.

    Attributes:
        place: of the request on the topic of dead letters.
        key: of its record.
        user: the user id in UTF-8.
    """

    place: RecordId
    key: bytes
    user: bytes

    def covers(self, place: RecordId) -> bool:
        """Return whether a letter is from before the tombstone; other partitions have no common order."""
        return place.partition != self.place.partition or place.offset < self.place.offset


class Names:
    """Finds which of some forgotten listeners a letter names.

    Args:
        requests: of those listeners.
    """

    def __init__(self, requests: Iterable[ForgetRequest]) -> None:
        self._requests: dict[bytes, list[ForgetRequest]] = defaultdict(list)
        for request in requests:
            self._requests[request.user].append(request)
        self._spellings = [(user, spelling) for user in self._requests for spelling in _spellings(user)]

    def is_forgotten(self, place: RecordId, key: bytes | None, value: bytes | None) -> bool:
        """Return whether a letter names a listener who was forgotten after it.

        Args:
            place: of the letter.
            key: of its play.
            value: of its play.
        """
        return bool(self._requests) and any(
            request.covers(place) for user in self._named(key, value) for request in self._requests[user]
        )

    def _named(self, key: bytes | None, value: bytes | None) -> set[bytes]:
        named = {key} if key is not None else set()
        user_id = _user_id(value)
        if user_id is not None:
            named.add(user_id)
        elif value:
            named |= {user for user, spelling in self._spellings if _mentions(value, spelling)}
        return named & self._requests.keys()


class _Named(msgspec.Struct):
    user_id: str


_read_name = msgspec.json.Decoder(_Named).decode


def _user_id(value: bytes | None) -> bytes | None:
    try:
        return _read_name(value or b"").user_id.encode()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _spellings(user: bytes) -> set[bytes]:
    """Return an id as UTF-8, and as JSON escapes it."""
    return {user, json.dumps(user.decode())[1:-1].encode(), msgspec.json.encode(user.decode())[1:-1]}


def _mentions(value: bytes, spelling: bytes) -> bool:
    if spelling not in value:  # most values, and faster than the expression
        return False
    return re.search(rb"(?<![\w-])" + re.escape(spelling) + rb"(?![\w-])", value) is not None
