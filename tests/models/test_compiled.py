from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_KERNEL = """
import numpy as np
from models.compiled import compiled, inlined

@inlined
def square(number):
    return number * number

@compiled
def sum_of_squares(numbers):
    total = 0.0
    for number in numbers:
        total += square(number)
    return total

print(sum_of_squares(np.arange(4.0)))
"""


@pytest.mark.long
def test_a_kernel_runs_where_no_directory_can_hold_a_cache(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel.py"
    kernel.write_text(_KERNEL)
    nowhere = "import runpy, numba.core.caching; numba.core.caching.CacheImpl._locator_classes = []"  # root can write
    program = f"{nowhere}; runpy.run_path({str(kernel)!r})"

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=Path.cwd())

    assert run.stdout == "14.0\n", run.stderr
