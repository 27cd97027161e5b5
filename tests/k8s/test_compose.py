"""compose.yaml: held against the schema of compose files, and its commands run without containers."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import click
import jsonschema
import pytest
import yaml

from streamer.command_line import refrain
from tests.k8s.composed import Service, broker_of, commands_of, ours_of, read_compose, settings_of
from tests.k8s.rendering import K8S, ROOT, container_of, kustomized, of_kind
from tests.onkafka import read_committed
from tests.until import until_awaited

FILES = ROOT / "compose"
SCHEMA = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    services: dict[str, Service] = read_compose()["services"]
    return services


def test_the_file_fits_the_schema_of_compose() -> None:
    schema = json.loads(Path(str(distribution("check-jsonschema").locate_file(SCHEMA))).read_text())
    document = read_compose()

    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError, match="comand"):
        jsonschema.validate(document | {"services": {"worker": {"comand": ["worker"]}}}, schema)


def test_each_service_of_ours_runs_a_command_with_settings_that_are_valid(services: dict[str, Service]) -> None:
    for each in ours_of(services).values():
        name, *arguments = each["command"]
        command = refrain.get_command(click.Context(refrain), name)
        assert command is not None
        assert command.make_context(name, arguments)
        assert settings_of(each).kafka_bootstrap_servers == "kafka:9092"


def test_what_is_mounted_exists_and_what_is_written_is_mounted(services: dict[str, Service]) -> None:
    named = read_compose()["volumes"].keys()

    for each in services.values():
        for source in (volume.partition(":")[0] for volume in each.get("volumes", [])):
            assert source in named or source.startswith("/") or (ROOT / source).exists(), source
    for name, variable in (("worker", "REFRAIN_STATE_DIR"), ("trainer", "REFRAIN_ARCHIVE_DIR")):
        targets = [volume.split(":")[-1] for volume in services[name]["volumes"]]
        assert services[name]["environment"][variable] in targets


def test_images_are_those_of_the_manifests(services: dict[str, Service], program: Callable[[str], str]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    laptop = kustomized(program("kubectl"), K8S / "overlays" / "laptop")
    (kafka,) = [each for each in of_kind(laptop, "StatefulSet") if each["metadata"]["name"] == "kafka"]

    assert {each["image"].partition(":")[2] for each in ours_of(services).values()} == {version}
    assert services["kafka"]["image"] == container_of(kafka)["image"]


def test_prometheus_accepts_its_file_and_scrapes_every_process(
    services: dict[str, Service], program: Callable[[str], str], tmp_path: Path
) -> None:
    text = (FILES / "prometheus.yaml").read_text()
    here = tmp_path / "prometheus.yaml"
    here.write_text(text.replace("/etc/prometheus/rules", str(K8S / "alerts")))

    checked = subprocess.run(
        [program("promtool"), "check", "config", here], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert re.search(r"SUCCESS: \d+ rules found", checked.stdout)
    settings = {name: settings_of(each) for name, each in ours_of(services).items()}
    assert f"names: [worker]\n        type: A\n        port: {settings['worker'].web_port}\n" in text
    assert f"trainer:{settings['trainer'].trainer_web_port}" in text


def test_grafana_finds_prometheus_and_the_dashboards(services: dict[str, Service]) -> None:
    grafana = services["grafana"]
    (source,) = yaml.safe_load((FILES / "grafana" / "datasources.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((FILES / "grafana" / "dashboards.yaml").read_text())["providers"]

    assert source["url"].removeprefix("http://").partition(":")[0] in services
    folder = provider["options"]["path"]
    assert f"./k8s/dashboards:{folder}:ro" in grafana["volumes"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (home.parent, (K8S / "dashboards" / home.name).exists()) == (Path(folder), True)


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_the_commands_of_the_services_answer_simulated_listeners(tmp_path: Path) -> None:
    services = read_compose({"PLAYS_PER_S": "500"})["services"]
    with (
        broker_of(services["kafka"], tmp_path / "kafka") as address,
        commands_of(services, address, tmp_path) as commands,
    ):

        async def num_answers() -> int:
            assert [name for name, each in commands.items() if each.status is not None] == []
            topic, partitions = "recommendations.short-term", range(4)
            return sum([len(await read_committed(address, topic, number)) for number in partitions])

        await commands["trainer"].ready()
        await until_awaited(num_answers, "plays are answered", deadline_s=600, period_s=2)

        assert {name: commands[name].page("healthz")[0] for name in ("worker", "trainer")} == {
            "worker": 200,
            "trainer": 200,
        }
