"""A run is reported whole: failures by name, figures on the page as in the document."""

import json
import sys
from argparse import Namespace
from collections import Counter
from html.parser import HTMLParser

from tests.bench.__main__ import Section, run
from tests.bench.page import draw_document, draw_page
from tests.bench.pages import compare

FIGURES = '{"latency": [{"plays_per_s": 50.0, "p50_ms": 7.5, "p99_ms": 9.0, "core_share": 0.25}], "tracks": 12000, \
"listeners": 5000, "backlog_plays_per_s": 3000}'


def test_a_section_that_fails_is_named_and_the_others_are_measured() -> None:
    result = run(
        {
            "latency": Section(("-c", f"print('begin'); print({FIGURES!r})"), 60.0),
            "broken": Section(("-c", "raise SystemExit(3)"), 60.0),
            "endless": Section(("-c", "import time; time.sleep(600)"), 0.5),
            "half": Section(("-c", "print('{\"cpu_us\": 5}'); raise SystemExit(1)"), 60.0),
            "mute": Section(("-c", "print('no figures')"), 60.0),
        }
    )

    assert result["figures"]["latency"]["latency"][0]["p50_ms"] == 7.5
    assert set(result["failed"]) == {"broken", "endless", "half", "mute"}
    assert result["failed"]["broken"] == "failed with status 3"
    assert result["figures"]["half"]["cpu_us"] == 5
    page, document = draw_page(result), draw_document(result)
    HTMLParser().feed(page)
    assert "http" not in page
    assert "<svg" in page
    assert "| 50 plays/s | 7.5 | 9 | 25% |" in document
    assert "endless: did not finish within 0.5 s." in document
    assert sys.executable not in document


def test_what_open_pages_cost_is_drawn_as_it_is_measured() -> None:
    windows = [{"of_a_core": used, "plays_per_s": 200.0} for used in (0.30, 0.33, 0.32, 0.34, 0.33)]
    options = Namespace(windows=2, window_s=6.0)
    figures = compare(windows, Counter(listener=16), options) | {"pages": 10, "tracks": 12000, "windows": 2}
    result = run({"open pages": Section(("-c", f"print({json.dumps(figures)!r})"), 60.0)})

    assert "| 10 open pages | 1.8% | 1.5% to 2.0% |" in draw_document(result)
