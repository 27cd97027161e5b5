"""Views: what a worker shows of a listener to whoever asks, as JSON."""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from streamer.wire.messages import Horizon

_EpochMs = Annotated[int, Meta(description="Milliseconds since 1970-01-01T00:00:00Z.")]


class ImaginedPlay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A play that has not happened."""

    track_id: str
    played_at: Annotated[_EpochMs | None, Meta(description="Absent: now.")] = None
    context: str | None = None
    skipped: bool | None = None


class RememberedPlay(msgspec.Struct, frozen=True):
    """One of the latest plays."""

    number: Annotated[int, Meta(ge=1, description="Among all plays of the listener; 1 is the first. Names the play.")]
    track_key: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    track_id: Annotated[str | None, Meta(description="null if the release does not know the track.")]
    played_at: _EpochMs
    context: str
    skipped: bool
    repeats: Annotated[bool, Meta(description="The track was among the 64 plays before.")]


class CountedTrack(msgspec.Struct, frozen=True):
    """How often a track was played, older plays counting less."""

    track_key: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    track_id: str | None
    plays: float


class ShownRing(msgspec.Struct, frozen=True):
    """What the ring adds to the score of a track that it holds; `total` is the sum of the other three."""

    plays_ago: int
    total: float
    recency: float | None
    times: float | None
    bigram: float | None


class ShownBecause(msgspec.Struct, frozen=True):
    """A played track without which the score of the first stage would be lower by `loss`."""

    track_id: str
    plays_ago: int
    loss: float


class ShownCounts(msgspec.Struct, frozen=True):
    """What counts say: how many times as often as overall, shares, closeness, and this listener's own plays."""

    lift_after_current: float
    lift_after_last_two: float
    lift_soon_after_current: float
    share_after_latest: float
    closeness_latest: float
    closeness_recent: float
    times_next: float
    own_plays: float
    popularity: float
    popularity_of_late: float


class ShownSecondStage(msgspec.Struct, frozen=True):
    """The logit: that of the listener's mean candidate, and what each group of features adds (Shapley values)."""

    logit: float
    mean: float
    contributions: dict[str, float]


class Why(msgspec.Struct, frozen=True):
    """Why a track is in a list: the score of the first stage is the cosine plus the ring's total, if there is one."""

    words: Annotated[tuple[str, ...], Meta(description="The main reasons in plain words, the first one first.")]
    cosine: float
    ring: ShownRing | None
    because: tuple[ShownBecause, ...]
    counts: ShownCounts | None
    second_stage: ShownSecondStage | None


class ShownTrack(msgspec.Struct, frozen=True):
    """A track of a list, with its score as in `Recommendation`."""

    track_id: str
    score: float
    why: Why | None = None


class ShownList(msgspec.Struct, frozen=True):
    """A list, best first."""

    horizon: Horizon
    tracks: tuple[ShownTrack, ...]


Lists: TypeAlias = tuple[ShownList, ...]


class ShownLineage(msgspec.Struct, frozen=True):
    """Where a state comes from."""

    partition: int
    source_offset: Annotated[int, Meta(description="Of the latest play.")]
    played_at: _EpochMs
    plays_seen: int
    plays_folded: Annotated[int, Meta(description="Plays that the hidden units contain.")]
    repeats_seen: int
    release: Annotated[str | None, Meta(description="That made the state; null if it is not the one that answers.")]
    release_key: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    promoted_at: Annotated[_EpochMs | None, Meta(description="When that release became champion.")]
    state_bytes: int


class ListenerView(msgspec.Struct, frozen=True):
    """A listener as a worker sees them: without a state if they have not played here, without lists until a release."""

    user_id: str
    release: Annotated[str | None, Meta(description="The release that answers.")]
    lineage: ShownLineage | None
    is_rebuilt: Annotated[bool, Meta(description="The lists are of a state that was rebuilt for this release.")]
    plays: Annotated[tuple[RememberedPlay, ...], Meta(description="Latest first.")]
    counts: Annotated[tuple[CountedTrack, ...], Meta(description="Most played first.")]
    lists: Lists


class WhatIf(msgspec.Struct, frozen=True):
    """Both lists as they are, and as they would be; nothing was written.

    If plays are removed, both are of states rebuilt from the remembered plays alone, so that they differ by the plays.
    """

    user_id: str
    release: str
    is_rebuilt: bool
    num_covered: Annotated[int, Meta(description="Plays that the imagined state contains.")]
    before: Lists
    after: Lists
