import re
import shutil
import subprocess
import textwrap
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from streamer.command_line import refrain
from streamer.runtime.stop import GRACE_S
from streamer.settings import Settings
from streamer.variables import secrets as secret_fields
from streamer.variables import variable

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"

# The oldest version that k8s/README.md promises, and the newest that has schemas.
VERSIONS = ("1.29", kubernetes_validate.latest_version())

Object = dict[str, Any]


@pytest.fixture(scope="module")
def objects(program: Callable[[str], str]) -> list[Object]:
    command = [program("kubectl"), "kustomize", str(K8S / "base")]
    rendered = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return list(yaml.safe_load_all(rendered.stdout))


@pytest.fixture(scope="module", params=["worker", "trainer"])
def workload(request: pytest.FixtureRequest, objects: list[Object]) -> Object:
    (match,) = [o for o in objects if "template" in o.get("spec", {}) and o["metadata"]["name"].endswith(request.param)]
    return match


def pod_of(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def container_of(workload: Object) -> Object:
    containers: list[Object] = pod_of(workload)["containers"]
    (container,) = containers
    return container


def settings_of(workload: Object, objects: list[Object]) -> Settings:
    """Read the settings as the container does: its own variables override those of the map."""
    container = container_of(workload)
    (source,) = container["envFrom"]
    maps = {o["metadata"]["name"]: o["data"] for o in objects if o["kind"] == "ConfigMap"}
    own = {entry["name"]: entry.get("value", workload["metadata"]["name"] + "-0") for entry in container["env"]}
    return Settings.from_environment(maps[source["configMapRef"]["name"]] | own)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_fits_the_kubernetes_schema(objects: list[Object], version: str) -> None:
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)


def test_the_schema_rejects_a_misspelt_field(workload: Object) -> None:
    misspelt = workload | {"spec": workload["spec"] | {"replica": 2}}

    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(misspelt, VERSIONS[-1], strict=True)


def test_no_object_chooses_a_namespace(objects: list[Object]) -> None:
    assert [o["metadata"]["name"] for o in objects if "namespace" in o["metadata"]] == []


def test_the_settings_of_a_pod_are_valid(workload: Object, objects: list[Object]) -> None:
    settings = settings_of(workload, objects)

    assert settings.kafka_bootstrap_servers == "kafka:9092"


def test_the_arguments_of_a_pod_are_a_refrain_command(workload: Object) -> None:
    name, *arguments = container_of(workload)["args"]
    command = refrain.get_command(click.Context(refrain), name)

    assert command is not None
    assert command.make_context(name, arguments)


def test_a_pod_writes_only_to_volumes(workload: Object, objects: list[Object]) -> None:
    settings = settings_of(workload, objects)
    writes = {
        "worker": [settings.state_dir],
        "trainer": [settings.archive_dir, Path(urllib.parse.urlsplit(settings.releases_url).path)],
    }

    container = container_of(workload)
    writable = {Path(mount["mountPath"]) for mount in container["volumeMounts"] if not mount.get("readOnly")}

    assert {*writes[container["name"]], Path("/tmp")} == writable


def test_what_a_pod_compiles_outlives_it(workload: Object, objects: list[Object]) -> None:
    settings = settings_of(workload, objects)
    (kept,) = [entry["value"] for entry in container_of(workload)["env"] if entry["name"] == "NUMBA_CACHE_DIR"]

    assert Path(kept).parent in {settings.state_dir, settings.archive_dir}


def test_a_pod_mounts_only_volumes_it_has(workload: Object, objects: list[Object]) -> None:
    claims = {o["metadata"]["name"] for o in objects if o["kind"] == "PersistentVolumeClaim"}
    templates = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
    volumes = {volume["name"]: volume for volume in pod_of(workload)["volumes"]}
    claimed = {v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v}

    mounted = {mount["name"] for mount in container_of(workload)["volumeMounts"]}

    assert mounted == templates | volumes.keys()
    assert claimed <= claims


