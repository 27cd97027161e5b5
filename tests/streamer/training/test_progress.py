"""The progress of a fit: a bar on a terminal, lines in the log elsewhere, and the place where a fit ends early."""

import dataclasses
import io
import logging
from typing import TextIO

import pytest

from models.training.loop import Progress
from streamer.metrics import TrainerMetrics
from streamer.training.progress import FitStopped, report_progress, show_progress
from tests.terminal import on_a_terminal

PASSES = [Progress(0, 2, done, 4, loss=float("nan")) for done in (1, 2, 3, 4)]
BATCHES = [Progress(epoch, 2, batch, 3, loss=1 / epoch) for epoch in (1, 2) for batch in (1, 2, 3)]
SECOND = [dataclasses.replace(progress, stage="second stage") for progress in PASSES + BATCHES]


def go_on(_: Progress) -> bool:
    return False


def test_a_log_gets_a_line_an_epoch(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), report_progress(go_on, io.StringIO()) as report:
        for progress in PASSES + BATCHES + SECOND:
            report(progress)

    assert caplog.messages == [
        "stage of a fit begins stage=network",
        "epoch of a fit ended epoch=1 of=2 loss=1.000 stage=network",
        "epoch of a fit ended epoch=2 of=2 loss=0.500 stage=network",
        "stage of a fit begins stage=second stage",
        "epoch of a fit ended epoch=1 of=2 loss=1.000 stage=second stage",
        "epoch of a fit ended epoch=2 of=2 loss=0.500 stage=second stage",
    ]


def test_a_terminal_gets_a_bar(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(output: TextIO) -> None:
        with report_progress(go_on, output) as report:
            for progress in PASSES + BATCHES + SECOND:
                report(progress)

    shown = on_a_terminal(fit, monkeypatch)

    assert "second stage, epoch 2 of 2, loss 0.500" in shown
    assert caplog.messages == []


class StagesShown(TrainerMetrics):
    """Metrics that keep what they have shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[str, int, int]] = []

    def show_stage(self, stage: str, epoch: int = 0, num_epochs: int = 0) -> None:
        super().show_stage(stage, epoch, num_epochs)
        self.shown.append((stage, epoch, num_epochs))


def test_the_metrics_show_each_stage_and_epoch_once() -> None:
    metrics, reported = StagesShown(), list[Progress]()
    report = show_progress(metrics, reported.append)

    for progress in PASSES + BATCHES + SECOND:
        report(progress)

    assert reported == PASSES + BATCHES + SECOND
    assert metrics.shown == [
        ("items", 0, 0), ("network", 1, 2), ("network", 2, 2),
        ("candidates", 0, 0), ("second-stage", 1, 2), ("second-stage", 2, 2),
    ]  # fmt: skip


def test_a_fit_ends_when_the_trainer_is_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(output: TextIO) -> None:
        with pytest.raises(FitStopped), report_progress(lambda _: True, output) as report:
            report(BATCHES[0])

    fit(io.StringIO())
    on_a_terminal(fit, monkeypatch)
