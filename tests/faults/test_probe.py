"""How recoveries and gaps are computed from a probe's records."""

from __future__ import annotations

from tests.faults.probe import Probe

KILLED_AT_MS = 1_000.0


def probe(*answers: tuple[int, float]) -> Probe:
    """Return a probe that saw one partition: when each play was sent, and when its answer was read."""
    return Probe({0: list(answers)})


def test_an_answer_to_a_play_sent_before_the_kill_is_no_recovery() -> None:
    seen = probe((900, 950.0), (990, 1_010.0), (1_050, 4_000.0), (3_900, 4_001.0))

    assert seen.first_after(KILLED_AT_MS, 0) == 4_000.0


def test_a_partition_not_answered_yet_has_no_recovery() -> None:
    assert probe((900, 950.0)).first_after(KILLED_AT_MS, 0) is None


def test_the_gap_starts_at_the_last_answer_before_it() -> None:
    seen = probe((900, 950.0), (990, 1_010.0), (1_050, 4_010.0), (3_900, 4_020.0))

    assert seen.gap_s(KILLED_AT_MS, 0) == 3.0
    assert seen.gap_s(960.0, 0) == 3.0
    assert probe((900, 950.0), (1_050, 4_000.0)).gap_s(KILLED_AT_MS, 0) == 3.05
