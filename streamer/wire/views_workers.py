"""The workers of a group, as one of them shows them."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from streamer.wire.views_figures import Figures
from streamer.wire.views_letters import LetterSummary
from streamer.wire.views_members import Said

#: Letters that a worker names to the others.
MOST_NAMED: Final = 20


class ShownSelf(Said, frozen=True):
    """What a worker says of itself to the others."""

    release: Annotated[str | None, Meta(description="The release that answers.")]
    figures: Annotated[Figures | None, Meta(description="Its latest second; null: the first is not over.")]
    letters: Annotated[
        tuple[LetterSummary, ...],
        Meta(max_length=MOST_NAMED, description="The newest dead letters that it wrote in the last seconds."),
    ] = ()


class ShownWorker(msgspec.Struct, frozen=True):
    """A worker."""

    identity: Annotated[str, Meta(description="`REFRAIN_INSTANCE_ID`, or a name that Kafka drew.")]
    url: Annotated[str | None, Meta(description="`REFRAIN_ADVERTISED_URL`; null if it told none.")]
    is_self: Annotated[bool, Meta(description="It is the worker that was asked.")]
    is_reachable: Annotated[bool, Meta(description="It answered the worker that was asked, just now.")]
    partitions: Annotated[tuple[int, ...], Meta(description="That it answers.")]
    standbys: Annotated[tuple[int, ...], Meta(description="Whose states it keeps as a replica.")]
    release: Annotated[str | None, Meta(description="The release that answers; null also if it is not reachable.")]


class ShownWorkers(msgspec.Struct, frozen=True):
    """Who answers which partition; while partitions move, who did before."""

    state: Literal["stable", "moving"]
    workers: Annotated[tuple[ShownWorker, ...], Meta(description="By identity.")]
    num_partitions: int
