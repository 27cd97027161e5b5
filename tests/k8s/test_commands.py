"""The job that runs any command, and the README's overlay and lines."""

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import kubernetes_validate
import yaml

from tests.k8s.rendering import K8S, container_of, kustomized, of_kind, workloads_of, write_overlay

README = (K8S / "README.md").read_text()


def blocks() -> list[str]:
    """Return the fenced blocks of the README."""
    return re.findall(r"(?ms)^```\w+\n(.*?)^```$", README)


def test_the_overlay_of_the_readme_says_where_kafka_and_images_are(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    (overlay,) = [block for block in blocks() if "kind: Kustomization" in block]

    objects = kustomized(program("kubectl"), write_overlay(tmp_path / "mine", overlay))

    (settings,) = of_kind(objects, "ConfigMap")
    workloads = workloads_of(objects)
    assert settings["data"]["REFRAIN_KAFKA_BOOTSTRAP_SERVERS"].startswith("kafka-0.kafka:9093")
    assert {name: container_of(each)["image"] for name, each in workloads.items()} == {
        "worker": "registry.example/refrain:0.1.0",
        "trainer": "registry.example/refrain-trainer:0.1.0",
        "command": "registry.example/refrain-trainer:0.1.0",
    }
    assert of_kind(objects, "ScaledObject")


def test_the_line_of_the_readme_makes_a_job_of_any_command(program: Callable[[str], str], tmp_path: Path) -> None:
    (line,) = [block for block in blocks() if "kubectl patch --local" in block]
    (patch,) = [shlex.split(part.strip("\\\n "))[1:] for part in line.split("|") if "patch --local" in part]
    command = workloads_of(kustomized(program("kubectl"), K8S / "overlays/laptop"))["command"]
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "x"},
        "spec": command["spec"]["jobTemplate"]["spec"],
    }

    patched = subprocess.run(
        [program("kubectl"), *patch], input=yaml.safe_dump(job), capture_output=True, text=True, check=False,
        env={"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)},
    )  # fmt: skip

    assert patched.returncode == 0, patched.stderr
    asked = json.loads(patched.stdout)
    assert container_of(asked)["args"] == ["releases", "list"]
    kubernetes_validate.validate(asked, kubernetes_validate.latest_version(), strict=True)
