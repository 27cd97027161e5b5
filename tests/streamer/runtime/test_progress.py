"""Progress, on a real terminal and elsewhere."""

import io
from typing import TextIO

import pytest

from streamer.runtime import progress as module
from streamer.runtime.progress import progress, watch
from tests.terminal import on_a_terminal


def test_steps_are_lines_where_no_terminal_is() -> None:
    written = io.StringIO()

    assert list(watch(["as served", "markov"], written)) == ["as served", "markov"]
    assert written.getvalue() == "1 of 2: as served\n2 of 2: markov\n"


def test_a_terminal_shows_a_bar_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    received = on_a_terminal(lambda output: print(*watch(["as served", "markov"], output), file=output), monkeypatch)

    assert "━" in received
    assert "2 of 2: markov" in received


def test_a_terminal_shows_a_bar_with_its_end_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(output: TextIO) -> None:
        with progress("reads plays", 2000, "plays", output) as show:
            show(1500)

    received = on_a_terminal(read, monkeypatch)

    assert "reads plays" in received
    assert "1,500 of 2,000 plays" in received
    assert "━" in received
    assert received.count("\n") <= 1  # it stays in its line, and vanishes


def test_what_takes_long_has_a_line_now_and_then_and_one_at_the_end() -> None:
    now_s, written = [100.0], io.StringIO()
    lines = module._Lines("reads plays", 2000, "plays", written, lambda: now_s[0])

    for done in range(0, 2001, 100):
        lines.show(done)
        now_s[0] += 1
    lines.end()

    assert written.getvalue() == (
        "reads plays: 1,000 of 2,000 plays, about 10 s left\nreads plays: 2,000 of 2,000 plays\n"
        "reads plays: 2,000 of 2,000 plays in 21 s\n"
    )


def test_what_is_over_soon_has_no_line() -> None:
    written = io.StringIO()

    with progress("reads plays", 2000, "plays", written) as show:
        show(2000)

    assert written.getvalue() == ""
