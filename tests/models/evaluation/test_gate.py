"""The gate: what is asked of a candidate, one rule after the other, and what the paragraph tells."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from models.evaluation.gate import BaselineLead, ChampionLead, Evidence, Judged, judge, refuse_bots
from models.evaluation.metrics import Estimate
from models.evaluation.panel import MIN_LISTENERS

HOUR_S, DAY_S = 3_600.0, 86_400.0
JUDGED = Judged(num_plays=2_034, num_listeners=311, is_long_known=True)
BETTER, SAME, WORSE = Estimate(0.04, 0.03, 0.05), Estimate(0.001, -0.01, 0.012), Estimate(-0.04, -0.05, -0.03)
METRICS = ("HR@20", "MRR@20", "recall@100")


def everywhere(estimate: Estimate, **others: Estimate) -> Mapping[str, Estimate]:
    """The same figure for every metric but some: HR, MRR and recall in short."""
    named = {"HR@20": "hr", "MRR@20": "mrr", "recall@100": "recall"}
    return {metric: others.get(named[metric], estimate) for metric in METRICS}


def champion(
    newest: Mapping[str, Estimate], then: Mapping[str, Estimate] | None = None, *, age_s: float = HOUR_S
) -> ChampionLead:
    return ChampionLead("r1", age_s, newest, None if then is None else JUDGED, then or {})


def evidence(
    rival: ChampionLead | None = None,
    *,
    judged: Judged = JUDGED,
    popularity: Estimate = BETTER,
    markov: Estimate = BETTER,
    champion_to_markov: Estimate = BETTER,
) -> Evidence:
    return Evidence(
        judged=judged,
        candidate=everywhere(Estimate(0.312, 0.29, 0.33)),
        baselines={
            "popularity": BaselineLead(everywhere(popularity), None if rival is None else everywhere(BETTER)),
            "markov": BaselineLead(everywhere(markov), None if rival is None else everywhere(champion_to_markov)),
        },
        champion=rival,
        traffic="",
    )


def refusal(found: Evidence) -> str:
    verdict = judge(found, fresh_after_s=DAY_S)
    assert verdict.paragraph.startswith(f"{'Published' if verdict.may_be_released else 'Refused'}: {verdict.reason}.")
    return "" if verdict.may_be_released else verdict.reason


def test_the_first_candidate_has_to_beat_popularity() -> None:
    assert refusal(evidence()) == ""
    assert refusal(evidence(popularity=SAME)) == "not surely better than popularity in HR@20"
    assert refusal(evidence(popularity=WORSE)) == "not surely better than popularity in HR@20"


def test_where_there_is_no_champion_other_baselines_stop_nobody() -> None:
    assert refusal(evidence(markov=WORSE)) == ""


def test_a_baseline_the_champion_has_overtaken_must_stay_behind() -> None:
    better = champion(everywhere(SAME, recall=BETTER))

    assert refusal(evidence(better, markov=SAME)) == "not surely better than markov in HR@20, as the champion is"
    assert refusal(evidence(better, markov=SAME, champion_to_markov=SAME)) == ""


def test_few_listeners_judge_nothing() -> None:
    few = Judged(num_plays=500, num_listeners=MIN_LISTENERS - 1, is_long_known=False)

    assert refusal(evidence(judged=few)) == "9 listeners are too few to judge by, 10 are needed"


@pytest.mark.parametrize("gain", ["hr", "mrr", "recall"])
def test_a_gain_in_one_metric_and_no_loss_replace_the_champion(gain: str) -> None:
    assert refusal(evidence(champion(everywhere(SAME, **{gain: BETTER})))) == ""


@pytest.mark.parametrize(("loss", "name"), [("hr", "HR@20"), ("mrr", "MRR@20"), ("recall", "recall@100")])
def test_a_loss_in_one_metric_keeps_the_champion(loss: str, name: str) -> None:
    lost = everywhere(BETTER, **{loss: WORSE})

    assert refusal(evidence(champion(lost))) == f"worse than the champion in {name} on the newest plays"
    assert (
        refusal(evidence(champion(everywhere(BETTER), lost)))
        == f"worse than the champion in {name} on the plays that one was judged on"
    )


def test_what_is_no_better_replaces_only_an_old_champion() -> None:
    young, old = champion(everywhere(SAME), age_s=HOUR_S), champion(everywhere(SAME), age_s=2 * DAY_S)

    assert refusal(evidence(young)).startswith("not surely better than the champion, which is only 60 min old")
    assert refusal(evidence(old)) == ""


def test_an_old_champion_is_not_replaced_by_what_is_worse() -> None:
    assert "worse than the champion in MRR@20" in refusal(
        evidence(champion(everywhere(SAME, mrr=WORSE), age_s=90 * DAY_S))
    )


def test_every_fault_is_told() -> None:
    found = evidence(champion(everywhere(WORSE)), popularity=SAME)

    assert refusal(found) == (
        "not surely better than popularity in HR@20, as the champion is; "
        "worse than the champion in HR@20, MRR@20 and recall@100 on the newest plays"
    )


def test_the_paragraph_tells_figures_plays_and_rivals() -> None:
    found = evidence(
        champion(everywhere(SAME, hr=BETTER), everywhere(SAME), age_s=3 * HOUR_S), markov=SAME, champion_to_markov=SAME
    )

    assert judge(found, fresh_after_s=DAY_S).paragraph == (
        "Published: better than the champion in HR@20, and worse in nothing. Judged on 2,034 plays of 311 long-known "
        "listeners, none of whom counts for more than 20 plays, the candidate has HR@20 0.312 [0.290, 0.330], MRR@20 "
        "0.312 [0.290, 0.330] and recall@100 0.312 [0.290, 0.330] (95 % intervals over listeners). Against the "
        "champion r1, 3 h old, that is HR@20 +0.040 [+0.030, +0.050], MRR@20 +0.001 [-0.010, +0.012] and recall@100 "
        "+0.001 [-0.010, +0.012]. On 2,034 plays of 311 long-known listeners that the champion was judged on when it "
        "was released: HR@20 +0.001 [-0.010, +0.012], MRR@20 +0.001 [-0.010, +0.012] and recall@100 +0.001 [-0.010, "
        "+0.012]. HR@20 against popularity +0.040 [+0.030, +0.050] and markov +0.001 [-0.010, +0.012]."
    )


def test_suspicious_plays_are_refused_with_what_stands_out() -> None:
    verdict = refuse_bots(20_000, 0.62, "90% of the plays were of one track (usual: 2%)")

    assert not verdict.may_be_released
    assert verdict.reason == "62% of the new plays look as if scripts had sent them"
    assert "In parts of the 20,000 new plays 90% of the plays were of one track (usual: 2%)." in verdict.paragraph
