"""compose.yaml as compose reads it, and its services as processes of this machine."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from streamer.local.devkafka import java_command
from streamer.local.kafka_node import KafkaNode
from streamer.local.ports import free_port
from streamer.settings import Settings
from tests.hostile.commands import Command, Commands
from tests.k8s.rendering import ROOT

Service: TypeAlias = dict[str, Any]

_DATA: Final = "/var/lib/refrain"
_INSIDE: Final = "9092"  # the port of the broker that other services use


def read_compose(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read the file, with variables in place of its defaults."""
    given = variables or {}
    text = (ROOT / "compose.yaml").read_text()
    document: dict[str, Any] = yaml.safe_load(
        re.sub(r"\$\{(\w+):-(\w+)\}", lambda found: given.get(found[1], found[2]), text)
    )
    return document


def ours_of(services: Mapping[str, Service]) -> dict[str, Service]:
    """Return the services that run our images."""
    return {name: each for name, each in services.items() if each["image"].startswith("refrain")}


def settings_of(service: Service) -> Settings:
    """Read the settings of a service of ours."""
    return Settings.from_environment({name: str(text) for name, text in service["environment"].items()})


@contextmanager
def broker_of(service: Service, directory: Path) -> Iterator[str]:
    """Run a real broker with the settings of a service, on ports that are free; yield its address."""
    ports = {port: str(free_port()) for port in ("9092", "9093", "9094")}
    config = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): _on_this_machine(str(text), ports)
        for name, text in service["environment"].items()
        if name.startswith("KAFKA_")
    }
    directory.mkdir()
    node = KafkaNode(directory, java_command(), cluster_id=service["environment"]["CLUSTER_ID"])
    node.start(config, int(ports[_INSIDE]))
    try:
        yield f"127.0.0.1:{ports[_INSIDE]}"
    finally:
        node.stop()


@contextmanager
def commands_of(services: Mapping[str, Service], address: str, directory: Path) -> Iterator[dict[str, Command]]:
    """Run the commands of our services beside a broker, in a directory in place of their volumes."""
    commands = Commands({"WEB_PORT": "0", "TRAINER_WEB_PORT": "0"}, directory)
    try:
        yield {name: _start(commands, each, address, directory) for name, each in ours_of(services).items()}
    finally:
        commands.end()


def _start(commands: Commands, service: Service, address: str, directory: Path) -> Command:
    variables = {name: str(text) for name, text in service["environment"].items() if name.startswith("REFRAIN_")}
    settings = {
        name.removeprefix("REFRAIN_"): text.replace(_DATA, str(directory)).replace("kafka:9092", address)
        for name, text in variables.items()
    }
    return commands.start(*service["command"], **settings)


def _on_this_machine(text: str, ports: Mapping[str, str]) -> str:
    text = re.sub(r"//(kafka)?:", "//127.0.0.1:", text)
    return re.sub(r"(?<=:)909[234]", lambda found: ports[found[0]], text)
