"""The search for GRU4Rec's hyperparameters: as many trials as Refrain's own recipe had, on the validation part.

Four settings are those its authors found best for four datasets, with fewer units; the rest vary what those differ in.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from models.analysis.gru4rec import Gru4RecConfig
from models.analysis.gru4rec_training import Epoch, fit_gru4rec
from models.evaluation.tuning import ValidationScorer
from models.plays.split import Split
from streamer.runtime.files import replace_file

_RSC15: Final = Gru4RecConfig(
    batch_size=32, hidden_dropout=0.4, learning_rate=0.2, momentum=0.2, logq=1.0, epochs=5
)  # fmt: skip
_YOOCHOOSE: Final = replace(
    _RSC15, batch_size=48, hidden_dropout=0.2, learning_rate=0.07, momentum=0.0, sample_exponent=0.2, num_units=200
)
_COVEO: Final = Gru4RecConfig(
    loss="bpr-max", batch_size=144, embedding_dropout=0.35, learning_rate=0.05, momentum=0.4, sample_exponent=0.2,
    elu=1.0, regularisation=1.85, num_units=200, epochs=5,
)  # fmt: skip
_RETAIL_ROCKET: Final = replace(
    _COVEO, batch_size=80, embedding_dropout=0.5, hidden_dropout=0.05, sample_exponent=0.4, elu=0.5, regularisation=1.95
)
_WIDE: Final = replace(_RSC15, batch_size=128, hidden_dropout=0.2, learning_rate=0.1, momentum=0.0)

TRIALS: Final[Sequence[Gru4RecConfig]] = (
    _WIDE,
    replace(_WIDE, sequences="listener"),
    replace(_WIDE, hidden_dropout=0.4),
    replace(_WIDE, logq=0.0),
    replace(_WIDE, sample_exponent=0.2),
    replace(_WIDE, embedding_dropout=0.2),
    replace(_WIDE, learning_rate=0.05),
    _COVEO,
    _RETAIL_ROCKET,
    _RSC15,
    _YOOCHOOSE,
    replace(_WIDE, num_units=200, hidden_dropout=0.4),
    replace(_WIDE, embedding_size=100),
    replace(_COVEO, sequences="listener"),
)


BEST: Final = replace(_RETAIL_ROCKET, epochs=4)
"""The best of them on 30Music's validation part, as `best` finds it in docs/report/30music-s10.gru4rec.json."""


def search(
    split: Split, path: Path, trials: Sequence[Gru4RecConfig] = TRIALS, *, log: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Run the trials that are not in a file yet, and add each to it.

    Args:
        split: the plays; the test part is not used.
        path: of the table, JSON; created if absent.
        trials: the settings to try.
        log: receives a line for every epoch.

    Returns:
        The table: settings, plays per second of training, and for each epoch the loss and the scores on validation.
    """
    table: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    scorer = ValidationScorer.of(split)
    for config in trials:
        settings = dataclasses.asdict(config)
        if any(row["settings"] == settings for row in table):
            continue
        table.append(_run(split, scorer, config, log))
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, f"{json.dumps(table, indent=1)}\n".encode())
    return table


def best(table: Sequence[dict[str, Any]]) -> Gru4RecConfig:
    """Return the settings, including the number of epochs, with the highest HR@20 + MRR@20."""
    _, settings, epochs = max(
        (
            (epoch["hr_at_20"] + epoch["mrr_at_20"], row["settings"], epoch["epoch"])
            for row in table
            for epoch in row["epochs"]
        ),
        key=lambda one: one[0],
    )
    return Gru4RecConfig(**settings | {"epochs": epochs})


def _run(split: Split, scorer: ValidationScorer, config: Gru4RecConfig, log: Callable[[str], None]) -> dict[str, Any]:
    """Train once, and score the validation part after every epoch."""
    epochs: list[dict[str, Any]] = []
    busy_s, start_s = 0.0, time.process_time()

    def note(epoch: Epoch) -> None:
        nonlocal busy_s, start_s
        busy_s += time.process_time() - start_s
        score = scorer.score(epoch.model.rank(split, scorer.anchors))
        epochs.append({"epoch": epoch.number, "loss": epoch.loss} | dataclasses.asdict(score))
        log(f"epoch {epoch.number} of {config.epochs}, loss {epoch.loss:.3f}: {score}")
        start_s = time.process_time()

    log(f"{config}")
    try:
        fit_gru4rec(split, config, progress=note)
    except FloatingPointError as exc:
        log(f"{exc}")
    num_plays = int((split.histories.played_at_ms < split.t1_ms).sum()) * len(epochs)
    return {
        "settings": dataclasses.asdict(config),
        "plays_per_s": round(num_plays / busy_s) if busy_s else None,
        "epochs": epochs,
    }
