"""The progress of a fit: shown where somebody watches, logged where nobody does, and the place where it ends early."""

import dataclasses
import io
import logging

import pytest
from rich.console import Console

from models.training.loop import Progress
from streamer.training.progress import FitStopped, report_progress

PASSES = [Progress(0, 2, done, 4, loss=float("nan")) for done in (1, 2, 3, 4)]
BATCHES = [Progress(epoch, 2, batch, 3, loss=1 / epoch) for epoch in (1, 2) for batch in (1, 2, 3)]
SECOND = [dataclasses.replace(progress, stage="second stage") for progress in PASSES + BATCHES]


def go_on(_: Progress) -> bool:
    return False


def test_a_log_gets_a_line_an_epoch(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), report_progress(Console(file=io.StringIO()), go_on) as report:
        for progress in PASSES + BATCHES + SECOND:
            report(progress)

    assert caplog.messages == [
        "fit of the network begins",
        "fit epoch=1 of=2 loss=1.000 stage=network",
        "fit epoch=2 of=2 loss=0.500 stage=network",
        "fit of the second stage begins",
        "fit epoch=1 of=2 loss=1.000 stage=second stage",
        "fit epoch=2 of=2 loss=0.500 stage=second stage",
    ]


def test_a_terminal_gets_a_bar(caplog: pytest.LogCaptureFixture) -> None:
    terminal = io.StringIO()

    with report_progress(Console(file=terminal, force_terminal=True, width=100), go_on) as report:
        for progress in PASSES + BATCHES + SECOND:
            report(progress)

    assert "second stage, epoch 2" in terminal.getvalue()
    assert "6/6" in terminal.getvalue()
    assert caplog.messages == []


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_fit_ends_when_the_trainer_is_to_stop(is_terminal: bool) -> None:  # noqa: FBT001  both kinds of console
    console = Console(file=io.StringIO(), force_terminal=is_terminal)

    with pytest.raises(FitStopped), report_progress(console, lambda _: True) as report:
        report(BATCHES[0])
