"""The deployments of the fault suite, for what is slow without being a fault, and of commands as processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.local.devkafka import DevKafka
from tests.faults.conftest import behind_proxy, deploy_on, deployment, events, first_release, proxy, second_release
from tests.faults.proxy import Proxy
from tests.hostile.commands import Commands, deployed
from tests.k8s.conftest import program
from tests.streamer.training.test_trainer import config

__all__ = [
    "behind_proxy", "config", "deploy_on", "deployment", "events", "first_release", "program", "proxy",
    "second_release",
]  # fmt: skip


@pytest.fixture
def commands(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> Iterator[Commands]:
    """A deployment on the broker that all tests share."""
    with deployed(kafka.bootstrap_servers, topic_prefix, tmp_path) as commands:
        yield commands


@pytest.fixture
def proxied(proxy: Proxy, topic_prefix: str, tmp_path: Path) -> Iterator[Commands]:
    """A deployment whose processes reach another broker through the proxy."""
    with deployed(proxy.address, topic_prefix, tmp_path) as commands:
        yield commands
