import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.k8s.rendering import K8S, ROOT, container_of, kustomized, pod_of, workloads_of

DOCKERFILE = (K8S / "Dockerfile").read_text()
LOCK = ROOT / "requirements.lock"


def run_of(stage: str, number: int) -> str:
    """Return a command of a stage, on one line."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.partition(f" AS {stage}\n")[2].partition("\nFROM ")[0])
    commands: list[str] = re.findall(r"^RUN (.*)$", text, re.MULTILINE)
    return commands[number].partition(" && ")[0]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "requirements.lock").write_bytes(LOCK.read_bytes())
    return tmp_path


def entries(lock: str) -> dict[str, str]:
    """Return what a lock says of each package, by its pin."""
    parts = re.split(r"\n(?=[^\s#])", re.sub(r"^\s*#.*\n", "", lock, flags=re.MULTILINE).strip())
    return {part.split()[0]: part for part in parts}


def test_uv_is_installed_as_the_lock_pins_it(sources: Path) -> None:
    subprocess.run(["sh", "-c", run_of("builder", 0)], cwd=sources, check=True)

    pinned = entries((sources / "uv.lock").read_text())
    assert pinned == {pin: entry for pin, entry in entries(LOCK.read_text()).items() if pin.startswith("uv==")}
    assert all("--hash=sha256:" in entry for entry in pinned.values())
    assert "pip install --no-cache-dir --require-hashes --requirement uv.lock" in DOCKERFILE


def test_only_the_hashes_of_torch_are_missing_where_it_is_the_build_for_cpus(sources: Path) -> None:
    subprocess.run(["sh", "-c", run_of("constrained-cpu", 0)], cwd=sources, check=True)

    locked, left = entries(LOCK.read_text()), entries((sources / "constraints.lock").read_text())
    (torch,) = [pin for pin in locked if pin.startswith("torch==")]
    assert left == locked | {torch: torch}


def test_base_images_are_pinned_by_digest() -> None:
    assert re.search(r"^ARG BASE=python:3\.11-slim@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)
    stages = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)
    bases = {base.replace("${TORCH}", "cpu") for base in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)}
    assert bases - {*stages} == {"${BASE}"}


@pytest.mark.long
def test_an_image_says_what_it_holds(tmp_path: Path) -> None:
    (command,) = {*re.findall(r"/opt/sbom/bin/(cyclonedx-py environment .*)", DOCKERFILE)}
    listing = tmp_path / "bom.json"
    words = command.replace('"$VIRTUAL_ENV/bom.json"', str(listing)).replace('"$VIRTUAL_ENV"', sys.prefix).split()

    subprocess.run([Path(sys.prefix) / "bin" / words[0], *words[1:]], cwd=ROOT, check=True)

    bom = json.loads(listing.read_text())
    listed = {(each["name"].lower(), each["version"]) for each in bom["components"]}
    packages = distributions(path=[sysconfig.get_path("purelib")])
    installed = {(each.name.lower(), each.version) for each in packages if each.name != "refrain"}
    assert (bom["bomFormat"], bom["metadata"]["component"]["name"]) == ("CycloneDX", "refrain")
    assert installed <= listed
    assert all(each["purl"].startswith("pkg:pypi/") for each in bom["components"] if each["name"] != "refrain")


def test_the_image_runs_as_the_user_of_the_pods(program: Callable[[str], str]) -> None:
    users = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    owners = re.findall(r"install -d -o (\d+) -g (\d+)", DOCKERFILE)

    for workload in workloads_of(kustomized(program("kubectl"), K8S / "base")).values():
        context = pod_of(workload)["securityContext"]
        assert users == owners == [(str(context["runAsUser"]), str(context["runAsGroup"]))]


def test_a_pod_runs_the_image_of_its_own_target(program: Callable[[str], str]) -> None:
    for overlay, option in (("base", ""), ("overlays/gpu", "--build-arg TORCH=gpu ")):
        workloads = workloads_of(kustomized(program("kubectl"), K8S / overlay))
        worker = re.search(rf"build -f k8s/Dockerfile {option}--target worker -t (\S+) ", DOCKERFILE)
        assert worker
        assert container_of(workloads["worker"])["image"] == worker[1]
        assert container_of(workloads["trainer"])["image"] == worker[1].replace("refrain:", "refrain-trainer:")
    for target in ("worker", "trainer"):
        assert re.search(rf"^FROM runtime AS {target}$", DOCKERFILE, re.MULTILINE)
        assert re.search(rf'^COPY --from=build-{target} .*\n.*\nCMD \["{target}"\]$', DOCKERFILE, re.MULTILINE)


def test_the_image_is_built_from_existing_files() -> None:
    allowed = (ROOT / ".dockerignore").read_text()
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)

    copied = [source for line in lines for source in line.split()]

    assert copied
    for source in copied:
        assert (ROOT / source).exists()
        assert re.search(rf"^!{re.escape(source)}/?$", allowed, re.MULTILINE), f"{source} is kept out by .dockerignore"
