import dataclasses
import json

import pytest

from streamer.demo.ledger import Balance
from streamer.demo.scores import Score
from streamer.demo.summary import Summary

CLEAN = Summary(
    balance=Balance(
        plays=1_000, applied=1_000, answered=400, lost=0, twice=0, unanswered=0, answered_twice=0, dead_letters=3,
        dead_letters_lost=0, dead_letters_undue=0,
    ),
    bad_sent=3,
    refrain=Score(0.4, 0.2, 0.35),
    popularity=Score(0.05, 0.01, 0.15),
    chance=Score(0.01, 0.0018, 0.05),
    restarts={"worker-1": 2},
    releases={"one": 0.25, "two": 0.5},
    first_answer_s=48.26,
    plays_per_s=299.96,
    latency_ms=[31.04, 97.5],
)  # fmt: skip


def test_the_last_line_is_for_machines() -> None:
    last = json.loads(CLEAN.to_text().splitlines()[-1])

    assert {name: last[name] for name in ("plays", "applied", "lost", "twice", "dead_letters")} == {
        "plays": 1_000, "applied": 1_000, "lost": 0, "twice": 0, "dead_letters": 3,
    }  # fmt: skip
    assert (last["plays_per_s"], last["latency_ms_p50"], last["latency_ms_p99"]) == (300.0, 31.0, 97.5)
    assert (last["hr_at_20"], last["mrr_at_20"], last["lt_recall_at_100"]) == (0.4, 0.2, 0.35)
    assert last["baselines"]["popularity"] == {"hr_at_20": 0.05, "mrr_at_20": 0.01, "lt_recall_at_100": 0.15}
    assert (last["restarts"], last["releases"], last["releases_hr_at_20"]) == (2, 2, [0.25, 0.5])
    assert set(last["baselines"]) == {"popularity", "chance"}


def test_people_read_the_hit_rate_of_each_release_and_what_was_started_again() -> None:
    lines = [line.strip() for line in CLEAN.to_text().splitlines()]

    assert "restarts       worker-1: 2" in lines
    assert lines[lines.index("releases       one, HR@20 0.250") + 1] == "two, HR@20 0.500"


@pytest.mark.parametrize(
    "fault", ["lost", "twice", "unanswered", "answered_twice", "dead_letters_lost", "dead_letters_undue"]
)
def test_any_fault_makes_a_demo_unclean(fault: str) -> None:
    faulty = dataclasses.replace(CLEAN, balance=dataclasses.replace(CLEAN.balance, **{fault: 1}))

    assert CLEAN.is_clean
    assert not faulty.is_clean


def test_a_demo_that_ended_before_its_first_answer_has_a_summary_too() -> None:
    nothing = Score(None, None, None)

    summary = dataclasses.replace(
        CLEAN,
        refrain=nothing,
        popularity=nothing,
        releases={},
        restarts={},
        first_answer_s=None,
        plays_per_s=0.0,
        latency_ms=[],
    )

    last = json.loads(summary.to_text().splitlines()[-1])
    assert last["latency_ms_p50"] is None
    assert last["hr_at_20"] is None
