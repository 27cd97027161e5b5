"""The reasons for a track in plain words: the main ones first.

A reason says what speaks for the track. A group of numbers may raise its score and still hold nothing that does, since
each is weighed against that of the listener's mean candidate: such a group says nothing.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from models.serving.candidate_features import LEAST_CLOSENESS
from models.serving.reasons import Because, Counted, Reason
from models.wording import plural

_MOST: Final = 3

#: Below it, a cosine is shown as 0.
_LEAST_COSINE: Final = 0.005

_NOT_YET: Final = "you have not played it yet"
_NONE_ALONE: Final = "its score as a whole: nothing speaks for it by itself"


@dataclass(frozen=True, slots=True)
class Tracks:
    """The tracks of a release.

    Attributes:
        name: names the track of a catalogue row.
        num: how many there are.
    """

    name: Callable[[int], str]
    num: int


def words_of(reason: Reason, tracks: Tracks) -> tuple[str, ...]:
    """Put the reasons for a track that speak for it most into words, each once, at least one.

    The second stage decides where there is one; else the two terms of the first.

    Args:
        reason: of the track.
        tracks: that it is one of.
    """
    weights = _weights(reason)
    best = sorted((group for group in weights if weights[group] > 0), key=lambda group: -weights[group])
    said = dict.fromkeys(filter(None, (_WORDS[group](reason, tracks) for group in best)))
    return tuple(said)[:_MOST] or (_fit(reason) or _NONE_ALONE,)


def _weights(reason: Reason) -> Mapping[str, float]:
    if reason.second_stage is not None:
        return reason.second_stage.contributions
    if reason.counted is not None:  # a second stage, and no known play
        return {"popularity": 1.0}
    return {"taste": reason.cosine, "ring": reason.ring.total if reason.ring else 0.0}


def _taste(reason: Reason, tracks: Tracks) -> str:
    """Name a played track; the listed one itself only if there is no other, as the ring says it."""
    if other := next(_others(reason), None):
        return f"because you played {tracks.name(other.row)} {_ago(other.plays_ago)}"
    if reason.because:
        return _played(reason.because[0].plays_ago)
    return _fit(reason)


def _others(reason: Reason) -> Iterator[Because]:
    return (each for each in reason.because if each.row != reason.row)


def _fit(reason: Reason) -> str:
    return f"close to your taste (cosine {reason.cosine:.2f})" if reason.cosine >= _LEAST_COSINE else ""


def _ring(reason: Reason, _: Tracks) -> str:
    if reason.ring:
        return _played(reason.ring.plays_ago)
    return "you have not played it lately" if reason.counted and reason.counted.own_plays else _NOT_YET


def _after_current(reason: Reason, _: Tracks) -> str:
    if reason.counted is None:
        return ""
    return _more_often(reason.counted.lift_after_current, "right after the current track") or _more_often(
        reason.counted.lift_soon_after_current, "soon after the current track"
    )


def _after_last_two(reason: Reason, _: Tracks) -> str:
    return _more_often(reason.counted.lift_after_last_two, "after the last two tracks") if reason.counted else ""


def _more_often(lift: float, when: str) -> str:
    """Say a lift that is more than 1, also once it is rounded."""
    said = f"{lift:.3g}"
    return f"others play it {_plain(said)} times as often {when}" if math.isfinite(lift) and float(said) > 1 else ""


def _after_latest(reason: Reason, _: Tracks) -> str:
    counted = reason.counted
    is_more_than_usual = counted is not None and counted.share_after_latest > counted.popularity
    return "it comes soon after your latest tracks" if is_more_than_usual else ""


def _same_sessions(reason: Reason, _: Tracks) -> str:
    if reason.counted and reason.counted.closeness_recent > LEAST_CLOSENESS:
        return "it is played in the same sessions as your recent tracks"
    if reason.counted and reason.counted.closeness_latest > LEAST_CLOSENESS:
        return "it is played in the same sessions as your latest tracks"
    return ""


def _own_plays(reason: Reason, _: Tracks) -> str:
    times = reason.counted.own_plays if reason.counted else 0.0
    if times >= 1:
        return f"you played it {times:.3g} {'time' if times == 1 else 'times'}, older plays counting less"
    if times:
        return "you have played it before"
    return _played(reason.ring.plays_ago) if reason.ring else _NOT_YET


def _popularity(reason: Reason, tracks: Tracks) -> str:
    """Say a share of plays that is above that of the mean track; of a list by popularity, any."""
    if reason.counted is None:
        return ""
    usual = 1 / tracks.num if reason.second_stage else 0.0
    return _share(reason.counted, usual)


def _share(counted: Counted, usual: float) -> str:
    for share, of in ((counted.popularity_of_late, "recent plays"), (counted.popularity, "all plays")):
        if share > usual:
            return f"{_plain(f'{100 * share:.2g}')} % of {of} are of it"
    return ""


_WORDS: Final[Mapping[str, Callable[[Reason, Tracks], str]]] = {
    "taste": _taste,
    "ring": _ring,
    "after current": _after_current,
    "after last two": _after_last_two,
    "after latest": _after_latest,
    "same sessions": _same_sessions,
    "own plays": _own_plays,
    "popularity": _popularity,
}


def _played(plays_ago: int) -> str:
    return f"you played it {_ago(plays_ago)}"


def _ago(plays_ago: int) -> str:
    return "just now" if plays_ago == 0 else f"{plural(plays_ago, 'play')} ago"


def _plain(number: str) -> str:
    """Write a rounded number without an exponent."""
    return f"{Decimal(number):,f}"
