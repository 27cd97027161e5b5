"""Fixtures that every test directory may use."""

import asyncio
import gc
import os
import sys
from collections.abc import Generator, Iterator
from types import ModuleType
from uuid import uuid4

import hypothesis
import pytest

from streamer.local.devkafka import DevKafka
from tests import amount
from tests.cases import drills
from tests.cases.drills import Drills
from tests.cases.observations import PAGE, Observations, Observe, observer, properties
from tests.secured import SecuredKafka, secured_kafka

os.environ.setdefault("OMP_NUM_THREADS", "1")  # on a busy machine tiny tensors wait too long for a second thread

# jsonschema imports it for the formats of IRIs, which no schema of ours has; it compiles a grammar for two seconds.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # that is how an import is made to fail

# The first optimizer imports torch's compiler, for two seconds, and asks it to leave the optimizer alone.
sys.modules["torch._dynamo"] = no_compiler = ModuleType("torch._dynamo")
no_compiler.__dict__.update(disable=lambda function, *_, **__: function, graph_break=lambda: None)

# Without a deadline: the first example of a kernel compiles it.
hypothesis.settings.register_profile("all", deadline=None, max_examples=amount.ALL)
hypothesis.settings.register_profile("few", deadline=None, max_examples=amount.FEW)
hypothesis.settings.load_profile("all")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", action="store_true", help="write docs/cases.md from the tests of kinds of faults")
    parser.addoption("--drills", action="store_true", help="write docs/drills.md from the tests that provoke alerts")


def pytest_configure(config: pytest.Config) -> None:
    is_main = not hasattr(config, "workerinput")  # the others report to it
    if config.getoption("--cases") and is_main:
        config.pluginmanager.register(Observations(PAGE))
    if config.getoption("--drills") and is_main:
        config.pluginmanager.register(Drills(drills.PAGE, drills.alerts()))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector away from what the tests import, torch and the rest: it stays until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        item.user_properties += properties(item)
    pages = {"--cases": "kind", "--drills": "drill"}
    if wanted := [mark for option, mark in pages.items() if config.getoption(option)]:
        items[:] = [item for item in items if any(map(item.get_closest_marker, wanted))]


@pytest.fixture
def observe(request: pytest.FixtureRequest) -> Observe:
    """Say in a line what happened in a case from the outside; the line is the same on each run."""
    return observer(request.node)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevKafka]:
    """Run one real broker for the whole session; if it cannot start, its tests fail with the reason."""
    with DevKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """Run another broker for the whole session, with TLS, users and ACLs."""
    with secured_kafka(tmp_path_factory.mktemp("secured-kafka")) as broker:
        asyncio.run(broker.add_user())
        yield broker


@pytest.fixture
def topic_prefix() -> str:
    """Separate the topics, groups and transactions of one test from those of all others on the shared broker."""
    return f"t{uuid4().hex[:12]}"
