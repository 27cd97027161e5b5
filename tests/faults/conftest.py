"""Tiny real releases, and a deployment of workers for each test."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import pytest
import pytest_asyncio
import torch

from models.config import NetworkConfig, TrainingConfig
from models.networks.network import TasteNetwork
from models.plays.catalogue import Catalogue
from models.release import Release, SavedRelease, load_release, save_release
from models.release_files import DataWindow
from models.release_folder import Folder
from models.serving.recommender import Recommender
from streamer.local.devkafka import DevKafka
from tests.faults.cleaning import CLEANING_CONFIG
from tests.faults.harness import Deployment, deploy
from tests.faults.load import EPOCH_MS, TRACKS, Event, draw_events
from tests.faults.proxy import Proxy
from tests.faults.table import ROW, row_of

DeployOn = Callable[[str], AbstractAsyncContextManager[Deployment]]  # called with Kafka's address


@dataclass(frozen=True, slots=True)
class TinyRelease:
    """A release, and the fields of its notice."""

    saved: SavedRelease
    release: Release


def save_tiny_release(directory: Path, *, seed: int, tracks: tuple[str, ...], hidden_size: int) -> TinyRelease:
    """Save a network whose ring terms and gates are far from zero, as training would leave them."""
    torch.manual_seed(seed)
    network = TasteNetwork(NetworkConfig(embedding_size=8, hidden_size=hidden_size), len(tracks)).eval()
    for weights in (*network.ring_weights, *network.ring_gates):
        torch.nn.init.normal_(weights)
    saved = save_release(
        Folder(str(directory)),
        Recommender(network, Catalogue(tracks)),
        training=TrainingConfig(),
        metrics={},
        data_window=DataWindow(EPOCH_MS, EPOCH_MS, 0, 0),
        created_at_ms=EPOCH_MS + seed,
    )
    return TinyRelease(saved, load_release(saved.location, manifest_sha256=saved.manifest_sha256))


@pytest.fixture(scope="session")
def first_release(tmp_path_factory: pytest.TempPathFactory) -> TinyRelease:
    """A release that knows all tracks but the last dozen."""
    return save_tiny_release(tmp_path_factory.mktemp("releases"), seed=1, tracks=TRACKS[:-12], hidden_size=16)


@pytest.fixture(scope="session")
def second_release(tmp_path_factory: pytest.TempPathFactory) -> TinyRelease:
    """A release that knows other tracks, in another order, and has a larger state."""
    return save_tiny_release(tmp_path_factory.mktemp("releases"), seed=2, tracks=TRACKS[:5:-1], hidden_size=24)


@pytest.fixture
def events(request: pytest.FixtureRequest) -> Iterator[Event]:
    """The test's own stream of plays: always the same, unless SEED gives another."""
    seed = crc32(f"{request.node.name}{os.environ.get('SEED', '')}".encode())
    print(f"seed {seed}")  # noqa: T201  pytest shows it where the test fails
    return draw_events(seed)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """The generator that times the faults: always the same, unless SEED gives another."""
    return random.Random(f"{request.node.name}{os.environ.get('SEED', '')}")


@pytest.fixture
def deploy_on(topic_prefix: str, tmp_path: Path, events: Iterator[Event], request: pytest.FixtureRequest) -> DeployOn:
    """Create the test's own topics on a given broker, and report the run as a row of the table."""

    @asynccontextmanager
    async def deploy_on(bootstrap_servers: str) -> AsyncIterator[Deployment]:
        async with deploy(bootstrap_servers, topic_prefix, tmp_path, events) as deployment:
            yield deployment
            request.node.user_properties.append((ROW, row_of(deployment)))

    return deploy_on


@pytest_asyncio.fixture
async def deployment(kafka: DevKafka, deploy_on: DeployOn) -> AsyncIterator[Deployment]:
    """The test's own topics, on the broker that all tests share."""
    async with deploy_on(kafka.bootstrap_servers) as deployment:
        yield deployment


@pytest.fixture(scope="session")
def behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DevKafka, Proxy]]:
    """Run another broker, for faults, whose clients may connect through a proxy."""
    proxy = Proxy()
    with DevKafka(tmp_path_factory.mktemp("kafka"), broker_config=proxy.broker_config) as broker:
        yield broker, proxy


@pytest.fixture
def proxied_kafka(behind_proxy: tuple[DevKafka, Proxy]) -> DevKafka:
    """That broker, for clients that bypass the proxy."""
    return behind_proxy[0]


@pytest_asyncio.fixture
async def proxy(behind_proxy: tuple[DevKafka, Proxy]) -> AsyncIterator[Proxy]:
    """The proxy, letting everything through."""
    async with behind_proxy[1] as proxy:
        yield proxy


@pytest.fixture(scope="session")
def cleaning_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevKafka]:
    """Run another broker, which compacts topics at once."""
    with DevKafka(tmp_path_factory.mktemp("kafka"), broker_config=CLEANING_CONFIG) as broker:
        yield broker


@pytest_asyncio.fixture
async def cleaned_deployment(cleaning_kafka: DevKafka, deploy_on: DeployOn) -> AsyncIterator[Deployment]:
    """The test's own topics, on the broker that compacts."""
    async with deploy_on(cleaning_kafka.bootstrap_servers) as deployment:
        yield deployment
