"""A broker with Kafka's default settings."""

from collections.abc import Iterator

import pytest

from streamer.local.devkafka import DevKafka


@pytest.fixture(scope="session")
def obliging_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevKafka]:
    """A broker with Kafka's own default: it creates every topic that a client names."""
    directory = tmp_path_factory.mktemp("obliging-kafka")
    with DevKafka(directory, broker_config={"auto.create.topics.enable": "true"}) as broker:
        yield broker
