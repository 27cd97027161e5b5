"""The summary of a demo, for people and, in its last line, for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from models.wording import plural
from streamer.demo.ledger import Balance
from streamer.demo.scores import MIN_TRUTH, WINDOW_PLAYS, Score

_EXPLANATION: Final = f"""
  HR@20 and MRR@20: was the next play in the short-term list, and at which place? recall@100: how
  many of the tracks of the next {WINDOW_PLAYS} plays, if at least {MIN_TRUTH}, were in the long-term list?
  Plays before the first release are applied but not answered.
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """The results of a demo.

    Attributes:
        balance: of its ledger.
        bad_sent: messages that no worker could read.
        refrain: score of the answers.
        popularity: score of popularity on the same plays.
        chance: expected score of random lists.
        restarts: how often each process was started again after it ended by itself, by name.
        releases: HR@20 of those whose answers were read, in order; None if none was scored.
        first_answer_s: from the start of the demo; None if there was none.
        plays_per_s: applied after the first answer.
        latency_ms: median and 99th percentile from sending a play to reading an answer; empty without answers.
    """

    balance: Balance
    bad_sent: int
    refrain: Score
    popularity: Score
    chance: Score
    restarts: Mapping[str, int]
    releases: Mapping[str, float | None]
    first_answer_s: float | None
    plays_per_s: float
    latency_ms: Sequence[float]

    @property
    def is_clean(self) -> bool:
        """Whether every play was applied and answered once, and every bad message became one dead letter."""
        return self.balance.faults == 0

    def to_text(self) -> str:
        """Format the summary for people, with the line for machines last."""
        table = "\n".join(_row(name, figures) for name, figures in self._comparison())
        facts = "".join(f"  {name:<15}{text}\n" for name, text in self._facts())
        head = "                  Refrain   popularity    chance"
        return f"\n{facts}\n{head}\n{table}\n{_EXPLANATION}\n{self.to_json()}\n"

    def _facts(self) -> Sequence[tuple[str, str]]:
        balance = self.balance
        since = "" if self.first_answer_s is None else f", the first after {self.first_answer_s:.0f} s"
        latency = "; answers after {:,.0f} ms (median), 99 % within {:,.0f} ms" if self.latency_ms else ""
        undue = f", and {balance.dead_letters_undue:,} of no bad play" if balance.dead_letters_undue else ""
        return (
            ("plays", f"{balance.plays:,} sent, {balance.applied:,} applied, {balance.answered:,} answered{since}"),
            ("faults", f"{plural(balance.lost, 'play')} lost, {balance.twice:,} applied twice"),
            ("", f"{plural(balance.unanswered, 'answer')} missing, {balance.answered_twice:,} given twice"),
            ("dead letters", f"{balance.dead_letters:,} of {plural(self.bad_sent, 'bad play')}{undue}"),
            ("restarts", ", ".join(f"{name}: {num}" for name, num in self.restarts.items()) or "none"),
            ("pace", f"{self.plays_per_s:,.0f} plays/s" + latency.format(*self.latency_ms)),
            *self._releases(),
        )

    def _releases(self) -> Sequence[tuple[str, str]]:
        rows = [f"{release}, HR@20 {_shown(hit_rate)}" for release, hit_rate in self.releases.items()] or ["none"]
        return [("" if number else "releases", row) for number, row in enumerate(rows)]

    def _comparison(self) -> Sequence[tuple[str, Sequence[float | None]]]:
        scores = (self.refrain, self.popularity, self.chance)
        return (
            ("HR@20", [score.hr_at_20 for score in scores]),
            ("MRR@20", [score.mrr_at_20 for score in scores]),
            ("recall@100", [score.lt_recall_at_100 for score in scores]),
        )

    def to_json(self) -> str:
        """Format the summary as JSON; a figure without data is null."""
        p50, p99 = self.latency_ms or (None, None)
        balance = self.balance
        figures = {
            "plays": balance.plays,
            "applied": balance.applied,
            "answered": balance.answered,
            "lost": balance.lost,
            "twice": balance.twice,
            "unanswered": balance.unanswered,
            "answered_twice": balance.answered_twice,
            "bad_plays": self.bad_sent,
            "dead_letters": balance.dead_letters,
            "restarts": sum(self.restarts.values()),
            "releases": len(self.releases),
            "releases_hr_at_20": [_rounded(hit_rate, 4) for hit_rate in self.releases.values()],
            "first_answer_s": _rounded(self.first_answer_s, 1),
            "plays_per_s": _rounded(self.plays_per_s, 1),
            "latency_ms_p50": _rounded(p50, 1),
            "latency_ms_p99": _rounded(p99, 1),
            **_figures(self.refrain),
            "baselines": {"popularity": _figures(self.popularity), "chance": _figures(self.chance)},
        }
        return msgspec.json.encode(figures).decode()


def _row(name: str, figures: Sequence[float | None]) -> str:
    refrain, popularity, chance = map(_shown, figures)
    return f"  {name:<15}{refrain:>10}{popularity:>13}{chance:>10}"


def _shown(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.3f}"


def _figures(score: Score) -> dict[str, float | None]:
    return {
        "hr_at_20": _rounded(score.hr_at_20, 4),
        "mrr_at_20": _rounded(score.mrr_at_20, 4),
        "lt_recall_at_100": _rounded(score.lt_recall_at_100, 4),
    }


def _rounded(figure: float | None, digits: int) -> float | None:
    return None if figure is None else round(figure, digits)
