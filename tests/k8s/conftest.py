import os
import shutil
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Return a finder of programs, which skips the test if one is missing; in CI, which installs them, it fails."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None and os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing in CI; .ci/run should have installed it")
        if path is None:
            pytest.skip(f"{name} is not installed")
        return path

    return find
