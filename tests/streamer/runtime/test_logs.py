import json
import logging
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from streamer.runtime import logs
from streamer.runtime.logs import FORMATTERS, JsonLines, event_of, fields_of


def record(name: str, template: str, *args: object, path: str = logs.__file__) -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, path, 7, template, args, None)


def line(name: str, template: str, *args: object, path: str = logs.__file__) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(JsonLines().format(record(name, template, *args, path=path)))
    return written


@pytest.mark.parametrize(
    ("template", "event", "fields"),
    [
        ("release taken up id=%s tracks=%d", "release taken up", ["id", "tracks"]),
        ("worker stops", "worker stops", []),
        ("no fit: %s", "no fit", [""]),
        ("store discarded, to be rebuilt path=%s error=%s", "store discarded", ["path", "error"]),
        ("limits may not be read of=%s: Kafka's defaults are assumed", "limits may not be read", ["of"]),
        ("epoch ended epoch=%d loss=%.3f at %s", "epoch ended", ["epoch", "loss", ""]),
        ("%s; retrying", "", [""]),
    ],
)
def test_a_template_names_its_event_and_its_fields(template: str, event: str, fields: list[str]) -> None:
    assert (event_of(template), fields_of(template)) == (event, fields)


def test_fields_keep_their_types() -> None:
    written = line("streamer.worker.champion", "release taken up id=%s tracks=%d share=%.1f", "r7", np.int64(17), 0.25)

    assert written.pop("at").endswith("+00:00")
    assert written == {
        "level": "warning",
        "logger": "streamer.worker.champion",
        "event": "release taken up",
        "message": "release taken up id=r7 tracks=17 share=0.2",
        "id": "r7",
        "tracks": 17,
        "share": 0.25,
    }


def test_what_json_has_no_number_for_is_text() -> None:
    written = line("streamer.x", "measured rate=%.4f offset=%s", math.nan, None)

    assert (written["rate"], written["offset"]) == ("nan", "None")


def test_lines_of_libraries_have_the_same_form() -> None:
    written = line("aiokafka.consumer", "Heartbeat failed for group %s: code=%d", "refrain", 7)

    assert written["event"] == "aiokafka"
    assert written["message"] == "Heartbeat failed for group refrain: code=7"
    assert "code" not in written


def test_what_faust_logs_in_the_name_of_our_classes_is_of_faust() -> None:
    written = line("streamer.faust.store", "opening partition 7 for gen id 3", path="/lib/faust/stores/rocksdb.py")

    assert written["event"] == "faust"


def test_a_line_stays_one_line_whatever_is_in_it() -> None:
    form, failing = JsonLines(), record("streamer.x", "step failed error=%s", ValueError("two\nlines \ud83d"))
    failing.exc_info = (ZeroDivisionError, ZeroDivisionError("by nothing"), None)

    text = form.format(failing)

    assert "\n" not in text
    assert json.loads(text)["traceback"].endswith("by nothing")
    assert json.loads(text)["error"].startswith("two\nlines")


def test_text_is_as_it_was() -> None:
    text = FORMATTERS["text"]().format(record("streamer.x", "worker stops"))

    assert text.split(" ", 2)[2] == "WARNING streamer.x worker stops"


def test_a_command_writes_its_log_in_the_chosen_format() -> None:
    asked = "import logging\nfrom streamer.command_line import _configure_logging\n_configure_logging('info', 'json')\n"
    logged = "for name in ('asyncio', 'aiokafka.y'): logging.getLogger(name).warning('offset lost at=%d', 3)"

    done = subprocess.run([sys.executable, "-c", asked + logged], capture_output=True, text=True, check=True)

    assert [json.loads(each)["event"] for each in done.stderr.splitlines()] == ["asyncio", "aiokafka"]
