import os
import shutil
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Find a program by name, or skip; in CI a missing one is a failure, since .ci/run should have brought it."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None and os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing in CI; .ci/run should have brought it")
        if path is None:
            pytest.skip(f"{name} is not installed")
        return path

    return find
