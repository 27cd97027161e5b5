import json
from dataclasses import replace
from pathlib import Path

import pytest

from models.analysis.gru4rec import Gru4RecConfig
from models.plays.split import Split
from streamer.report.gru4rec_search import BEST, TRIALS, best, search

TINY = Gru4RecConfig(num_units=4, num_samples=8, epochs=2)
OTHER = replace(TINY, learning_rate=0.3, epochs=1)
TABLE = Path(__file__).parents[3] / "docs/report/30music-s10.gru4rec.json"


def test_an_interrupted_search_resumes_with_the_next_trial(split: Split, tmp_path: Path) -> None:
    path, lines = tmp_path / "report" / "made-up.gru4rec.json", list[str]()
    search(split, path, [TINY], log=lines.append)
    lines.clear()

    table = search(split, path, [TINY, OTHER], log=lines.append)

    assert [row["settings"]["learning_rate"] for row in table] == [0.1, 0.3]
    assert lines[0] == str(OTHER)
    assert json.loads(path.read_text()) == table
    assert [epoch["epoch"] for epoch in table[0]["epochs"]] == [1, 2]
    assert table[0]["plays_per_s"] > 0


def test_a_trial_that_diverges_is_recorded_and_skipped(split: Split, tmp_path: Path) -> None:
    wild = replace(TINY, learning_rate=1e38)

    table = search(split, tmp_path / "table.json", [wild, OTHER], log=lambda _: None)

    assert table[0]["epochs"] == []
    assert best(table) == OTHER


def test_the_best_epoch_of_the_best_trial_is_taken() -> None:
    def row(rate: float, *sums: float) -> dict[str, object]:
        epochs = [{"epoch": number, "hr_at_20": each, "mrr_at_20": 0.1} for number, each in enumerate(sums, start=1)]
        return {"settings": {"learning_rate": rate, "epochs": len(sums)}, "epochs": epochs}

    found = best([row(0.1, 0.2, 0.3, 0.25), row(0.2, 0.1, 0.28)])

    assert (found.learning_rate, found.epochs) == (0.1, 2)


def test_there_are_as_many_trials_as_for_our_own_recipe() -> None:
    assert len(set(TRIALS)) == 14


@pytest.mark.skipif(not TABLE.exists(), reason="no search on 30music has been written down")
def test_the_settings_of_the_report_are_the_best_ones_found() -> None:
    assert best(json.loads(TABLE.read_text())) == BEST
