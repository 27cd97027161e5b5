"""Rules for the repository as a whole."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from setuptools import Distribution
from setuptools.config.pyprojecttoml import apply_configuration

from models.evaluation.baselines import VARIANTS
from streamer.page import BUILT
from streamer.runtime.endings import EXTRA_OF
from streamer.settings import Settings
from streamer.variables import secrets, variable

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """List the files that git tracks, or would track once added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout, so nothing says which files belong to the project")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def declared(pyproject: dict[str, Any]) -> list[str]:
    """List every requirement; an extra's inclusion of another extra is not one."""
    extras = [line for lines in pyproject["project"]["optional-dependencies"].values() for line in lines]
    own: list[str] = [line for line in extras if not line.startswith("refrain[")]
    base: list[str] = pyproject["project"]["dependencies"]
    dev: list[str] = pyproject["dependency-groups"]["dev"]
    docs: list[str] = pyproject["dependency-groups"]["docs"]
    return base + own + dev + docs


def pins() -> dict[str, str]:
    """Read the lock: each requirement with everything up to the next, continuation lines joined."""
    entries = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", LOCK, flags=re.MULTILINE).strip())
    return {entry.split(" ", 1)[0]: entry for entry in entries}


def test_every_pin_is_exact_and_carries_hashes() -> None:
    for requirement, entry in pins().items():
        assert re.fullmatch(r"[a-z0-9-]+(\[[a-z,]+\])?==[\w.!+]+", requirement)
        assert "--hash=sha256:" in entry, requirement


def test_the_lock_names_no_package_index() -> None:
    assert "://" not in LOCK
    assert not re.search(r"^\s*(-i|-f|-e|--index|--extra|--find|--trusted)", LOCK, re.MULTILINE)


def test_every_dependency_is_locked(pyproject: dict[str, Any]) -> None:
    locked = {requirement.split("==")[0].split("[")[0] for requirement in pins()}

    required = {re.split(r"[\[><=]", line)[0] for line in declared(pyproject)}

    assert required - locked == set()


def test_every_dependency_has_a_lower_bound(pyproject: dict[str, Any]) -> None:
    unbounded = [line for line in declared(pyproject) if not re.search(r">=|==", line)]

    assert unbounded == []


def test_a_missing_package_of_an_extra_is_known_to_the_command_line(pyproject: dict[str, Any]) -> None:
    extras = pyproject["project"]["optional-dependencies"]
    extra_of = {
        re.split(r"[\[><=]|-sdk|-exporter", line)[0]: extra  # of OpenTelemetry's packages, what they share
        for extra, lines in extras.items()
        for line in lines
        if not line.startswith("refrain[")
    }

    assert extra_of == EXTRA_OF


def test_no_package_is_both_in_an_extra_and_without_one(pyproject: dict[str, Any]) -> None:
    always = {re.split(r"[\[><=]", line)[0] for line in pyproject["project"]["dependencies"]}

    assert always & EXTRA_OF.keys() == set()


def test_faust_is_pinned_exactly(pyproject: dict[str, Any]) -> None:
    (faust,) = [line for line in pyproject["project"]["dependencies"] if line.startswith("faust-streaming")]

    assert re.fullmatch(r"faust-streaming\[rocksdict\]==\d+\.\d+\.\d+", faust)


def test_a_wheel_marks_its_packages_as_typed_and_has_the_built_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # where setuptools looks for packages
    distribution = apply_configuration(Distribution(), "pyproject.toml")
    distribution.include_package_data = False  # else a manifest is written here
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()

    shipped = {f"{package}/{name}" for package, _, _, names in build.data_files for name in names}
    built = {f"streamer.page/built/{path.relative_to(BUILT)}" for path in BUILT.rglob("*") if path.is_file()}

    assert shipped == {"models/py.typed", "streamer/py.typed"} | built


def test_no_file_is_large(tracked: list[Path]) -> None:
    large = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked if path.stat().st_size > 500 * 1024}

    assert large == {}


def test_no_file_chooses_a_package_index(tracked: list[Path]) -> None:
    # The machine that installs the packages decides where they come from.
    settings = re.compile(
        rb"index-url|find-links|PIP_INDEX|UV_(DEFAULT_)?INDEX|GOPROXY|\[\[tool\.uv\.index\]\]", re.IGNORECASE
    )

    choosing = [path.name for path in tracked if path != Path(__file__) and settings.search(path.read_bytes())]

    assert choosing == []


def test_every_setting_named_outside_the_code_exists(tracked: list[Path]) -> None:
    known = {variable(name) for name in Settings.model_fields}
    known |= {f"{variable(name)}_FILE" for name in secrets(Settings)} | Settings.RETIRED.keys()
    documents = [path for path in tracked if path.suffix in {".md", ".yaml"} or path.name in {"Makefile", "Dockerfile"}]
    documents.remove(ROOT / "docs" / "cases.md")  # it shows what becomes of names that do not exist

    unknown = {
        (path.name, name)
        for path in documents
        for name in re.findall(r"\bREFRAIN_[A-Z0-9_]*[A-Z0-9]\b", path.read_text())
        if name not in known
    }

    assert unknown == set()


def test_every_test_named_in_a_document_exists(tracked: list[Path]) -> None:
    tests = {path.name for path in tracked if path.is_relative_to(ROOT / "tests")}
    documents = [path for path in tracked if path.suffix == ".md"]

    named = {(path.name, name) for path in documents for name in re.findall(r"\btest_\w+\.py\b", path.read_text())}

    assert {(document, name) for document, name in named if name not in tests} == set()


def test_make_lists_every_target() -> None:
    phony = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert re.findall(r"^  make (\S+)", printed, re.MULTILINE) == " ".join(phony).split()


def test_the_readme_has_the_figures_of_the_report() -> None:
    systems = json.loads((ROOT / "docs" / "report" / "30music-s10.json").read_text())
    rows = {
        "Refrain, as served": ["refrain_served"],
        "Refrain, the network alone": ["refrain_network"],
        "GRU4Rec, the best of 14 settings": ["gru4rec"],
        "the best of seven baselines in each": list(VARIANTS),
    }
    readme = (ROOT / "README.md").read_text()

    for title, names in rows.items():
        best = [
            max(systems[name][metric] for name in names) for metric in ("hr_at_20", "mrr_at_20", "lt_recall_at_100")
        ]
        assert f"| {title} | {' | '.join(f'{figure:.3f}'.lstrip('0') for figure in best)} |" in readme
