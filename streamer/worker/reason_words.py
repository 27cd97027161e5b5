"""The reasons for a track in plain words: the main ones first."""

from collections.abc import Callable, Mapping
from typing import Final

from models.serving.reasons import Reason
from models.wording import plural

_MOST: Final = 3

Name = Callable[[int], str]


def words_of(reason: Reason, name: Name) -> tuple[str, ...]:
    """Put the reasons for a track that speak for it most into words.

    The second stage decides where there is one; else the two terms of the first.

    Args:
        reason: of the track.
        name: names the track of a catalogue row.
    """
    weights = _weights(reason)
    order = sorted(weights, key=lambda group: -weights[group])
    best = [group for group in order if weights[group] > 0] or order[:1]
    said = (_WORDS[group](reason, name) for group in best)
    return tuple(words for words in said if words)[:_MOST]


def _weights(reason: Reason) -> Mapping[str, float]:
    if reason.second_stage is not None:
        return reason.second_stage.contributions
    if reason.counted is not None:  # a second stage, and no known play
        return {"popularity": 1.0}
    return {"taste": reason.cosine, "ring": reason.ring.total if reason.ring else 0.0}


def _taste(reason: Reason, name: Name) -> str:
    if not reason.because:
        return f"close to this listener's taste (cosine {reason.cosine:.2f})"
    first = reason.because[0]
    return f"because you played {name(first.row)} {_ago(first.plays_ago)}"


def _ring(reason: Reason, _: Name) -> str:
    return f"you played it {_ago(reason.ring.plays_ago)}" if reason.ring else "you have not played it just now"


def _after_current(reason: Reason, _: Name) -> str:
    lift = reason.counted.lift_after_current if reason.counted else 0.0
    return f"others play it {lift:.3g} times as often right after the current track"


def _after_last_two(reason: Reason, _: Name) -> str:
    lift = reason.counted.lift_after_last_two if reason.counted else 0.0
    return f"others play it {lift:.3g} times as often after the last two tracks"


def _after_latest(reason: Reason, _: Name) -> str:
    return "it comes soon after your latest tracks" if _of(reason, "share_after_latest") else ""


def _same_sessions(reason: Reason, _: Name) -> str:
    return "it is played in the same sessions as your recent tracks" if _of(reason, "closeness_recent") else ""


def _own_plays(reason: Reason, _: Name) -> str:
    times = _of(reason, "own_plays")
    words = f"{times:.3g} {'time' if times == 1 else 'times'}"
    return f"you played it {words}, older plays counting less" if times else "you have not played it yet"


def _popularity(reason: Reason, _: Name) -> str:
    return f"{100 * _of(reason, 'popularity_of_late'):.2g} % of recent plays are of it"


_WORDS: Final[Mapping[str, Callable[[Reason, Name], str]]] = {
    "taste": _taste,
    "ring": _ring,
    "after current": _after_current,
    "after last two": _after_last_two,
    "after latest": _after_latest,
    "same sessions": _same_sessions,
    "own plays": _own_plays,
    "popularity": _popularity,
}


def _of(reason: Reason, what: str) -> float:
    return float(getattr(reason.counted, what)) if reason.counted else 0.0


def _ago(plays_ago: int) -> str:
    return "just now" if plays_ago == 0 else f"{plural(plays_ago, 'play')} ago"
