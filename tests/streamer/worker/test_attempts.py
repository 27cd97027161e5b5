import pytest

from streamer.errors import ReleaseError, StoreError
from streamer.worker.attempts import Attempts
from tests.cases.observations import Observe


def failed(cause: Exception, text: str = "cannot read x") -> StoreError:
    """The error of a store as a worker sees it: wrapped once with the driver's error, once with the notice."""
    inner, outer = StoreError(text), StoreError(f"notice: {text}")
    inner.__cause__, outer.__cause__ = cause, inner
    return outer


@pytest.mark.kind(10)
def test_attempts_grow_rarer_and_begin_again_with_another_notice(observe: Observe) -> None:
    attempts, now_s, waits_s = Attempts(), 1000.0, []
    for _ in range(8):
        attempts.note({7: ReleaseError("broken")}, now_s, is_current=False)
        waits_s.append(attempts.due_in_s(now_s))
        now_s += waits_s[-1]

    attempts.begin_again()

    assert attempts.due_in_s(now_s) == 0
    assert waits_s == [5, 10, 20, 40, 80, 160, 300, 300]
    observe(f"a release that cannot be taken up is tried again after {', '.join(f'{each:.0f}' for each in waits_s)} s")


def test_one_line_is_logged_for_each_change(caplog: pytest.LogCaptureFixture) -> None:
    attempts = Attempts()
    for number in range(3):  # what a store says differs each time
        attempts.note({7: failed(KeyError(), f"request {number}")}, 0.0, is_current=False)
    for _ in range(2):
        attempts.note({7: failed(TimeoutError())}, 0.0, is_current=False)
    attempts.note({}, 0.0, is_current=True)
    attempts.note({7: failed(TimeoutError())}, 0.0, is_current=False)

    assert len(caplog.records) == 3


def test_the_trouble_is_that_of_the_newest_until_it_is_taken_up() -> None:
    attempts = Attempts()
    attempts.note({8: ReleaseError("newest"), 7: ReleaseError("older")}, 0.0, is_current=False)
    assert attempts.trouble == "newest"

    attempts.note({}, 0.0, is_current=True)

    assert attempts.trouble == ""
