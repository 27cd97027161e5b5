import io
import logging

from rich.console import Console

from streamer.demo.picture import Picture
from streamer.demo.screen import LineScreen, TerminalScreen, open_screen


def terminal(stream: io.StringIO) -> Console:
    return Console(file=stream, force_terminal=True, width=100, height=30)


def test_without_a_terminal_lines_are_written() -> None:
    stream = io.StringIO()

    with open_screen(Console(file=io.StringIO()), stream) as screen:
        screen.show(Picture(3.0, "starts"))

    assert isinstance(screen, LineScreen)
    assert stream.getvalue() == "00:03 starts\n"


def test_lines_are_not_written_faster_than_people_read() -> None:
    stream = io.StringIO()

    with LineScreen(stream) as screen:
        screen.show(Picture(3.0, "starts"))
        screen.show(Picture(3.2, "starts"))

    assert stream.getvalue().count("\n") == 1


def test_a_new_status_is_written_at_once() -> None:
    stream = io.StringIO()

    with LineScreen(stream) as screen:
        screen.show(Picture(3.0, "starts"))
        screen.show(Picture(3.2, "open http://127.0.0.1:6066"))

    assert stream.getvalue() == "00:03 starts\n00:03 open http://127.0.0.1:6066\n"


def test_log_records_are_held_back_while_a_terminal_shows_pictures() -> None:
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)

    with TerminalScreen(terminal(io.StringIO())) as screen:
        screen.show(Picture(3.0, "starts"))
        logging.getLogger("streamer").warning("look here")
        kept_back = log.getvalue()

    logging.getLogger().removeHandler(handler)
    assert kept_back == ""
    assert "look here" in log.getvalue()


def test_the_handlers_of_the_log_are_restored() -> None:
    before = list(logging.getLogger().handlers)

    with TerminalScreen(terminal(io.StringIO())):
        pass

    assert logging.getLogger().handlers == before
