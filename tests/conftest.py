"""Fixtures that every test directory may use."""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from streamer.local.devkafka import DevKafka

os.environ.setdefault("OMP_NUM_THREADS", "1")  # on a busy machine tiny tensors wait too long for a second thread


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevKafka]:
    """Run one real broker for the whole session; if it cannot start, its tests fail with the reason."""
    with DevKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def topic_prefix() -> str:
    """Separate the topics, groups and transactions of one test from those of all others on the shared broker."""
    return f"t{uuid4().hex[:12]}"
