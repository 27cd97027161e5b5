import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import pytest

from streamer.report.bench import Bench
from streamer.report.figures import Asking
from streamer.report.making import ReportError, check_report, make_report, measure
from streamer.report.page import _broken_down_by
from streamer.report.systems import SYSTEMS

pytestmark = pytest.mark.long  # each system is fitted

#: Of each kind one; the others are fitted in the same ways.
NAMES = (
    "refrain_served", "refrain_network", "refrain_rebuilt", "gru4rec", "discount", "sequential_rules", "popularity",
)  # fmt: skip


@pytest.fixture(scope="module")
def written(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two seeds."""
    folder = tmp_path_factory.mktemp("report")
    make_report("made-up", bench, names=NAMES, seeds=[1, 2], asking=Asking(), folder=folder)
    return folder


def test_each_system_is_an_object_with_its_figures(written: Path) -> None:
    systems = json.loads((written / "made-up.json").read_text())

    assert list(systems) == [name for name in SYSTEMS if name in NAMES]
    for name, figures in systems.items():
        for metric in ("hr_at_20", "mrr_at_20", "lt_recall_at_100"):
            low, high = figures["intervals"][metric]
            assert low <= figures[metric] <= high, name
        assert {"repeat", "discovery", "in_session", "session_start"} <= figures["groups"].keys()
        assert figures["splits"]["t1_ms"] < figures["splits"]["t2_ms"]
        assert figures["seeds"] == [1, 2][: SYSTEMS[name].max_seeds]
        assert figures["of_seeds"].keys() == set(map(str, figures["seeds"]))
        assert 0 < figures["coverage_at_20"] <= 1
        assert figures["settings"]


def test_a_figure_is_the_mean_of_its_seeds(written: Path) -> None:
    figures = json.loads((written / "made-up.json").read_text())["gru4rec"]

    of_seeds = [each["hr_at_20"] for each in figures["of_seeds"].values()]
    assert figures["hr_at_20"] == pytest.approx(sum(of_seeds) / 2, abs=2e-5)


def test_every_epoch_of_training_has_a_loss(written: Path) -> None:
    systems = json.loads((written / "made-up.json").read_text(), parse_constant=pytest.fail)

    for name, epochs in (("refrain_network", 1), ("gru4rec", 1), ("popularity", 0)):
        assert [len(losses) for losses in systems[name]["losses"]] == [epochs] * len(systems[name]["seeds"])


def test_refrains_own_are_compared_with_every_other(written: Path) -> None:
    systems = json.loads((written / "made-up.json").read_text())

    served = systems["refrain_served"]
    assert served["ahead_of"].keys() == systems.keys() - {"refrain_served"}
    expected = served["mrr_at_20"] - systems["popularity"]["mrr_at_20"]
    assert served["ahead_of"]["popularity"]["mrr_at_20"]["mean"] == pytest.approx(expected, abs=3e-5)
    assert systems["gru4rec"]["ahead_of"] == {}


def test_the_page_shows_what_new_weights_cost(written: Path) -> None:
    systems = json.loads((written / "made-up.json").read_text())
    lost = systems["refrain_network"]["ahead_of"]["refrain_rebuilt"]["hr_at_20"]["mean"]

    assert lost == pytest.approx(
        systems["refrain_network"]["hr_at_20"] - systems["refrain_rebuilt"]["hr_at_20"], abs=3e-5
    )
    assert f"{lost:+.4f} <small>" in (written / "made-up.html").read_text()


def test_the_page_shows_how_fast_each_system_learned(written: Path) -> None:
    systems, page = json.loads((written / "made-up.json").read_text()), (written / "made-up.html").read_text()

    for name in ("refrain_network", "gru4rec"):
        assert f"<td>{systems[name]['plays_per_s']:,.0f}</td>" in page


def test_the_page_has_every_section_and_needs_nothing_else(written: Path) -> None:
    page = (written / "made-up.html").read_text()

    assert sections_of(page) == [
        "measured", "results", "ahead", "groups", "where", "swap", "tastes", "learning", "calibration", "fitted",
    ]  # fmt: skip
    assert page.count("<svg") >= 12
    assert ">nan" not in page
    for outside in ("http", "src=", "<link", "@import", "url("):
        assert outside not in page


def test_the_page_names_no_track_and_no_listener(written: Path, bench: Bench) -> None:
    lines = (written / "made-up.html").read_text() + (written / "made-up.json").read_text()

    assert not [track_id for track_id in bench.split.catalogue.track_ids if track_id in lines]


def test_bins_with_too_few_questions_are_not_drawn() -> None:
    rate = {"mean": 0.5, "low": 0.4, "high": 0.6}
    bins = [{"label": label, "num_anchors": num, "hit_rate": rate} for label, num in (("3 min", 99), ("6 min", 40))]
    seldom = {"label": "a week", "num_anchors": 2, "hit_rate": rate}
    systems = {"gru4rec": {"title": "GRU4Rec", "broken_down": {"gap": [*bins, seldom]}}}

    drawn = _broken_down_by(systems, "gap", "time")

    assert "6 min" in drawn
    assert "a week" not in drawn
    assert "<svg" not in _broken_down_by({"gru4rec": {"broken_down": {"gap": [seldom]}}}, "gap", "time")


def test_nothing_is_fitted_twice(written: Path, bench: Bench) -> None:
    assert written.exists()
    lines: list[str] = []

    measure(replace(bench, log=lines.append), names=NAMES, seeds=[1, 2], asking=Asking())

    assert [line for line in lines if "fitting" in line or "epoch" in line] == []


def test_other_settings_are_fitted_again(written: Path, bench: Bench) -> None:
    assert written.exists()
    lines: list[str] = []
    other = replace(bench, log=lines.append, gru4rec=replace(bench.gru4rec, learning_rate=0.05))

    measure(other, names=["gru4rec"], seeds=[1], asking=Asking())

    assert lines[0] == "gru4rec, seed 1: fitting"


def test_reproduced_figures_agree(written: Path, bench: Bench, tmp_path: Path) -> None:
    check_report("made-up", replace(bench, folder=tmp_path), names=NAMES, seed=1, asking=Asking(), folder=written)


def test_figures_that_differ_are_rejected(written: Path, bench: Bench, tmp_path: Path) -> None:
    systems = json.loads((written / "made-up.json").read_text())
    systems["gru4rec"]["of_seeds"]["1"]["hr_at_20"] += 0.02
    systems["popularity"]["mrr_at_20"] += 0.001
    (tmp_path / "made-up.json").write_text(json.dumps(systems))

    with pytest.raises(ReportError, match=r"2 figures differ.*gru4rec: hr_at_20.*popularity: mrr_at_20"):
        check_report("made-up", bench, names=["gru4rec", "popularity"], seed=1, asking=Asking(), folder=tmp_path)


def test_a_check_needs_something_to_compare_with(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="make the report first"):
        check_report("made-up", bench, names=["popularity"], seed=1, asking=Asking(), folder=tmp_path)


def test_an_unknown_system_is_rejected(bench: Bench) -> None:
    with pytest.raises(ReportError, match="unknown system oracle; the systems are refrain_served"):
        measure(bench, names=["oracle"], seeds=[1], asking=Asking())


def sections_of(page: str) -> list[str]:
    class Sections(HTMLParser):
        found: ClassVar[list[str]] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "section":
                self.found.append(str(dict(attrs)["id"]))

    parser = Sections()
    parser.feed(page)
    return parser.found
