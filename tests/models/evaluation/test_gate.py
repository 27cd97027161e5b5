"""The gate: its rules, one by one, and the paragraph that explains a verdict."""

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
    """Give every metric the same figure, except those named: hr, mrr or recall."""
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


def refusal(candidate: Evidence) -> str:
    verdict = judge(candidate, fresh_after_s=DAY_S)
    assert verdict.paragraph.startswith(f"{'Passed' if verdict.may_be_released else 'Refused'}: {verdict.reason}.")
    return "" if verdict.may_be_released else verdict.reason


def test_the_first_candidate_has_to_beat_popularity() -> None:
    assert refusal(evidence()) == ""
    assert refusal(evidence(popularity=SAME)) == "not significantly better than popularity in HR@20"
    assert refusal(evidence(popularity=WORSE)) == "not significantly better than popularity in HR@20"


def test_without_a_champion_other_baselines_block_no_candidate() -> None:
    assert refusal(evidence(markov=WORSE)) == ""


def test_a_baseline_the_champion_has_overtaken_must_stay_behind() -> None:
    better = champion(everywhere(SAME, recall=BETTER))

    reason = "not significantly better than markov in HR@20, although the champion is"
    assert refusal(evidence(better, markov=SAME)) == reason
    assert refusal(evidence(better, markov=SAME, champion_to_markov=SAME)) == ""


def test_too_few_listeners_refuse_the_candidate() -> None:
    few = Judged(num_plays=500, num_listeners=MIN_LISTENERS - 1, is_long_known=False)

    assert refusal(evidence(judged=few)) == "9 listeners are too few to judge by; at least 10 are needed"


@pytest.mark.parametrize("gain", ["hr", "mrr", "recall"])
def test_a_gain_in_one_metric_and_no_loss_replace_the_champion(gain: str) -> None:
    assert refusal(evidence(champion(everywhere(SAME, **{gain: BETTER})))) == ""


@pytest.mark.parametrize(("loss", "name"), [("hr", "HR@20"), ("mrr", "MRR@20"), ("recall", "recall@100")])
def test_a_loss_in_one_metric_keeps_the_champion(loss: str, name: str) -> None:
    lost = everywhere(BETTER, **{loss: WORSE})

    assert refusal(evidence(champion(lost))) == f"worse than the champion in {name} on the newest plays"
    assert (
        refusal(evidence(champion(everywhere(BETTER), lost)))
        == f"worse than the champion in {name} on the plays that the champion was judged on"
    )


def test_an_equal_candidate_replaces_only_an_old_champion() -> None:
    young, old = champion(everywhere(SAME), age_s=HOUR_S), champion(everywhere(SAME), age_s=2 * DAY_S)

    assert refusal(evidence(young)).startswith("not significantly better than the champion, which is only 60 min old")
    assert refusal(evidence(old)) == ""


def test_a_worse_candidate_does_not_replace_an_old_champion() -> None:
    assert "worse than the champion in MRR@20" in refusal(
        evidence(champion(everywhere(SAME, mrr=WORSE), age_s=90 * DAY_S))
    )


def test_every_fault_is_named() -> None:
    worse = evidence(champion(everywhere(WORSE)), popularity=SAME)

    assert refusal(worse) == (
        "not significantly better than popularity in HR@20, although the champion is; "
        "worse than the champion in HR@20, MRR@20 and recall@100 on the newest plays"
    )


def test_the_paragraph_reports_figures_plays_and_rivals() -> None:
    better = evidence(
        champion(everywhere(SAME, hr=BETTER), everywhere(SAME), age_s=3 * HOUR_S), markov=SAME, champion_to_markov=SAME
    )

    assert judge(better, fresh_after_s=DAY_S).paragraph == (
        "Passed: better than the champion in HR@20, and worse in no metric. Judged on 2,034 plays of 311 long-known "
        "listeners, each of whom counts for at most 20 plays, the candidate has HR@20 0.312 [0.290, 0.330], MRR@20 "
        "0.312 [0.290, 0.330] and recall@100 0.312 [0.290, 0.330] (95 % intervals over listeners). The difference from "
        "the champion r1, which is 3 h old, is HR@20 +0.040 [+0.030, +0.050], MRR@20 +0.001 [-0.010, +0.012] and "
        "recall@100 +0.001 [-0.010, +0.012]. On 2,034 plays of 311 long-known listeners that the champion was judged "
        "on at its release, it is HR@20 +0.001 [-0.010, +0.012], MRR@20 +0.001 [-0.010, +0.012] and recall@100 +0.001 "
        "[-0.010, +0.012]. The difference in HR@20 is +0.040 [+0.030, +0.050] from popularity and +0.001 [-0.010, "
        "+0.012] from markov."
    )


def test_suspicious_plays_are_refused_with_what_is_unusual_about_them() -> None:
    verdict = refuse_bots(20_000, 0.62, "90% of the plays were of one track (usual: 2%)")

    assert not verdict.may_be_released
    assert verdict.reason == "62% of the new plays look scripted"
    assert "In parts of the 20,000 new plays, 90% of the plays were of one track (usual: 2%)." in verdict.paragraph
