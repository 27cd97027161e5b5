import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from streamer.runtime.damping import QUIET_S, Damping


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


class Lines(logging.Handler):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@dataclass
class Log:
    """The log of a process whose lines are damped."""

    clock: Clock
    damping: Damping
    lines: Lines

    @property
    def texts(self) -> list[str]:
        return self.lines.texts


@pytest.fixture
def log() -> Iterator[Log]:
    clock, lines = Clock(), Lines()
    damping = Damping(clock)
    lines.addFilter(damping)
    logging.getLogger().addHandler(lines)
    yield Log(clock, damping, lines)
    logging.getLogger().removeHandler(lines)


aiokafka = logging.getLogger("aiokafka.consumer.fetcher")


def test_a_line_that_is_repeated_is_written_once_and_counted_when_it_is_over(log: Log) -> None:
    for port in range(500):
        aiokafka.error("Unable connect to node with id %s: [Errno 111] Connect call failed ('::1', %d)", 1, port)
        log.clock.now_s += 0.01
    log.damping.settle()
    assert len(log.texts) == 1

    log.clock.now_s += QUIET_S
    log.damping.settle()

    assert log.texts[1].startswith("repeated 499 times in 5 s: Unable connect to node with id 1")


def test_an_error_of_another_kind_is_written_in_the_midst_of_an_outage(log: Log) -> None:
    for _ in range(3):
        aiokafka.error("Heartbeat failed: %r", ConnectionError("closed"))
    aiokafka.error("Heartbeat failed: %r", PermissionError("not authorized"))
    aiokafka.warning("Heartbeat failed: %r", ConnectionError("closed"))
    logging.getLogger("aiokafka.conn").error("Heartbeat failed: %r", ConnectionError("closed"))

    assert len(log.texts) == 4


def test_the_same_text_with_another_exception_is_of_another_kind(log: Log) -> None:
    for error in (ValueError("a"), ValueError("a"), KeyError("a")):
        try:
            raise error
        except (ValueError, KeyError):
            aiokafka.exception("Unexpected error in fetcher routine")

    assert len(log.texts) == 2


def test_a_line_is_news_again_once_it_was_over(log: Log) -> None:
    aiokafka.error("closed")
    log.clock.now_s += QUIET_S
    log.damping.settle()
    aiokafka.error("closed")

    assert log.texts == ["closed", "closed"]


def test_what_refrain_says_is_never_damped(log: Log) -> None:
    for _ in range(3):
        logging.getLogger("streamer.worker").error("a step failed")

    assert len(log.texts) == 3
