"""What any question over HTTP may meet: the rights of who asks, and what went wrong."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from streamer.errors import Code


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why there is no answer."""

    code: Code
    message: Annotated[str, Meta(description="What, which, and what to do, in one line.")]
    partition: Annotated[int | None, Meta(description="Where a listener may live who is not here.")] = None


class Failure(msgspec.Struct, frozen=True):
    """The body of every answer with status 4xx or 5xx."""

    error: Problem


class Access(msgspec.Struct, frozen=True):
    """What whoever asks may do."""

    needs_token: Annotated[bool, Meta(description="Tokens are set: `Authorization: Bearer` is needed by everybody.")]
    rights: Annotated[tuple[Literal["read", "act"], ...], Meta(description="`act` includes `read`.")]
    message: Annotated[str | None, Meta(description="Why there are no rights, and what to do; null if there are.")]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question without details."""
