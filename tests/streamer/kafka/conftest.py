"""A broker as Kafka sets it up."""

from collections.abc import Iterator

import pytest

from streamer.local.devkafka import DevKafka


@pytest.fixture(scope="session")
def obliging_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevKafka]:
    """A broker with Kafka's own default: it creates whatever topic it is asked about."""
    directory = tmp_path_factory.mktemp("obliging-kafka")
    with DevKafka(directory, broker_config={"auto.create.topics.enable": "true"}) as broker:
        yield broker
