"""Processes that are measured from outside: ended in time with all they started, and CPU of the tree between marks.

A measured process prints `MARK n` once it has done n plays. The parent reads the CPU time of the process and of all its
descendants at two marks, so neither start-up nor the first compilations count.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psutil

MARK: Final = "MARK"


def print_line(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def mark(num_plays: int) -> None:
    """Say, in a measured process, that so many plays are done."""
    print_line(f"{MARK} {num_plays}")


def run_within(command: Sequence[str], limit_s: float) -> str:
    """Return a command's output; on any error, kill the command and all its children.

    Raises:
        CalledProcessError: it failed.
        TimeoutExpired: it did not finish in time.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            output, _ = process.communicate(timeout=limit_s)
        except BaseException:
            kill_tree(process.pid)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    return output


def kill_tree(pid: int) -> None:
    """Kill a process and its descendants, whatever their sessions; one that has ended has none."""
    with contextlib.suppress(psutil.NoSuchProcess):
        members = psutil.Process(pid).children(recursive=True)
        for member in [psutil.Process(pid), *members]:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()


def figures_of(command: Sequence[str], limit_s: float) -> dict[str, Any]:
    """Run a benchmark and return the JSON of its last line; errors are those of `run_within`."""
    figures: dict[str, Any] = json.loads(run_within(command, limit_s).splitlines()[-1])
    return figures


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process and its descendants, ended children included."""
    process = psutil.Process(pid)
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def between_marks(
    command: Sequence[str], first: int, last: int, limit_s: float, *, environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Measure a process between its first marks of at least `first` and `last` plays; then kill it and its children.

    Raises:
        CalledProcessError: it ended, or was not there in time.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        killer = threading.Timer(limit_s, kill_tree, (process.pid,))
        killer.start()
        marks = []
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(MARK) and (num_plays := int(line.split()[1])) >= first:
                    marks.append((num_plays, time.perf_counter(), cpu_s(process.pid)))
                    if marks[-1][0] >= last:
                        return _figures(marks)
        finally:
            killer.cancel()
            kill_tree(process.pid)
    raise subprocess.CalledProcessError(process.returncode, command)


def _figures(marks: Sequence[tuple[int, float, float]]) -> dict[str, float]:
    (first, began_s, began_cpu_s), (last, ended_s, ended_cpu_s) = marks[0], marks[-1]
    plays = last - first
    return {
        "cpu_us_per_play": round((ended_cpu_s - began_cpu_s) / plays * 1e6, 1),
        "plays_per_s": round(plays / (ended_s - began_s), 1),
        "plays": plays,
    }
