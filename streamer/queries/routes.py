"""Routes: what can be asked, with which right, in which shape, and who answers."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

import msgspec
from aiohttp import web

from streamer.wire.views_access import Nothing

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

#: Headers between workers: the question was passed on, and where the listener does not live; see `peers`.
FORWARDED: Final = "Refrain-Forwarded"
LOOKED_IN: Final = "Refrain-Looked-In"

Question = TypeVar("Question", bound=msgspec.Struct)


class Right(StrEnum):
    """What whoever asks must be allowed: nothing, to look, or to change something."""

    NONE = "none"
    READ = "read"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Asked(Generic[Question]):
    """A question as it was asked.

    Attributes:
        question: the decoded one.
        request: what it came in.
        body: the bytes that it was decoded from.
    """

    question: Question
    request: web.Request
    body: bytes = b""

    @property
    def is_forwarded(self) -> bool:
        """Whether another worker asks on behalf of somebody."""
        return FORWARDED in self.request.headers

    @property
    def looked_in(self) -> Collection[int]:
        """Partitions in which other workers have looked for the listener in vain."""
        numbers = self.request.headers.get(LOOKED_IN, "").split(",")
        return frozenset(int(number) for number in numbers if number.isascii() and number.isdigit())


#: Answers with what msgspec writes as JSON, or with a response of its own.
Answer = Callable[[Asked[Any]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table of routes; dispatch and OpenAPI are made of it.

    Attributes:
        method: `GET` or `POST`.
        path: as aiohttp writes it, with variables in braces; never with a user id.
        right: that is needed.
        summary: a sentence for the documentation.
        answer: is given the question; returns an instance of `answers`, or a response of aiohttp.
        question: what a body of JSON is decoded to; of a GET, the query and the path's variables.
        answers: a type that msgspec knows; None if the answer is no JSON.
        media: the content type of the answer.
        events: by name, the type of the data of each event, where the answer is a stream of them.
    """

    method: str
    path: str
    right: Right
    summary: str
    answer: Answer
    question: type[msgspec.Struct] = Nothing
    answers: Any = None
    media: str = JSON
    events: Mapping[str, Any] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """What it is asked by: GET also as HEAD, for what has an end."""
        return ("GET", "HEAD") if self.method == "GET" and self.media != EVENTS else (self.method,)
