"""The figures of a day: written to a file, drawn, and checked for failures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics import estimate
from models.plays.catalogue import track_keys
from models.release import Release
from streamer.releases.registry import Refusal
from tests.bench.day.notebook import Notes
from tests.bench.day.rates import binned, changes, days, hits_of, is_after
from tests.bench.day.run import Observations
from tests.bench.day.scale import DayScale

BIN_DAYS: Final = 1.5  # 3,500 plays: chance moves a rate by less than 0.01

LAST_DAYS: Final = 10
JUDGED_EVERY: Final = 3  # only every third play, for the releases left alone: judging all takes minutes
FROZEN: Final = ("first", "second")

Figures = dict[str, Any]


def describe(
    scale: DayScale, observations: Observations, releases: Sequence[Release], refusals: Sequence[Refusal]
) -> Figures:
    """Compute all figures.

    Args:
        scale: of the day.
        observations: of the run.
        releases: those that answered, in the order of `observations.notes.release_ids`.
        refusals: of the trainer, oldest first.
    """
    notes, frozen = observations.notes, _frozen(observations.notes, releases)
    lines = {"live": notes.hits, **frozen}
    sending_s = notes.sent_at_s[-1] - notes.sent_at_s[scale.demo.history_plays]
    return {
        "listeners": scale.demo.num_listeners,
        "tracks": scale.demo.num_tracks,
        "debut_share": scale.debut_share,
        "history_plays": scale.demo.history_plays,
        "days": round(float(days(notes)[-1]), 2),
        "sending_s": round(float(sending_s)),
        "balance": asdict(observations.balance) | {"faults": observations.balance.faults},
        "bin_days": BIN_DAYS,
        "lines": {name: [asdict(each) for each in binned(hits, notes, BIN_DAYS)] for name, hits in lines.items()},
        "lead_of_last_days": {"days": LAST_DAYS, **_leads(notes, frozen)},
        "releases": list(_releases(notes, releases)),
        "refusals": [_refusal(notes, refusal) for refusal in refusals],
        "bots": _bots(scale, notes, releases) | {"is_noticed": _are_noticed(notes, releases, refusals)},
    }


def complaints(figures: Figures) -> Iterator[str]:
    """Yield the failures of the day, if any."""
    bots = figures["bots"]
    if len(figures["releases"]) < 2:
        yield "no release followed the first"
    if bots["releases_that_know_their_tracks"]:
        yield f"fitted on plays of bots: {', '.join(bots['releases_that_know_their_tracks'])}"
    if not bots["is_noticed"]:
        yield "the trainer neither refused nor left out the plays of the bots"
    if not any(release["day"] > bots["until_day"] for release in figures["releases"]):
        yield "no release followed the bots"
    if faults := figures["balance"]["faults"]:
        yield f"{faults} plays or answers were lost or repeated"


def _frozen(notes: Notes, releases: Sequence[Release]) -> dict[str, NDArray[np.float64]]:
    """Return the hits of the first two releases, had they kept answering from their first answer on: float64 (P,) each.

    Only the second has a second stage, so part of the lead over the first is not a matter of age.
    """
    is_judged = ~notes.is_bot & (np.arange(len(notes.hits)) % JUDGED_EVERY == 0)
    return {
        name: hits_of(release.recommender, notes, is_judged & (notes.releases >= number))
        for number, (name, release) in enumerate(zip(FROZEN, releases, strict=False))
    }


def _leads(notes: Notes, frozen: Mapping[str, NDArray[np.float64]]) -> dict[str, Figures]:
    """Estimate the lead of the live answers over frozen releases, on the same plays of the last days."""
    late = (days(notes) > days(notes)[-1] - LAST_DAYS) & ~notes.is_bot
    leads = {}
    for name, hits in frozen.items():
        judged = late & ~np.isnan(hits)
        leads[name] = asdict(estimate((notes.hits - hits)[judged], notes.listeners[judged]))
    return leads


def _releases(notes: Notes, releases: Sequence[Release]) -> Iterator[Figures]:
    former = [
        hits_of(before.recommender, notes, is_after(notes, number)) for number, before in enumerate(releases[:-1], 1)
    ]
    for number, (release, change) in enumerate(zip(releases, [None, *changes(notes, former)], strict=True)):
        yield {
            "release": release.release_id,
            "day": _day(notes, int(np.flatnonzero(notes.releases == number)[0])),
            "published_day": _day(notes, _latest(notes, release.created_at_ms)),
            "trigger": release.metrics["trigger"],
            "fitted_on": release.data_window.num_plays,
            "verdict": release.metrics["verdict"],
            "change": None if change is None else asdict(change),
        }


def _refusal(notes: Notes, refusal: Refusal) -> Figures:
    return {
        "day": _day(notes, _latest(notes, refusal.at_ms)),
        "trigger": refusal.trigger,
        "reason": refusal.reason,
        "verdict": refusal.verdict,
    }


def _bots(scale: DayScale, notes: Notes, releases: Sequence[Release]) -> Figures:
    places = np.flatnonzero(notes.is_bot)
    keys = track_keys(scale.bots.track_ids)
    return {
        "accounts": scale.bots.num_bots,
        "lists": scale.bots.num_lists,
        "plays": len(places),
        "share": round(len(places) / int(places[-1] + 1 - places[0]), 3),
        "from_day": _day(notes, int(places[0])),
        "until_day": _day(notes, int(places[-1])),
        "releases_that_know_their_tracks": [
            release.release_id for release in releases if np.isin(keys, release.catalogue.keys).any()
        ],
    }


def _are_noticed(notes: Notes, releases: Sequence[Release], refusals: Sequence[Refusal]) -> bool:
    """Return whether any verdict since the bots came mentions scripts."""
    verdicts = [(refusal.at_ms, refusal.verdict) for refusal in refusals]
    verdicts += [(release.created_at_ms, str(release.metrics["verdict"])) for release in releases]
    return any("scripts" in verdict and notes.is_bot[: _latest(notes, at_ms) + 1].any() for at_ms, verdict in verdicts)


def _latest(notes: Notes, at_ms: int) -> int:
    """Return the index of the latest play sent before a time of the clock."""
    return max(0, int(np.searchsorted(notes.sent_at_s, at_ms / 1000)) - 1)


def _day(notes: Notes, play: int) -> float:
    return round(float(days(notes)[play]), 2)
