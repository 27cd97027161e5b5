"""Questions about listeners, as they come in over HTTP."""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from streamer.wire.messages import MAX_ID_BYTES
from streamer.wire.plays import check_id
from streamer.wire.views import ImaginedPlay

# As in plays, the limits are in the schema only, and `check_id` decides, which knows bytes.
_UserId: TypeAlias = Annotated[
    str,
    Meta(
        description=f"As plays name them, at most {MAX_ID_BYTES} bytes of UTF-8.",
        extra_json_schema={"minLength": 1, "maxLength": MAX_ID_BYTES},
    ),
]


class ListenerQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which listener."""

    user_id: _UserId

    def __post_init__(self) -> None:
        """Refuse what no play may name.

        Raises:
            ValueError: it is no id of a listener, says why.
        """
        if reason := check_id(self.user_id.encode(), "user_id"):
            raise ValueError(reason)


class ViewQuestion(ListenerQuestion, frozen=True, forbid_unknown_fields=True):
    """Which listener, and how much of them."""

    reasons: Annotated[bool, Meta(description="Whether each track says why it is there.")] = True


class WhatIfQuestion(ListenerQuestion, frozen=True, forbid_unknown_fields=True):
    """What if these plays came next, and those remembered ones had not been."""

    added: Annotated[tuple[ImaginedPlay, ...], Meta(max_length=64, description="Oldest first.")] = ()
    removed: Annotated[tuple[int, ...], Meta(max_length=64, description="Numbers of remembered plays.")] = ()


class FoundListener(msgspec.Struct, frozen=True):
    """A listener who was found."""

    user_id: str
