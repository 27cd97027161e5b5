import json
import re
from collections.abc import Mapping

import numpy as np
import pytest

from models.analysis.taste_map import TasteMap
from models.evaluation.baselines import BASELINES
from models.plays.split import Lists, Split
from streamer.report.figures import Asking, Figures, describe
from streamer.report.page import draw_page, table
from streamer.report.runs import SystemRun

NAMES = ("sequential_rules", "markov", "popularity")


@pytest.fixture(scope="module")
def lists(split: Split) -> Mapping[str, Lists]:
    return {name: BASELINES[name].fit(split).rank(split, "test") for name in NAMES}


@pytest.fixture(scope="module")
def systems(split: Split, lists: Mapping[str, Lists]) -> dict[str, Figures]:
    """Figures of counting systems only, with those of sequential rules under the name of the system that serves."""
    served = {"refrain_served": lists["sequential_rules"], "markov": lists["markov"], "popularity": lists["popularity"]}
    others = {name: [each] for name, each in served.items() if name != "refrain_served"}
    return {
        name: describe(
            name,
            {1: SystemRun(each, {"size": "<3>"}, [2.0, 1.5] if name == "refrain_served" else [])},
            split,
            Asking(),
            others=others if name == "refrain_served" else {},
        )
        for name, each in served.items()
    }


def sections(page: str) -> dict[str, str]:
    return dict(re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.DOTALL))


def rows(html: str) -> list[list[str]]:
    """The cells of each row of the last table's body."""
    body = html[html.rindex("<tbody>") :]
    return [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", body)]


def test_the_navigation_leads_to_every_section(systems: dict[str, Figures]) -> None:
    page = draw_page("made-up", systems, None)

    assert re.findall(r'<a href="#(\w+)">', page) == list(sections(page))


def test_the_name_of_the_recording_is_text(systems: dict[str, Figures]) -> None:
    page = draw_page("R&B <script>", systems, None)

    assert "<h1>Refrain on R&amp;B &lt;script&gt;</h1>" in page
    assert "<script>" not in page


def test_titles_and_settings_of_systems_are_text(systems: dict[str, Figures]) -> None:
    marked = systems | {"popularity": systems["popularity"] | {"title": "Popular <i>"}}

    page = draw_page("made-up", marked, None)

    assert "<i>" not in page
    assert "size = &lt;3&gt;" in page


def test_the_headline_is_of_refrain(systems: dict[str, Figures]) -> None:
    header = draw_page("made-up", dict(reversed(systems.items())), None).split("<main>")[0]

    assert f"<b>{100 * systems['refrain_served']['hr_at_20']:.0f} %</b>" in header
    assert systems["refrain_served"]["hr_at_20"] > systems["popularity"]["hr_at_20"] + 0.01


def test_every_system_has_a_row_of_its_figures(systems: dict[str, Figures]) -> None:
    found = rows(sections(draw_page("made-up", systems, None))["results"])

    assert [row[0] for row in found] == [figures["title"] for figures in systems.values()]
    for row, figures in zip(found, systems.values(), strict=True):
        low, high = figures["intervals"]["mrr_at_20"]
        assert row[2] == f"{figures['mrr_at_20']:.3f} <small>{low:.3f} to {high:.3f}</small>"
        assert row[5] == f"{figures['coverage_at_20']:.3f}"


def test_a_missing_figure_leaves_an_empty_cell(systems: dict[str, Figures]) -> None:
    without = {
        name: {metric: figure for metric, figure in figures.items() if metric != "lt_recall_at_100"}
        for name, figures in systems.items()
    }

    page = draw_page("made-up", without, None)

    assert [row[3] for row in rows(sections(page)["results"])] == ["", "", ""]
    assert "of the coming weeks' tracks" not in page.split("<main>")[0]


def test_the_lead_is_drawn_over_every_other_system(systems: dict[str, Figures]) -> None:
    section = sections(draw_page("made-up", systems, None))["ahead"]

    for name in ("markov", "popularity"):
        assert section.count(f">{systems[name]['title']}</text>") == 3  # one chart a metric
    assert "The lead of “Refrain" in section


def test_losses_are_drawn_where_something_was_trained(systems: dict[str, Figures]) -> None:
    section = sections(draw_page("made-up", systems, None))["learning"]

    assert section.count("<svg") == 1
    assert f"<h3>{systems['refrain_served']['title']}</h3>" in section


def test_the_page_says_what_was_not_measured(systems: dict[str, Figures]) -> None:
    found = sections(draw_page("made-up", systems, None))

    assert found["swap"].endswith("<p>Not measured.</p>")
    for name in ("tastes", "calibration"):
        assert found[name].endswith("<p>No network was fitted.</p>")


def test_calibration_is_drawn_where_a_network_was_fitted(systems: dict[str, Figures]) -> None:
    bins = [
        {"probability": at, "hit_rate": {"mean": at, "low": at - 0.05, "high": at + 0.05}} for at in (0.2, 0.5, 0.9)
    ]
    network = systems | {"refrain_network": systems["markov"] | {"calibration": bins}}

    section = sections(draw_page("made-up", network, None))["calibration"]

    assert section.count("<circle") == 3
    assert 'class="diagonal"' in section


def test_the_map_shows_tracks_and_paths(systems: dict[str, Figures]) -> None:
    drawn = TasteMap(
        np.array([[0, 0], [1, 2], [3, 1], [2, 2]], np.float32),
        np.array([1.0, 0.5, 0.2, 0.1]),
        [np.array([[0, 0], [1, 1], [2, 1]], np.float32)],
    )

    section = sections(draw_page("made-up", systems, drawn))["tastes"]

    assert "the 4 most played tracks" in section
    assert section.count('class="track"') == 4
    assert section.count('class="step"') == 2


def test_only_the_first_cell_of_a_row_is_text() -> None:
    html = table(["", "a < b"], [["x & y", "1 <small>2</small>"]])

    assert "<th>a &lt; b</th>" in html
    assert rows(html) == [["x &amp; y", "1 <small>2</small>"]]


def test_a_page_is_the_same_whether_its_figures_were_kept_or_not(systems: dict[str, Figures]) -> None:
    kept = json.loads(json.dumps(systems))

    assert draw_page("made-up", kept, None) == draw_page("made-up", systems, None)
