import logging

import pytest

from streamer.worker.unanswered import Unanswered


def test_a_worker_without_a_release_says_once_what_to_run(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    unanswered = Unanswered(lambda: 0.0)

    for _ in range(3):
        unanswered.look(has_release=False)

    assert caplog.text.count("no release yet: plays are remembered, and get no answers; run `refrain trainer`") == 1
    assert unanswered.remark.startswith("ok, but plays get no answers before the first release: run `refrain trainer`")
    assert "`refrain releases promote ID`" in unanswered.remark


def test_a_worker_with_a_release_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    unanswered = Unanswered(lambda: 0.0)
    unanswered.look(has_release=False)
    caplog.clear()

    unanswered.look(has_release=True)

    assert (unanswered.remark, caplog.text) == ("", "")
