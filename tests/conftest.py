"""Fixtures that every test directory may use."""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from streamer.local.devkafka import DevKafka

os.environ.setdefault("OMP_NUM_THREADS", "1")  # on a busy machine tiny tensors wait long for a second thread


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevKafka]:
    """Run one real broker for the whole session; a test that cannot have it fails and says why."""
    with DevKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def topic_prefix() -> str:
    """Keep the topics, groups and transactions of one test apart from every other's on the shared broker."""
    return f"t{uuid4().hex[:12]}"
