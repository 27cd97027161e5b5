"""The manifests as kustomize renders them, and the parts of their objects."""

import functools
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from streamer.settings import Settings

ROOT: Final = Path(__file__).parents[2]
K8S: Final = ROOT / "k8s"

Object: TypeAlias = dict[str, Any]

#: Where pods find the secrets of a secured Kafka.
SECRETS: Final = "/etc/refrain/kafka"

_WITH_PODS: Final = ("StatefulSet", "Deployment", "CronJob")


@functools.cache
def kustomized(kubectl: str, directory: Path) -> Sequence[Object]:
    """Render a directory."""
    command = [kubectl, "kustomize", str(directory)]
    rendered = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert rendered.returncode == 0, rendered.stderr
    return tuple(yaml.load_all(rendered.stdout, yaml.CSafeLoader))


def write_overlay(directory: Path, text: str) -> Path:
    """Write an overlay into a new directory; `../k8s` in its text is that of the repository."""
    directory.mkdir(parents=True)
    overlay = text.replace("../k8s", os.path.relpath(K8S, directory))
    (directory / "kustomization.yaml").write_text(overlay)
    return directory


def with_components(directory: Path, resource: str, components: Iterable[str]) -> Path:
    """Write an overlay of one of the repository's directories, with some of its components."""
    head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    paths = ", ".join(f"../k8s/components/{name}" for name in components)
    return write_overlay(directory, f"{head}resources: [../k8s/{resource}]\ncomponents: [{paths}]\n")


def of_kind(objects: Sequence[Object], kind: str) -> list[Object]:
    """Return the objects of a kind."""
    return [each for each in objects if each["kind"] == kind]


def workloads_of(objects: Sequence[Object]) -> dict[str, Object]:
    """Return those of Refrain's objects that start pods, by the name of their container."""
    workloads = [each for each in objects if each["kind"] in _WITH_PODS]
    return {container_of(each)["name"]: each for each in workloads if each["metadata"]["name"].startswith("refrain")}


def template_of(workload: Object) -> Object:
    """Return the template of a workload's pods."""
    spec = workload["spec"]
    template: Object = (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]
    return template


def pod_of(workload: Object) -> Object:
    """Return the specification of a workload's pods."""
    pod: Object = template_of(workload)["spec"]
    return pod


def container_of(workload: Object) -> Object:
    """Return the only container of a workload's pods."""
    containers: list[Object] = pod_of(workload)["containers"]
    (container,) = containers
    return container


def volumes_of(workload: Object) -> dict[str, Object]:
    """Return the volumes of a workload's pods, by their names."""
    templates = workload["spec"].get("volumeClaimTemplates", [])
    volumes = [*pod_of(workload).get("volumes", []), *({"name": each["metadata"]["name"]} for each in templates)]
    return {volume["name"]: volume for volume in volumes}


def settings_of(workload: Object, objects: Sequence[Object], secrets: Path) -> Settings:
    """Read the settings as the container does: its own variables override those of the map.

    Args:
        workload: starts the container.
        objects: hold the map.
        secrets: the directory that is mounted at `SECRETS`.
    """
    container = container_of(workload)
    names = [source["configMapRef"]["name"] for source in container["envFrom"] if "configMapRef" in source]
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(objects, "ConfigMap")}
    own = {each["name"]: each.get("value", f"{each['name'].lower()}-0") for each in container.get("env", [])}
    variables = {name: text.replace(SECRETS, str(secrets)) for name, text in (maps[names[0]] | own).items()}
    return Settings.from_environment(variables)
