"""Questions about listeners, as they come in over HTTP."""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from streamer.wire.messages import MAX_ID_BYTES
from streamer.wire.views import ImaginedPlay

_UserId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_ID_BYTES, description="As plays name them.")]


class ListenerQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which listener."""

    user_id: _UserId


class WhatIfQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What if these plays came next, and those remembered ones had not been."""

    user_id: _UserId
    added: Annotated[tuple[ImaginedPlay, ...], Meta(max_length=64, description="Oldest first.")] = ()
    removed: Annotated[tuple[int, ...], Meta(max_length=64, description="Numbers of remembered plays.")] = ()


class FoundListener(msgspec.Struct, frozen=True):
    """A listener who was found."""

    user_id: str
