"""Views of releases, as JSON, and what is asked of them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from streamer.wire.views_hits import LiveHits

_EpochMs = Annotated[int, Meta(description="Milliseconds since 1970-01-01T00:00:00Z.")]
_ReleaseId = Annotated[str, Meta(pattern=r"^[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-[0-9a-f]{8}$")]
_InsteadOf = Annotated[
    _ReleaseId | None, Meta(description="The champion that it is to replace; if another is, nothing is changed.")
]


class PromotionQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which release becomes champion."""

    release_id: _ReleaseId
    force: Annotated[bool, Meta(description="Even if the gate refused it, or never judged it.")] = False
    instead_of: _InsteadOf = None


class RollbackQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which champion goes back to its predecessor."""

    instead_of: _InsteadOf = None


class Promoted(msgspec.Struct, frozen=True):
    """The champion now, and the one until then; workers load it within seconds."""

    champion: str
    previous: str | None
    skipped: Annotated[tuple[str, ...], Meta(description="Releases that were tried first, and why they were skipped.")]


class Interval(msgspec.Struct, frozen=True):
    """A figure with its 95 % interval."""

    mean: float
    low: float
    high: float


class ReleaseWindow(msgspec.Struct, frozen=True):
    """The plays that a release was fitted on."""

    from_ms: _EpochMs
    until_ms: _EpochMs
    num_plays: int
    num_listeners: int


class JudgedPlays(msgspec.Struct, frozen=True):
    """The plays that the gate judged a release on."""

    num_plays: int
    num_listeners: int


class JudgementView(msgspec.Struct, frozen=True):
    """What the gate said of a release, and what it went by."""

    passed: Annotated[bool | None, Meta(description="null: it was never judged.")]
    verdict: Annotated[str | None, Meta(description="The gate's paragraph.")]
    judged: JudgedPlays | None
    figures: Annotated[dict[str, Interval], Meta(description="Of the release, by metric.")]
    champion: Annotated[str | None, Meta(description="That it was compared with.")]
    differences: Annotated[dict[str, Interval], Meta(description="The release's figures minus that champion's.")]
    baselines: Annotated[
        dict[str, dict[str, Interval]], Meta(description="The release's figures minus each baseline's, by metric.")
    ]


class ReleaseView(msgspec.Struct, frozen=True):
    """A release; of a damaged one only `fault` and where it is are known."""

    id: str
    location: str
    mark: Annotated[str, Meta(description="`champion`, `before` for the one before it, or empty.")]
    is_champion: bool
    created_at_ms: _EpochMs | None
    window: ReleaseWindow | None
    hit_rate_at_20: Annotated[float | None, Meta(description="That the gate measured.")]
    judgement: JudgementView | None
    fault: Annotated[str | None, Meta(description="Why it is damaged.")]
    answered_from: Annotated[
        _EpochMs | None, Meta(description="When it became champion last; null: never, or the topic no longer says.")
    ]
    answered_to: Annotated[_EpochMs | None, Meta(description="Until when; null: it still is, or never was.")]
    live: Annotated[
        tuple[LiveHits, ...],
        Meta(
            description="How its lists fared each time it answered, oldest first, at all workers that can be reached."
        ),
    ]


class RefusalView(msgspec.Struct, frozen=True):
    """Why something was not released."""

    at_ms: _EpochMs
    trigger: str
    champion: str | None
    reason: str
    verdict: str


class ReleasesView(msgspec.Struct, frozen=True):
    """The releases and the latest refusals, newest first."""

    champion: str | None
    releases: tuple[ReleaseView, ...]
    num_older: Annotated[int, Meta(description="Releases that are older than those listed.")]
    refusals: tuple[RefusalView, ...]
    warning: Annotated[str | None, Meta(description="What is wrong, if no release is champion, or it is not there.")]
