import dataclasses

import pytest

from streamer.demo.ledger import TAKE_UP_S, Balance, Ledger

CLEAN = Balance(
    plays=0, applied=0, answered=0, lost=0, twice=0, unanswered=0, answered_twice=0, dead_letters=0,
    dead_letters_lost=0, dead_letters_undue=0,
)  # fmt: skip


def balance(**figures: int) -> Balance:
    return dataclasses.replace(CLEAN, **figures)


def ledger_of(*plays: tuple[str, int, int]) -> Ledger:
    """Return a ledger of two partitions with plays sent at 0 s: user, partition, offset."""
    ledger = Ledger(num_partitions=2)
    for user, partition, offset in plays:
        ledger.send_play(user, partition, offset, 0.0)
    return ledger


def answer(ledger: Ledger, partition: int, *offsets: int, at_s: float = 1.0) -> None:
    for offset in offsets:
        ledger.answer("short-term", partition, offset, at_s)
        ledger.answer("long-term", partition, offset, at_s)


def test_plays_applied_and_answered_once_leave_no_fault() -> None:
    ledger = ledger_of(("ann", 0, 0), ("ann", 0, 1), ("bob", 1, 0))

    ledger.apply("ann", 1)
    ledger.apply("ann", 2)
    ledger.apply("bob", 1)
    answer(ledger, 0, 0, 1)
    answer(ledger, 1, 0)

    assert ledger.balance() == balance(plays=3, applied=3, answered=3)
    assert ledger.balance().faults == 0


def test_a_play_that_moved_no_state_is_lost() -> None:
    ledger = ledger_of(("ann", 0, 0), ("ann", 0, 1), ("bob", 1, 0))

    ledger.apply("ann", 1)

    assert ledger.balance() == balance(plays=3, applied=1, lost=2)
    assert ledger.lag == 2


def test_one_listener_s_second_step_does_not_make_up_for_another_s_lost_play() -> None:
    ledger = ledger_of(("ann", 0, 0), ("bob", 1, 0))

    ledger.apply("ann", 2)

    assert ledger.balance() == balance(plays=2, applied=2, lost=1, twice=1)
    assert ledger.balance().faults == 2


def test_the_state_of_a_listener_without_plays_counts_as_an_extra_step() -> None:
    ledger = ledger_of()

    ledger.apply("nobody", 1)

    assert ledger.balance().twice == 1


def test_no_answer_is_due_before_the_first_one_of_a_partition() -> None:
    ledger = ledger_of(("ann", 0, 0), ("ann", 0, 1), ("ann", 0, 2), ("ann", 0, 3))

    answer(ledger, 0, 3, 2)  # of one batch, in any order

    assert ledger.balance().unanswered == 0


def test_a_missing_answer_after_the_first_is_a_fault() -> None:
    ledger = ledger_of(("ann", 0, 0), ("ann", 0, 1), ("ann", 0, 2))

    answer(ledger, 0, 0, 2)

    assert ledger.balance().unanswered == 2  # one per horizon


def test_a_partition_still_silent_long_after_another_answered_is_a_fault() -> None:
    ledger = ledger_of(("ann", 0, 0))
    answer(ledger, 0, 0, at_s=1.0)

    ledger.send_play("bob", 1, 0, 1.0 + TAKE_UP_S / 2)
    ledger.send_play("bob", 1, 1, 1.0 + TAKE_UP_S)

    assert ledger.balance().unanswered == 2


def test_a_repeated_answer_is_a_fault() -> None:
    ledger = ledger_of(("ann", 0, 0))

    answer(ledger, 0, 0)
    ledger.answer("long-term", 0, 0, 2.0)

    assert ledger.balance().answered_twice == 1


def test_an_answer_read_before_the_acknowledgement_is_no_fault() -> None:
    ledger = ledger_of()

    answer(ledger, 0, 0, at_s=0.25)
    ledger.send_play("ann", 0, 0, 0.0)

    assert ledger.balance().faults == 1  # its step, which was not recorded
    assert ledger.latency_ms((50,)) == [250.0]


def test_an_answer_to_a_play_never_sent_is_a_fault() -> None:
    ledger = ledger_of(("ann", 0, 0))

    answer(ledger, 0, 0, 7)

    assert ledger.balance().answered_twice == 2


def test_latency_runs_from_sending_a_play_to_reading_its_answer() -> None:
    ledger = Ledger(num_partitions=1)

    for offset in range(4):
        ledger.send_play("ann", 0, offset, float(offset))
        answer(ledger, 0, offset, at_s=offset + 0.1 * (offset + 1))

    assert ledger.latency_ms((0, 100)) == pytest.approx([100, 400])
    assert ledger.latency_ms((50,), latest=2) == pytest.approx([400])


def test_there_is_no_latency_before_the_first_answer() -> None:
    assert ledger_of(("ann", 0, 0)).latency_ms((50, 99)) == []


def test_plays_sent_before_the_first_answer_are_counted() -> None:
    ledger = ledger_of(("ann", 0, 0), ("ann", 0, 1))

    answer(ledger, 0, 0, at_s=5.0)
    ledger.send_play("ann", 0, 2, 6.0)

    assert (ledger.first_answer_s, ledger.num_plays_before_answers) == (5.0, 2)


def test_every_bad_message_becomes_one_dead_letter() -> None:
    ledger = ledger_of()
    for offset in range(3):
        ledger.send_bad(0, offset, 0.0)

    ledger.bury(0, 0, 1.0)
    ledger.bury(0, 1, 1.0)
    ledger.bury(0, 1, 1.0)

    assert ledger.balance() == balance(dead_letters=2, dead_letters_lost=1, dead_letters_undue=1)


def test_a_good_play_among_the_dead_letters_is_a_fault() -> None:
    ledger = ledger_of(("ann", 0, 0))
    ledger.apply("ann", 1)

    ledger.bury(0, 0, 1.0)

    assert ledger.balance() == balance(plays=1, applied=1, dead_letters=1, dead_letters_undue=1)
