"""What holds for the base and for each overlay and component."""

import functools
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click
import kubernetes_validate
import pydantic
import pytest

from streamer.command_line import refrain
from streamer.runtime.stop import GRACE_S
from streamer.settings import Settings
from streamer.variables import secrets as secret_fields
from streamer.variables import variable
from tests.k8s.custom_resources import is_custom, validate_custom
from tests.k8s.prometheus_rule import RULES, prometheus_rule
from tests.k8s.rendering import (
    K8S,
    ROOT,
    SECRETS,
    Object,
    container_of,
    kustomized,
    of_kind,
    pod_of,
    settings_of,
    template_of,
    volumes_of,
    with_components,
    workloads_of,
)

# The oldest version that k8s/README.md promises, and the newest that has schemas.
VERSIONS = ("1.29", kubernetes_validate.latest_version())

#: A directory, and components that it does not have.
RENDERED = [
    "base", "base autoscaling gpu commands", "overlays/laptop", "overlays/production", "overlays/gpu",
    "overlays/production secured-autoscaling",
]  # fmt: skip


@pytest.fixture(scope="module", params=RENDERED)
def objects(
    request: pytest.FixtureRequest, program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Sequence[Object]:
    resource, *components = request.param.split()
    overlay = tmp_path_factory.mktemp("k8s") / "overlay"
    return kustomized(program("kubectl"), with_components(overlay, resource, components))


@pytest.fixture(scope="module", autouse=True)
def schemas_are_read_once() -> Iterator[None]:
    """Keep what the validator would read again for each object, megabytes of definitions."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("schema_contents", "all_versions"):
            patch.setattr(kubernetes_validate.utils, name, functools.cache(getattr(kubernetes_validate.utils, name)))
        yield


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for name in ("ca.pem", "username", "password"):
        (tmp_path / name).write_text("secret")
    return tmp_path


@pytest.mark.parametrize("version", [pytest.param(VERSIONS[0], marks=pytest.mark.long), VERSIONS[1]])
def test_every_object_fits_the_kubernetes_schema(objects: Sequence[Object], version: str) -> None:
    for each in objects:
        if not is_custom(each):
            kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.long
def test_every_other_object_fits_the_types_of_its_operator(objects: Sequence[Object]) -> None:
    for each in objects:
        if is_custom(each):
            validate_custom(each)
            with pytest.raises(pydantic.ValidationError, match="misspelt"):
                validate_custom(each | {"spec": each["spec"] | {"misspelt": 1}})


def test_the_schema_rejects_a_misspelt_field(objects: Sequence[Object]) -> None:
    worker = workloads_of(objects)["worker"]

    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(worker | {"spec": worker["spec"] | {"replica": 2}}, VERSIONS[-1], strict=True)


def test_no_object_chooses_a_namespace(objects: Sequence[Object]) -> None:
    assert [each["metadata"]["name"] for each in objects if "namespace" in each["metadata"]] == []


def test_the_settings_of_a_pod_are_valid(objects: Sequence[Object], secrets: Path) -> None:
    known = {*map(variable, Settings.model_fields), *(f"{variable(name)}_FILE" for name in secret_fields(Settings))}

    for workload in workloads_of(objects).values():
        assert settings_of(workload, objects, secrets).kafka_bootstrap_servers == "kafka:9092"
    (settings,) = of_kind(objects, "ConfigMap")
    assert settings["data"].keys() <= known


def test_the_arguments_of_a_pod_are_a_refrain_command(objects: Sequence[Object]) -> None:
    for workload in workloads_of(objects).values():
        name, *arguments = container_of(workload)["args"]
        command = refrain.get_command(click.Context(refrain), name)
        assert command is not None
        assert command.make_context(name, arguments)


def test_a_pod_runs_the_image_of_this_version(objects: Sequence[Object]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    tags = {container_of(each)["image"].partition(":")[2] for each in workloads_of(objects).values()}

    assert tags <= {version, f"{version}-gpu"}


def test_a_pod_mounts_what_it_has_and_has_what_it_mounts(objects: Sequence[Object]) -> None:
    claims = {each["metadata"]["name"] for each in of_kind(objects, "PersistentVolumeClaim")}

    for workload in workloads_of(objects).values():
        volumes = volumes_of(workload)
        used = {v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v}
        assert {mount["name"] for mount in container_of(workload).get("volumeMounts", [])} == volumes.keys()
        assert used <= claims


def test_a_pod_writes_only_to_volumes(objects: Sequence[Object], secrets: Path) -> None:
    for name in ("worker", "trainer"):
        workload = workloads_of(objects)[name]
        settings = settings_of(workload, objects, secrets)
        releases = urlsplit(settings.releases_url)
        shared = [Path(releases.path)] if releases.scheme == "file" else []
        written = {"worker": [settings.state_dir], "trainer": [settings.archive_dir, *shared]}
        mounts = container_of(workload)["volumeMounts"]
        writable = {Path(mount["mountPath"]) for mount in mounts if not mount.get("readOnly")}
        assert {*written[name], Path("/tmp")} == writable


def test_a_pod_has_no_rights_it_does_not_need(objects: Sequence[Object]) -> None:
    for workload in workloads_of(objects).values():
        pod = pod_of(workload)
        # Services named refrain-* would set REFRAIN_*_PORT, and an unknown setting keeps the process from starting.
        assert (pod["enableServiceLinks"], pod["automountServiceAccountToken"]) == (False, False)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container_of(workload)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_a_process_has_ended_before_it_is_killed(objects: Sequence[Object]) -> None:
    for workload in workloads_of(objects).values():
        assert pod_of(workload).get("terminationGracePeriodSeconds", 30) >= 2 * GRACE_S


def test_there_is_never_a_second_trainer(objects: Sequence[Object]) -> None:
    trainer = workloads_of(objects)["trainer"]

    assert (trainer["spec"]["replicas"], trainer["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_every_selector_selects_the_pods_of_its_workload(objects: Sequence[Object]) -> None:
    workloads = [*of_kind(objects, "StatefulSet"), *of_kind(objects, "Deployment")]

    for each in objects:
        if each["kind"] not in {"Service", "PodDisruptionBudget", "StatefulSet", "Deployment"}:
            continue
        selector = each["spec"]["selector"]
        wanted = selector.get("matchLabels", selector).items()
        selected = [w["metadata"]["name"] for w in workloads if wanted <= template_of(w)["metadata"]["labels"].items()]
        assert selected == [each["metadata"]["name"]]


def test_no_more_workers_are_started_than_there_are_partitions(objects: Sequence[Object], secrets: Path) -> None:
    worker = workloads_of(objects)["worker"]
    num_partitions = settings_of(worker, objects, secrets).partitions
    scaled = of_kind(objects, "ScaledObject")

    assert [each["spec"]["maxReplicaCount"] for each in scaled] == [num_partitions] * len(scaled)
    assert ("replicas" in worker["spec"]) is not bool(scaled), "two would set the number of workers"
    assert worker["spec"].get("replicas", 1) <= num_partitions


def test_a_lag_is_read_from_the_topic_and_group_of_the_workers(objects: Sequence[Object], secrets: Path) -> None:
    worker = workloads_of(objects)["worker"]

    for each in of_kind(objects, "ScaledObject"):
        target, lag = each["spec"]["scaleTargetRef"], each["spec"]["triggers"][0]["metadata"]
        assert (target["kind"], target["name"]) == (worker["kind"], worker["metadata"]["name"])
        assert target["envSourceContainerName"] == container_of(worker)["name"]
        assert lag["topic"] == settings_of(worker, objects, secrets).plays_topic
        (settings,) = of_kind(objects, "ConfigMap")
        assert {lag["bootstrapServersFromEnv"], lag["consumerGroupFromEnv"]} <= settings["data"].keys()


def test_secrets_are_mounted_and_named_alike(objects: Sequence[Object]) -> None:
    (settings,) = of_kind(objects, "ConfigMap")
    files = [Path(text) for text in settings["data"].values() if text.startswith(SECRETS)]
    (workload, *_) = workloads_of(objects).values()
    secret = volumes_of(workload).get("kafka", {}).get("secret", {})
    taken = [each for a in of_kind(objects, "TriggerAuthentication") for each in a["spec"]["secretTargetRef"]]

    assert bool(files) is bool(secret)
    for each in taken:
        assert (each["name"], each["key"] in {"username", *(file.name for file in files)}) == (
            secret["secretName"],
            True,
        )


def test_the_rules_of_prometheus_operator_are_those_of_the_alerts() -> None:
    assert RULES.read_text() == prometheus_rule(), "run `make dashboards`"


def test_every_component_and_overlay_is_rendered_here() -> None:
    rendered = {word for line in RENDERED for word in line.split()}
    used = "".join(path.read_text() for path in K8S.glob("overlays/*/kustomization.yaml"))

    for path in K8S.glob("*/*/kustomization.yaml"):
        name = path.parent.name
        assert name in rendered or f"overlays/{name}" in rendered or f"components/{name}" in used, path