def test_the_states_of_a_worker_outlive_its_pod(objects: list[Object]) -> None:
    (worker,) = [o for o in objects if o["kind"] == "StatefulSet"]
    (instance,) = [entry for entry in container_of(worker)["env"] if entry["name"] == "REFRAIN_INSTANCE_ID"]

    assert [claim["metadata"]["name"] for claim in worker["spec"]["volumeClaimTemplates"]] == ["state"]
    assert instance["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_there_is_never_a_second_trainer(objects: list[Object]) -> None:
    (trainer,) = [o for o in objects if o["kind"] == "Deployment"]

    assert trainer["spec"]["replicas"] == 1
    assert trainer["spec"]["strategy"] == {"type": "Recreate"}


def test_a_pod_gets_no_service_variables(workload: Object) -> None:
    # Services named refrain-* would set REFRAIN_*_PORT, and an unknown setting keeps the process from starting.
    assert pod_of(workload)["enableServiceLinks"] is False


def test_a_pod_has_no_rights_it_does_not_need(workload: Object) -> None:
    pod, container = pod_of(workload), container_of(workload)

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_pod_is_probed_at_the_port_of_its_web_server(workload: Object, objects: list[Object]) -> None:
    settings, container = settings_of(workload, objects), container_of(workload)
    listens = {"worker": settings.web_port, "trainer": settings.trainer_web_port}[container["name"]]

    assert container["ports"] == [{"name": "web", "containerPort": listens}]
    assert {probe: container[probe]["httpGet"] for probe in container if probe.endswith("Probe")} == {
        "startupProbe": {"path": "/healthz", "port": "web"},
        "livenessProbe": {"path": "/healthz", "port": "web"},
        "readinessProbe": {"path": "/readyz", "port": "web"},
    }


def test_a_process_has_ended_before_it_is_killed(workload: Object) -> None:
    assert pod_of(workload)["terminationGracePeriodSeconds"] >= 2 * GRACE_S


def test_a_silent_worker_is_not_restarted_while_it_computes(workload: Object, objects: list[Object]) -> None:
    live = container_of(workload)["livenessProbe"]

    assert live["periodSeconds"] * live["failureThreshold"] > settings_of(workload, objects).max_step_s


def test_prometheus_scrapes_the_port_of_each_service(objects: list[Object]) -> None:
    for service in (o for o in objects if o["kind"] == "Service"):
        annotations = service["metadata"]["annotations"]
        (port,) = service["spec"]["ports"]

        assert annotations["prometheus.io/scrape"] == "true"
        assert annotations["prometheus.io/path"] == "/metrics"
        assert annotations["prometheus.io/port"] == str(port["port"])


def test_every_selector_selects_the_pods_of_its_workload(objects: list[Object]) -> None:
    workloads = {o["metadata"]["name"]: o for o in objects if "template" in o.get("spec", {})}

    for each in objects:
        if each["kind"] not in {"Service", "PodDisruptionBudget", "StatefulSet", "Deployment"}:
            continue
        selector = each["spec"]["selector"]
        wanted = selector.get("matchLabels", selector)
        selected = [
            name
            for name, workload in workloads.items()
            if wanted.items() <= workload["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert selected == [each["metadata"]["name"]]


def test_the_image_runs_as_the_user_of_the_pods(workload: Object) -> None:
    users = re.findall(r"^USER (\d+):(\d+)$", (K8S / "Dockerfile").read_text(), re.MULTILINE)

    context = pod_of(workload)["securityContext"]

    assert users == [(str(context["runAsUser"]), str(context["runAsGroup"]))]


def test_a_pod_runs_the_image_of_its_own_target(workload: Object) -> None:
    dockerfile = (K8S / "Dockerfile").read_text()
    container = container_of(workload)
    target = container["name"]

    tag = re.search(rf"--target {target} -t (\S+) ", dockerfile)

    assert tag
    assert container["image"] == tag[1]
    assert re.search(rf"^FROM runtime AS {target}$", dockerfile, re.MULTILINE)
    assert re.search(rf'^COPY --from=build-{target} .*\n.*\nCMD \["{target}"\]$', dockerfile, re.MULTILINE)


def test_the_image_is_built_from_existing_files() -> None:
    dockerfile = (K8S / "Dockerfile").read_text().replace("${LOCK}", "requirements.lock")
    allowed = (ROOT / ".dockerignore").read_text().replace("requirements*.lock", "requirements.lock")

    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    copied = [source for line in lines for source in line.split()]

    assert copied
    for source in copied:
        assert (ROOT / source).exists()
        assert re.search(rf"^!{re.escape(source)}/?$", allowed, re.MULTILINE), f"{source} is kept out by .dockerignore"


def test_the_overlay_of_a_secured_kafka_mounts_its_secrets_in_both_pods(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    section = (K8S / "README.md").read_text().partition("**A secured Kafka.**")[2].partition("\n\n**")[0]
    shutil.copytree(K8S / "base", tmp_path / "base")
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    for secret in ("ca.pem", "password"):
        (overlay / secret).write_text("secret")
    head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../base]\n"
    (overlay / "kustomization.yaml").write_text(
        head + textwrap.dedent("\n".join(re.findall(r"^    .*", section, re.M)))
    )

    command = [program("kubectl"), "kustomize", str(overlay)]
    rendered = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)

    objects = list(yaml.safe_load_all(rendered.stdout))
    (secrets,) = [each["metadata"]["name"] for each in objects if each["kind"] == "Secret"]
    pods = [pod_of(each) for each in objects if each["kind"] in {"StatefulSet", "Deployment"}]
    volumes = [{"name": "kafka", "secret": {"secretName": secrets}} in pod["volumes"] for pod in pods]
    mounts = [mount["mountPath"] for pod in pods for mount in pod["containers"][0]["volumeMounts"]]
    assert (volumes, mounts.count("/etc/kafka")) == ([True, True], 2)
    (settings,) = [each["data"] for each in objects if each["kind"] == "ConfigMap"]
    assert {name for name in settings if "KAFKA" in name} <= {
        *map(variable, Settings.model_fields), *(f"{variable(name)}_FILE" for name in secret_fields(Settings)),
    }  # fmt: skip
