"""The gate: whether weights may be released, and one paragraph that says why.

The rule. Differences are the candidate's minus the other's, weighed by the jury (`models.evaluation.panel`), with 95 %
intervals.

1. Ten listeners at least judge: fewer make no interval.
2. Against popularity the interval of HR@20 lies above zero: weights that are not surely better than the charts have
   learned nothing. So does it against every other baseline that the champion is surely ahead of on the same plays: what
   was reached once is not given up. A baseline that the champion has not overtaken stops nobody, since it is not what
   would answer instead; the paragraph tells how far ahead it is. Of MRR@20 and recall@100 nothing is asked here: some
   baselines are good at one thing only.
3. Against the champion no interval of the three metrics lies below zero, neither on the newest plays nor on the plays
   that the champion itself was judged on when it was released. The candidate has learned from the latter, so it loses
   there only if what it learned since has spoiled it.
4. Against the champion one interval at least lies above zero on the newest plays. Where none does, a change of weights
   brings nobody anything, and costs every state a rebuild. But a champion older than `fresh_after_s` is replaced by
   what is not worse: newer weights know newer tracks, which no play held out can show.

Without a champion, or with one that cannot be loaded, 3 and 4 are not asked: workers without one answer nothing at all.
Plays sent by scripts are kept away beforehand (`models.plays.bots`): if too many of the new plays are suspicious there
is no candidate, and `refuse_bots` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from models.evaluation.age import span
from models.evaluation.metrics import Estimate
from models.evaluation.panel import MAX_WEIGHT, MIN_LISTENERS

MAX_SUSPICIOUS_SHARE: Final = 0.25
"""Of the new plays: below it the suspicious ones are left out, and those beside them; above it none is trusted."""

POPULARITY: Final = "popularity"

Differences: TypeAlias = Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Judged:
    """Some plays, and how the candidate did there.

    Attributes:
        num_plays: how many were asked.
        num_listeners: whose they are.
        is_long_known: whether only those sit who had been there before.
    """

    num_plays: int
    num_listeners: int
    is_long_known: bool


@dataclass(frozen=True, slots=True)
class BaselineLead:
    """Something that learns nothing but counts, against the candidate and the champion.

    Attributes:
        candidate: the candidate's lead over it, by metric.
        champion: the champion's lead over it; None where there is no champion.
    """

    candidate: Differences
    champion: Differences | None


@dataclass(frozen=True, slots=True)
class ChampionLead:
    """What is released now, against the candidate.

    Attributes:
        release_id: its name.
        age_s: since it was made.
        newest: by metric, on the newest plays.
        reference: the plays it was judged on itself; None where the window holds them no more.
        then: by metric, on those.
    """

    release_id: str
    age_s: float
    newest: Differences
    reference: Judged | None
    then: Differences


@dataclass(frozen=True, slots=True)
class Evidence:
    """All the gate looks at.

    Attributes:
        judged: the newest plays.
        candidate: its own figures there, by metric.
        baselines: by name; popularity is one.
        champion: None where there is none.
        traffic: a sentence on what was left out; may be empty.
    """

    judged: Judged
    candidate: Mapping[str, Estimate]
    baselines: Mapping[str, BaselineLead]
    champion: ChampionLead | None
    traffic: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided.

    Attributes:
        may_be_released: or else refused.
        reason: in a few words.
        paragraph: in full: what was compared, on what, with which figures, and why it was decided so.
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
        return _verdict(evidence, f"better than the champion in {gains}, and worse in nothing", may_be_released=True)
    if champion.age_s > fresh_after_s:
        reason = f"not worse than the champion, which is {span(champion.age_s)} old"
        return _verdict(evidence, reason, may_be_released=True)
    reason = f"not surely better than the champion, which is only {span(champion.age_s)} old; more plays may show more"
    return _verdict(evidence, reason, may_be_released=False)


def refuse_bots(num_new: int, suspicious_share: float, suspicions: str) -> Verdict:
    """Refuse plays that nobody should learn from.

    Args:
        num_new: plays since the latest fit.
        suspicious_share: of them.
        suspicions: in words.
    """
    reason = f"{suspicious_share:.0%} of the new plays look as if scripts had sent them"
    paragraph = (
        f"Refused before any fit: {reason}. In parts of the {num_new:,} new plays {suspicions}. Neither can weights "
        "learn from such plays nor be judged on them; they are left out of the fits to come, and the plays that come "
        "next are looked at by themselves. If these are real, wait: what lasts for most of a window counts as usual."
    )
    return Verdict(may_be_released=False, reason=reason, paragraph=paragraph)


def _faults(evidence: Evidence) -> Iterator[str]:
    if evidence.judged.num_listeners < MIN_LISTENERS:
        yield f"{evidence.judged.num_listeners} listeners are too few to judge by, {MIN_LISTENERS} are needed"
    for name, baseline in evidence.baselines.items():
        is_reached = baseline.champion is not None and baseline.champion["HR@20"].low > 0
        if (name == POPULARITY or is_reached) and not baseline.candidate["HR@20"].low > 0:
            yield f"not surely better than {name} in HR@20" + (", as the champion is" if is_reached else "")
    if evidence.champion is not None:
        if losses := _names(evidence.champion.newest, lambda each: each.high < 0):
            yield f"worse than the champion in {losses} on the newest plays"
        if losses := _names(evidence.champion.then, lambda each: each.high < 0):
            yield f"worse than the champion in {losses} on the plays that one was judged on"


def _verdict(evidence: Evidence, reason: str, *, may_be_released: bool) -> Verdict:
    decision = "Published" if may_be_released else "Refused"
    return Verdict(may_be_released, reason, " ".join([f"{decision}: {reason}.", *_sentences(evidence)]))


def _sentences(evidence: Evidence) -> Iterator[str]:
    yield (
        f"Judged on {_plays(evidence.judged)}, none of whom counts for more than {MAX_WEIGHT} plays, the candidate has "
        f"{_figures(evidence.candidate, '.3f')} (95 % intervals over listeners)."
    )
    if (champion := evidence.champion) is not None:
        yield (
            f"Against the champion {champion.release_id}, {span(champion.age_s)} old, that is "
            f"{_figures(champion.newest, '+.3f')}."
        )
        if champion.reference is None:
            yield "The plays that the champion was judged on are in the window no more."
        else:
            yield (
                f"On {_plays(champion.reference)} that the champion was judged on when it was released: "
                f"{_figures(champion.then, '+.3f')}."
            )
    else:
        yield "There is no champion to compare it with."
    against = [f"{name} {_estimate(each.candidate['HR@20'], '+.3f')}" for name, each in evidence.baselines.items()]
    yield f"HR@20 against {_enumerate(against)}."
    if evidence.traffic:
        yield evidence.traffic


def _plays(judged: Judged) -> str:
    whose = "long-known listeners" if judged.is_long_known else "listeners, all there are"
    return f"{judged.num_plays:,} plays of {judged.num_listeners:,} {whose}"


def _figures(figures: Differences, layout: str) -> str:
    return _enumerate([f"{name} {_estimate(each, layout)}" for name, each in figures.items()])


def _estimate(estimate: Estimate, layout: str) -> str:
    return f"{estimate.mean:{layout}} [{estimate.low:{layout}}, {estimate.high:{layout}}]"


def _names(differences: Differences, is_so: Callable[[Estimate], bool]) -> str:
    return _enumerate([name for name, each in differences.items() if is_so(each)])


def _enumerate(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
