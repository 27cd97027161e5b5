"""The logic of the page: its own tests, run by Node."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "streamer" / "page" / "source"


@pytest.mark.long
def test_the_logic_of_the_page_passes_its_tests() -> None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    subprocess.run(["make", "-s", f"{SOURCE.relative_to(ROOT)}/node_modules/.installed"], cwd=ROOT, check=True)

    tests = subprocess.run(["npm", "test", "--silent"], cwd=SOURCE, stdout=subprocess.PIPE, text=True, check=False)

    assert tests.returncode == 0, tests.stdout
