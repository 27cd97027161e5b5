"""What holds for the pods of workers and trainer."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from streamer.settings import Settings
from tests.k8s.rendering import K8S, Object, container_of, kustomized, of_kind, settings_of, workloads_of


@pytest.fixture(scope="module")
def objects(program: Callable[[str], str]) -> Sequence[Object]:
    return kustomized(program("kubectl"), K8S / "base")


@pytest.fixture(scope="module", params=["worker", "trainer"])
def workload(request: pytest.FixtureRequest, objects: Sequence[Object]) -> Object:
    return workloads_of(objects)[request.param]


@pytest.fixture
def settings(workload: Object, objects: Sequence[Object], tmp_path: Path) -> Settings:
    return settings_of(workload, objects, tmp_path)


def test_what_a_pod_compiles_outlives_it(workload: Object, settings: Settings) -> None:
    (kept,) = [entry["value"] for entry in container_of(workload)["env"] if entry["name"] == "NUMBA_CACHE_DIR"]

    assert Path(kept).parent in {settings.state_dir, settings.archive_dir}


def test_the_states_of_a_worker_outlive_its_pod(objects: Sequence[Object]) -> None:
    worker = workloads_of(objects)["worker"]
    (instance,) = [entry for entry in container_of(worker)["env"] if entry["name"] == "REFRAIN_INSTANCE_ID"]

    assert [claim["metadata"]["name"] for claim in worker["spec"]["volumeClaimTemplates"]] == ["state"]
    assert instance["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_a_pod_is_probed_at_the_port_of_its_web_server(workload: Object, settings: Settings) -> None:
    container = container_of(workload)
    listens = {"worker": settings.web_port, "trainer": settings.trainer_web_port}[container["name"]]

    assert container["ports"] == [{"name": "web", "containerPort": listens}]
    assert {probe: container[probe]["httpGet"] for probe in container if probe.endswith("Probe")} == {
        "startupProbe": {"path": "/healthz", "port": "web"},
        "livenessProbe": {"path": "/healthz", "port": "web"},
        "readinessProbe": {"path": "/readyz", "port": "web"},
    }


def test_a_silent_worker_is_not_restarted_while_it_computes(workload: Object, settings: Settings) -> None:
    live = container_of(workload)["livenessProbe"]

    assert live["periodSeconds"] * live["failureThreshold"] > settings.max_step_s


def test_the_tokens_of_workers_come_from_a_secret_that_may_be_missing(program: Callable[[str], str]) -> None:
    worker = workloads_of(kustomized(program("kubectl"), K8S / "overlays" / "production"))["worker"]
    tokens = {
        each["name"]: each["valueFrom"] for each in container_of(worker)["env"] if each["name"].endswith("_TOKEN")
    }

    assert tokens == {
        f"REFRAIN_{right.upper()}_TOKEN": {"secretKeyRef": {"name": "refrain-tokens", "key": right, "optional": True}}
        for right in ("read", "act")
    }


def test_prometheus_scrapes_the_port_of_each_service(objects: Sequence[Object]) -> None:
    for service in of_kind(objects, "Service"):
        annotations = service["metadata"]["annotations"]
        (port,) = service["spec"]["ports"]

        assert annotations["prometheus.io/scrape"] == "true"
        assert annotations["prometheus.io/path"] == "/metrics"
        assert annotations["prometheus.io/port"] == str(port["port"])
