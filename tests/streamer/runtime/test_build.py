"""The commit that runs, however it was installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.runtime import build
from streamer.runtime.build import find_build

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_an_editable_checkout_is_asked_for_its_commit() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert find_build().commit.removesuffix("-dirty") == head[:12]


@pytest.mark.parametrize(
    ("origin", "commit"),
    [
        ({}, "unknown"),
        ({"vcs_info": {"commit_id": "0123abcd"}}, "0123abcd"),
        ({"url": "file:///gone", "dir_info": {"editable": True}}, "unknown"),
        ({"url": ROOT.as_uri(), "dir_info": {}}, "unknown"),  # copied: it may have changed since
    ],
)
def test_the_commit_is_what_pip_notes_or_unknown(
    origin: dict[str, object], commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_origin", lambda _: origin)

    assert find_build().commit == commit


@pytest.mark.long
def test_what_is_built_with_a_revision_says_so(tmp_path: Path) -> None:
    source, built = tmp_path / "source", tmp_path / "built"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for room in ("streamer", "models"):
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))

    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(built)]
    subprocess.run(command, cwd=source, env=os.environ | {"REVISION": "0123abcd"}, check=True)
    program = "import streamer.runtime.build as build; build._origin = lambda _: {}; print(build.find_build().commit)"
    found = subprocess.run([sys.executable, "-c", program], cwd=built, capture_output=True, text=True, check=True)

    assert found.stdout == "0123abcd\n"
