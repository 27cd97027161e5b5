"""What a figure was measured on: the processor, the commit, and how busy the machine was."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil

_PACKAGES: Final = ("torch", "numpy", "numba", "faiss-cpu", "aiokafka", "faust-streaming", "rocksdict")

_GIT: Final = (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "--", "models", "streamer", "tests"))

#: One thread for everything that computes; libraries read it when they are imported.
ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


def describe_machine() -> dict[str, Any]:
    """Describe this machine and this checkout, as JSON can hold them."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "commit": _commit(),
        "load": describe_load(),
    }


def describe_load() -> dict[str, Any]:
    """Say how busy the machine is: a figure taken while others compute is too high."""
    one_minute, five_minutes, _ = os.getloadavg()
    return {"one_minute": round(one_minute, 2), "five_minutes": round(five_minutes, 2)}


def memory_mb() -> dict[str, int]:
    """Return the resident memory of this process: its own, of mapped files, and the peak of both."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    names = {"own": "RssAnon", "mapped": "RssFile", "peak": "VmHWM"}
    return {name: int(fields[field].split()[0]) >> 10 for name, field in names.items()}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except ModuleNotFoundError:
        return None


def _commit() -> str:
    """Name the commit, and say so where code differs from it; documents that a benchmark writes do not count."""
    name, changes = (_git(*arguments) for arguments in _GIT)
    return f"{name or 'unknown'}{'-dirty' if changes else ''}"


def _git(*arguments: str) -> str:
    root = Path(__file__).parents[2]
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False).stdout.strip()
