"""What /metrics serves, checked by Prometheus' own linter."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from prometheus_client.exposition import generate_latest

from streamer.metrics import STEPS, TrainerMetrics, WorkerMetrics


@pytest.fixture
def promtool() -> str:
    path = shutil.which("promtool")
    if path is None and not os.environ.get("CI"):
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    assert path is not None
    return path


def lint(promtool: str, exposition: bytes) -> str:
    done = subprocess.run([promtool, "check", "metrics"], input=exposition, capture_output=True, check=False)
    return (done.stdout + done.stderr).decode() + (f"exit status {done.returncode}" if done.returncode else "")


def test_prometheus_accepts_what_a_worker_serves(promtool: str) -> None:
    metrics = WorkerMetrics()
    metrics.latency_seconds.observe(np.array([0.004, 0.2, 1000.0]))
    metrics.dead_letters.labels("not-json").inc()
    metrics.recommendations.labels("short-term").inc()
    metrics.show_partitions({0: 3}, {0: 17}, {})
    for step in STEPS:
        with metrics.timed(step):
            pass

    assert lint(promtool, generate_latest(metrics.registry)) == ""


def test_prometheus_accepts_what_a_trainer_serves(promtool: str) -> None:
    assert lint(promtool, generate_latest(TrainerMetrics().registry)) == ""


def test_the_linter_finds_a_flaw(promtool: str) -> None:
    assert "no help text" in lint(promtool, b"# TYPE plays counter\nplays 1\n")
