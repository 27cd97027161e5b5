"""No stage can block the benchmark."""

import json
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.bench.throughput import measure_apart

FIGURES = json.dumps({"cpu_us_per_play": 3.04, "plays_per_s": 1000.0})


@pytest.mark.long
def test_a_stage_that_never_ends_is_reported_and_killed_with_its_children(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pid_file = tmp_path / "pid"
    endless = f"""
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(pid_file)!r}, "w").write(str(child.pid))
time.sleep(600)
"""

    assert measure_apart("endless", [sys.executable, "-c", endless], 2.0) is None

    assert capsys.readouterr().out == "endless did not finish within 2 s\n"
    deadline_s = time.monotonic() + 10
    while psutil.pid_exists(pid := int(pid_file.read_text())) and psutil.Process(pid).status() != "zombie":
        assert time.monotonic() < deadline_s, "its child is still running"


def test_a_stage_that_fails_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert measure_apart("broken", [sys.executable, "-c", "raise SystemExit(3)"], 60.0) is None
    assert capsys.readouterr().out == "broken  failed with status 3\n"


def test_a_stage_that_finishes_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert measure_apart("fetch", [sys.executable, "-c", f"print('begin'); print({FIGURES!r})"], 60.0) == 3.0
    assert capsys.readouterr().out == "fetch        3.0 us of CPU per play      1000 plays/s\n"
