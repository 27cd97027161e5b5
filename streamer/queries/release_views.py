"""Releases as they are shown to whoever asks."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from models.release_files import Description, Json
from streamer.releases.alias import Move, answered
from streamer.releases.judgement import Standing, measured_hit_rate, standing_of, verdict_of
from streamer.releases.overview import Overview, mark_of
from streamer.releases.registry import RegisteredRelease
from streamer.wire.views_hits import LiveHits
from streamer.wire.views_releases import (
    Interval,
    JudgedPlays,
    JudgementView,
    RefusalView,
    ReleasesView,
    ReleaseView,
    ReleaseWindow,
)

_Kind = TypeVar("_Kind")

_PASSED: Final = {Standing.PASSED: True, Standing.REFUSED: False, Standing.UNJUDGED: None}


def show_overview(overview: Overview, moves: Sequence[Move], live: Sequence[LiveHits]) -> ReleasesView:
    """Return the releases and the latest refusals.

    Args:
        overview: of the store.
        moves: how the champion changed, oldest first.
        live: how the lists of each reign fared, oldest first.
    """
    spans = answered(moves)

    def show(release: RegisteredRelease) -> ReleaseView:
        mark = mark_of(release.release_id, overview.champions)
        return _show(release, mark, spans.get(release.release_id, (None, None)), live)

    return ReleasesView(
        champion=overview.champions[-1].release_id if overview.champions else None,
        releases=tuple(map(show, overview.releases)),
        num_older=overview.num_releases - len(overview.releases),
        refusals=tuple(
            RefusalView(each.at_ms, each.trigger, each.champion, each.reason, each.verdict)
            for each in overview.refusals
        ),
        warning=overview.gone or None,
    )


def _show(
    release: RegisteredRelease, mark: str, span: tuple[int | None, int | None], live: Sequence[LiveHits]
) -> ReleaseView:
    description = release.description
    return ReleaseView(
        id=release.release_id,
        location=release.location,
        mark=mark,
        is_champion=mark == "champion",
        created_at_ms=None if description is None else description.created_at_ms,
        window=None if description is None else _window(description),
        hit_rate_at_20=None if description is None else measured_hit_rate(description.metrics),
        judgement=None if description is None else judgement_of(description.metrics),
        fault=release.fault or None,
        answered_from=span[0],
        answered_to=span[1],
        live=tuple(each for each in live if each.release == release.release_id),
    )


def _window(description: Description) -> ReleaseWindow:
    window = description.data_window
    return ReleaseWindow(window.from_ms, window.until_ms, window.num_plays, window.num_listeners)


def judgement_of(metrics: Mapping[str, Json]) -> JudgementView:
    """Return what the gate said; a release of another maker may hold anything in place of its evidence."""
    gate = _mapping(metrics.get("gate"))
    champion = _mapping(gate.get("champion"))
    return JudgementView(
        passed=_PASSED[standing_of(metrics)],
        verdict=verdict_of(metrics),
        judged=_convert(gate.get("judged"), JudgedPlays),
        figures=_intervals(gate.get("candidate")),
        champion=_convert(champion.get("release_id"), str),
        differences=_intervals(champion.get("newest")),
        baselines={
            name: _intervals(_mapping(lead).get("candidate")) for name, lead in _mapping(gate.get("baselines")).items()
        },
    )


def _intervals(figures: Json) -> dict[str, Interval]:
    found = {metric: _convert(figure, Interval) for metric, figure in _mapping(figures).items()}
    return {metric: interval for metric, interval in found.items() if interval is not None}


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _convert(value: Json, kind: type[_Kind]) -> _Kind | None:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None
