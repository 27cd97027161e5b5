import io
import logging

from rich.console import Console

from streamer.demo.picture import Notice, Picture
from streamer.demo.screen import LineScreen, TerminalScreen, open_screen


def terminal(stream: io.StringIO) -> Console:
    return Console(file=stream, force_terminal=True, width=100, height=30)


def test_without_a_terminal_lines_are_written() -> None:
    stream = io.StringIO()

    with open_screen(Console(file=io.StringIO()), stream) as screen:
        screen.show(Picture(3.0, "starting Kafka"))

    assert isinstance(screen, LineScreen)
    assert stream.getvalue() == "00:03 starting Kafka\n"


def test_figures_are_written_every_few_seconds_if_they_have_changed() -> None:
    stream, now_s = io.StringIO(), 0.0

    with LineScreen(stream, lambda: now_s) as screen:
        for second, num_sent in ((3, 10), (4, 20), (5, 30), (12, 30), (13, 40)):
            now_s = float(second)
            screen.show(Picture(now_s, "sending", num_sent=num_sent, trainer="starting"))

    assert stream.getvalue().splitlines() == [
        "00:03 sending",
        "00:05 30 plays sent, 0 applied; trainer: starting",
        "00:13 40 plays sent, 0 applied; trainer: starting",
    ]


def test_a_new_status_is_written_at_once() -> None:
    stream = io.StringIO()

    with LineScreen(stream) as screen:
        screen.show(Picture(3.0, "starting Kafka"))
        screen.show(Picture(3.2, "open http://127.0.0.1:6066"))

    assert stream.getvalue() == "00:03 starting Kafka\n00:03 open http://127.0.0.1:6066\n"


def test_a_notice_is_written_once_and_several_in_order() -> None:
    stream = io.StringIO()
    notices = [Notice(3.1, "worker-0 was killed"), Notice(3.1001, "worker-1 was killed")]

    with LineScreen(stream) as screen:
        for elapsed_s in (3.0, 3.2, 3.4):
            screen.show(Picture(elapsed_s, "live", notices=notices if elapsed_s > 3 else ()))

    assert stream.getvalue() == "00:03 live\n00:03 worker-0 was killed\n00:03 worker-1 was killed\n"


def test_log_records_are_held_back_while_a_terminal_shows_pictures() -> None:
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)

    with TerminalScreen(terminal(io.StringIO())) as screen:
        screen.show(Picture(3.0, "starting Kafka"))
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
