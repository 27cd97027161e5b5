import io

from rich.console import Console

from streamer.report.watching import watch


def test_steps_are_lines_where_no_terminal_is() -> None:
    written = io.StringIO()

    assert list(watch(["as served", "markov"], Console(file=written))) == ["as served", "markov"]
    assert written.getvalue() == "1 of 2: as served\n2 of 2: markov\n"


def test_a_terminal_shows_a_bar() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80)

    assert list(watch(["as served", "markov"], console)) == ["as served", "markov"]
    assert "1/2" in written.getvalue() or "2/2" in written.getvalue()
    assert "1 of 2" not in written.getvalue()
