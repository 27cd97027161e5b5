"""The gate: decides whether weights may be released, and explains the decision in one paragraph.

The rule. Differences are the candidate's figure minus the other's, on the panel's plays (`models.evaluation.panel`),
with 95 % intervals. "Significantly" means that the interval excludes zero.

1. The panel has at least ten listeners: fewer give no meaningful interval.
2. HR@20 is significantly above that of popularity: otherwise the weights have learned nothing beyond the charts. It is
   also significantly above that of every other baseline that the champion significantly beats on the same plays, so
   that no gain is given up. A baseline that the champion has not overtaken blocks no candidate, since it would not
   answer instead; the paragraph reports the difference. MRR@20 and recall@100 are not compared with baselines, some of
   which are good at one thing only.
3. In none of the three metrics is the candidate significantly below the champion, neither on the newest plays nor on
   the plays that the champion was judged on at its release. The candidate has learned from the latter, so it loses
   there only if later plays have spoiled it.
4. In at least one metric the candidate is significantly above the champion on the newest plays. Otherwise a change of
   weights helps no listener and makes every state be rebuilt. But a champion older than `fresh_after_s` is replaced by
   any candidate that is not worse: newer weights know newer tracks, which held-out plays cannot show.

Without a champion, or with one that cannot be loaded, 3 and 4 do not apply: workers without one answer nothing at all.
Scripted plays are removed beforehand (`models.plays.bots`): if too many of the new plays are suspicious, there is no
candidate, and `refuse_bots` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from models.evaluation.age import span
from models.evaluation.metrics import Estimate
from models.evaluation.panel import MAX_WEIGHT, MIN_LISTENERS
from models.wording import plural

MAX_SUSPICIOUS_SHARE: Final = 0.25
"""Share of the new plays: up to it, suspicious plays and those near them are left out; above it, none is trusted."""

POPULARITY: Final = "popularity"

Differences: TypeAlias = Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Judged:
    """The plays that a candidate was judged on.

    Attributes:
        num_plays: how many.
        num_listeners: how many listeners played them.
        is_long_known: whether only listeners with older plays are included.
    """

    num_plays: int
    num_listeners: int
    is_long_known: bool


@dataclass(frozen=True, slots=True)
class BaselineLead:
    """How far the candidate and the champion are ahead of a baseline.

    Attributes:
        candidate: the candidate's lead, by metric.
        champion: the champion's lead, by metric; None if there is no champion.
    """

    candidate: Differences
    champion: Differences | None


@dataclass(frozen=True, slots=True)
class ChampionLead:
    """How far the candidate is ahead of the champion.

    Attributes:
        release_id: the champion's.
        age_s: time since the champion was created.
        newest: the candidate's lead on the newest plays, by metric.
        reference: the plays that the champion was judged on; None if the window no longer holds enough of them.
        then: the candidate's lead on those, by metric.
    """

    release_id: str
    age_s: float
    newest: Differences
    reference: Judged | None
    then: Differences


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the gate considers.

    Attributes:
        judged: the newest plays.
        candidate: the candidate's figures on them, by metric.
        baselines: by name, popularity included.
        champion: None if there is none.
        traffic: a sentence on the plays left out; may be empty.
    """

    judged: Judged
    candidate: Mapping[str, Estimate]
    baselines: Mapping[str, BaselineLead]
    champion: ChampionLead | None
    traffic: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's decision.

    Attributes:
        may_be_released: False means refused.
        reason: in a few words.
        paragraph: the full explanation: what was compared, on which plays, with which figures, and why.
    """

    may_be_released: bool
    reason: str
    paragraph: str


def judge(evidence: Evidence, *, fresh_after_s: float) -> Verdict:
    """Decide by the rule above."""
    faults = list(_faults(evidence))
    if faults:
        return _verdict(evidence, "; ".join(faults), may_be_released=False)
    champion = evidence.champion
    if champion is None:
        return _verdict(evidence, "better than popularity, and there is no champion", may_be_released=True)
    if gains := _names(champion.newest, lambda each: each.low > 0):
        return _verdict(evidence, f"better than the champion in {gains}, and worse in no metric", may_be_released=True)
    if champion.age_s > fresh_after_s:
        reason = f"not worse than the champion, which is {span(champion.age_s)} old"
        return _verdict(evidence, reason, may_be_released=True)
    age = span(champion.age_s)
    reason = f"not significantly better than the champion, which is only {age} old; more plays may show a difference"
    return _verdict(evidence, reason, may_be_released=False)


def refuse_bots(num_new: int, suspicious_share: float, suspicions: str) -> Verdict:
    """Refuse to fit because too many of the new plays look scripted.

    Args:
        num_new: plays since the latest fit.
        suspicious_share: share of them that is suspicious.
        suspicions: what is unusual about them, in words.
    """
    reason = f"{suspicious_share:.0%} of the new plays look scripted"
    paragraph = (
        f"Refused before any fit: {reason}. In parts of the {num_new:,} new plays, {suspicions}. Weights can neither "
        "learn from such plays nor be judged on them, so later fits leave them out, and the next plays are checked "
        "separately. If these plays are real, wait: a pattern that lasts for most of a window counts as usual."
    )
    return Verdict(may_be_released=False, reason=reason, paragraph=paragraph)


def _faults(evidence: Evidence) -> Iterator[str]:
    if evidence.judged.num_listeners < MIN_LISTENERS:
        listeners = plural(evidence.judged.num_listeners, "listener is", "listeners are")
        yield f"{listeners} too few to judge by; at least {MIN_LISTENERS} are needed"
    for name, baseline in evidence.baselines.items():
        is_reached = baseline.champion is not None and baseline.champion["HR@20"].low > 0
        if (name == POPULARITY or is_reached) and not baseline.candidate["HR@20"].low > 0:
            yield f"not significantly better than {name} in HR@20" + (
                ", although the champion is" if is_reached else ""
            )
    if evidence.champion is not None:
        if losses := _names(evidence.champion.newest, lambda each: each.high < 0):
            yield f"worse than the champion in {losses} on the newest plays"
        if losses := _names(evidence.champion.then, lambda each: each.high < 0):
            yield f"worse than the champion in {losses} on the plays that the champion was judged on"


def _verdict(evidence: Evidence, reason: str, *, may_be_released: bool) -> Verdict:
    decision = "Passed" if may_be_released else "Refused"
    return Verdict(may_be_released, reason, " ".join([f"{decision}: {reason}.", *_sentences(evidence)]))


def _sentences(evidence: Evidence) -> Iterator[str]:
    yield (
        f"Judged on {_plays(evidence.judged)}, each of whom counts for at most {MAX_WEIGHT} plays, the candidate has "
        f"{_figures(evidence.candidate, '.3f')} (95 % intervals over listeners)."
    )
    if (champion := evidence.champion) is not None:
        yield (
            f"The difference from the champion {champion.release_id}, which is {span(champion.age_s)} old, is "
            f"{_figures(champion.newest, '+.3f')}."
        )
        if champion.reference is None:
            yield "The window no longer holds enough of the plays that the champion was judged on."
        else:
            yield (
                f"On {_plays(champion.reference)} that the champion was judged on at its release, it is "
                f"{_figures(champion.then, '+.3f')}."
            )
    else:
        yield "There is no champion to compare it with."
    leads = [f"{_estimate(each.candidate['HR@20'], '+.3f')} from {name}" for name, each in evidence.baselines.items()]
    yield f"The difference in HR@20 is {_enumerate(leads)}."
    if evidence.traffic:
        yield evidence.traffic


def _plays(judged: Judged) -> str:
    listener, more = ("long-known listener", "") if judged.is_long_known else ("listener", ", old and new")
    return f"{plural(judged.num_plays, 'play')} of {plural(judged.num_listeners, listener)}{more}"


def _figures(figures: Differences, layout: str) -> str:
    return _enumerate([f"{name} {_estimate(each, layout)}" for name, each in figures.items()])


def _estimate(estimate: Estimate, layout: str) -> str:
    return f"{estimate.mean:{layout}} [{estimate.low:{layout}}, {estimate.high:{layout}}]"


def _names(differences: Differences, is_so: Callable[[Estimate], bool]) -> str:
    return _enumerate([name for name, each in differences.items() if is_so(each)])


def _enumerate(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
