"""Whoever creates and checks the topics may look at all of them."""

from collections.abc import Callable

import pytest

from streamer.kafka.rights import Right, simulator_rights, trainer_rights, worker_rights
from streamer.kafka.topics import specs
from streamer.settings import Settings


@pytest.mark.parametrize("rights_of", [worker_rights, trainer_rights, simulator_rights])
def test_whoever_checks_the_topics_may_read_the_settings_of_each(rights_of: Callable[[Settings], list[Right]]) -> None:
    settings = Settings()

    described = {right.name for right in rights_of(settings) if right.operation == "DescribeConfigs"}

    assert {settings.plays_topic, *(spec.name for spec in specs(settings, 1))} <= described
