import logging

import pytest

from streamer.errors import ContractError
from streamer.kafka.topics import _risks, ensure_topics, specs
from streamer.local.devkafka import DevKafka
from streamer.settings import Settings
from tests.cases.observations import Observe
from tests.onkafka import create_topic, describe_topic, settings_on

WEEK_MS = 7 * 24 * 3600 * 1000


def settings_for(kafka: DevKafka, prefix: str, partitions: int = 3, replication: int = 1) -> Settings:
    return settings_on(kafka.bootstrap_servers, prefix, partitions=partitions, replication=replication)


def test_outputs_and_changelog_have_as_many_partitions_as_the_plays() -> None:
    partitions = {spec.name: spec.partitions for spec in specs(Settings(), 5)}

    assert partitions.pop("releases") == 1
    assert partitions.pop("catalogue") is None  # any number
    assert set(partitions.values()) == {5}
    assert len(partitions) == 4


@pytest.mark.kafka
async def test_missing_topics_are_created_with_the_required_settings(kafka: DevKafka, topic_prefix: str) -> None:
    settings = settings_for(kafka, topic_prefix)

    assert await ensure_topics(settings) == 3

    for spec in specs(settings, 3):
        partitions, configs = await describe_topic(kafka.bootstrap_servers, spec.name)
        assert partitions == (spec.partitions or 1)
        wanted = {**spec.configs, **spec.advice}
        assert {name: configs[name] for name in wanted} == wanted
    assert (await describe_topic(kafka.bootstrap_servers, settings.plays_topic))[0] == 3
    changelog = (await describe_topic(kafka.bootstrap_servers, settings.changelog_topic))[1]
    assert (changelog["cleanup.policy"], int(changelog["delete.retention.ms"])) == ("compact", WEEK_MS)
    catalogue = (await describe_topic(kafka.bootstrap_servers, settings.catalogue_topic))[1]
    assert int(catalogue["delete.retention.ms"]) == 100 * 365 * WEEK_MS // 7


@pytest.mark.kafka
async def test_a_catalogue_that_forgets_withdrawals_is_accepted_with_a_warning(
    kafka: DevKafka, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(kafka, topic_prefix)
    await create_topic(kafka.bootstrap_servers, settings.catalogue_topic, 6, {"cleanup.policy": "compact"})

    await ensure_topics(settings)

    (warning,) = [message for message in caplog.messages if "withdrawals are forgotten" in message]
    assert f"--topic {settings.catalogue_topic} --add-config delete.retention.ms=3153600000000" in warning


@pytest.mark.kafka
async def test_correct_topics_are_accepted_again(kafka: DevKafka, topic_prefix: str) -> None:
    await ensure_topics(settings_for(kafka, topic_prefix))

    assert await ensure_topics(settings_for(kafka, topic_prefix, partitions=9)) == 3  # the topic decides


@pytest.mark.kafka
async def test_created_topics_have_as_many_partitions_as_the_existing_plays(kafka: DevKafka, topic_prefix: str) -> None:
    settings = settings_for(kafka, topic_prefix)
    await create_topic(kafka.bootstrap_servers, settings.plays_topic, 2)

    assert await ensure_topics(settings) == 2

    assert (await describe_topic(kafka.bootstrap_servers, settings.short_term_topic))[0] == 2


@pytest.mark.kafka
async def test_outputs_with_more_partitions_than_the_plays_are_rejected(kafka: DevKafka, topic_prefix: str) -> None:
    settings = settings_for(kafka, topic_prefix)
    await create_topic(kafka.bootstrap_servers, settings.long_term_topic, 4, {"cleanup.policy": "compact"})

    with pytest.raises(ContractError, match=rf"topic {topic_prefix}\.long has 4 partitions .* has 3"):
        await ensure_topics(settings)


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("topic", "partitions", "configs", "message"),
    [
        ("-listeners-changelog", 3, {"cleanup.policy": "delete"}, "has cleanup.policy=delete but needs compact"),
        ("-listeners-changelog", 3, {"cleanup.policy": "compact,delete"}, "has cleanup.policy=compact,delete but"),
        (
            "-listeners-changelog",
            3,
            {"cleanup.policy": "compact", "delete.retention.ms": "86400000"},
            f"has delete.retention.ms=86400000 but needs {WEEK_MS}",
        ),
        (".plays", 3, {"cleanup.policy": "compact"}, "has cleanup.policy=compact but needs delete"),
        (
            ".releases",
            1,
            {"cleanup.policy": "compact"},
            "has message.timestamp.type=CreateTime but needs LogAppendTime",
        ),
        (".short", 3, {}, "has cleanup.policy=delete but needs compact"),
    ],
)
async def test_a_topic_that_would_lose_records_is_rejected_with_the_command_that_fixes_it(
    kafka: DevKafka, topic_prefix: str, *, topic: str, partitions: int, configs: dict[str, str], message: str
) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix + topic, partitions, configs)

    with pytest.raises(ContractError) as refused:
        await ensure_topics(settings_for(kafka, topic_prefix))

    assert message in str(refused.value)
    assert f"kafka-configs --alter --topic {topic_prefix}{topic} --add-config" in str(refused.value)


@pytest.mark.kafka
@pytest.mark.kind(22)
async def test_topics_on_which_forgotten_listeners_stay_longer_are_named_with_the_command(
    kafka: DevKafka, topic_prefix: str, caplog: pytest.LogCaptureFixture, observe: Observe
) -> None:
    settings = settings_for(kafka, topic_prefix)
    await create_topic(kafka.bootstrap_servers, settings.dead_letter_topic, 3, {"max.compaction.lag.ms": "1000"})
    await create_topic(kafka.bootstrap_servers, settings.short_term_topic, 3, {"cleanup.policy": "compact"})

    with caplog.at_level(logging.WARNING, "streamer.kafka.topics"):
        await ensure_topics(settings)

    of_letters, of_answers = (each for each in sorted(caplog.messages) if "stays longer" in each)
    assert f"--topic {settings.dead_letter_topic} --add-config cleanup.policy=[compact,delete]" in of_letters
    assert "must be sent again or discarded before" in of_letters
    assert f"--topic {settings.short_term_topic} --add-config max.compaction.lag.ms=[86400000]" in of_answers
    observe("topics that keep what forgotten listeners left are named at the start, with the command that changes it")


@pytest.mark.kafka
async def test_a_changelog_that_keeps_tombstones_longer_is_accepted(kafka: DevKafka, topic_prefix: str) -> None:
    settings = settings_for(kafka, topic_prefix)
    configs = {"cleanup.policy": "compact", "delete.retention.ms": str(2 * WEEK_MS)}
    await create_topic(kafka.bootstrap_servers, settings.changelog_topic, 3, configs)

    assert await ensure_topics(settings) == 3


@pytest.mark.parametrize(
    ("replicas", "min_insync", "unclean", "risks"),
    [(1, "1", "false", 0), (2, "1", "false", 0), (3, "1", "false", 1), (3, "2", "false", 0), (3, "1", "true", 2)],
)
def test_settings_that_may_lose_records_are_reported(replicas: int, min_insync: str, unclean: str, risks: int) -> None:
    configs = {"min.insync.replicas": min_insync, "unclean.leader.election.enable": unclean}

    assert len(list(_risks(configs, replicas))) == risks


@pytest.mark.kafka
async def test_a_topic_that_may_lose_records_is_accepted_with_a_warning(
    kafka: DevKafka, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(kafka, topic_prefix)
    await create_topic(kafka.bootstrap_servers, settings.plays_topic, 3, {"unclean.leader.election.enable": "true"})

    with caplog.at_level(logging.WARNING, "streamer.kafka.topics"):
        await ensure_topics(settings)

    (warning,) = [each.getMessage() for each in caplog.records if each.name == "streamer.kafka.topics"]
    assert f"topic={settings.plays_topic} unclean.leader.election.enable=true: set false" in warning


@pytest.mark.kind(8)
@pytest.mark.kafka
async def test_fewer_replicas_than_expected_are_created_where_brokers_are_few_and_reported_at_each_start(
    kafka: DevKafka, topic_prefix: str, caplog: pytest.LogCaptureFixture, observe: Observe
) -> None:
    settings = settings_for(kafka, topic_prefix, replication=Settings().replication)

    with caplog.at_level(logging.INFO, "streamer.kafka.topics"):
        await ensure_topics(settings)
        await ensure_topics(settings)

    warnings = [
        each.getMessage()
        for each in caplog.records
        if each.levelno == logging.WARNING and each.name == "streamer.kafka.topics"
    ]
    (first, second) = warnings
    assert first == second
    assert first.startswith(f"few replicas: topics have fewer than 3 replicas: {topic_prefix}.plays (1), ")
    assert "REFRAIN_REPLICATION=1 where one copy is enough" in first
    assert f"{topic_prefix}.plays keeps its 3 partitions for ever" in caplog.text
    observe(
        "one broker, REFRAIN_REPLICATION left at 3: topics of 1 replica, and a warning at each start that names them"
    )
    observe("plays is created: its number of partitions is said to be for ever, and how to have another")


@pytest.mark.kind(8)
@pytest.mark.kafka
async def test_a_choice_of_one_replica_is_not_questioned(
    kafka: DevKafka, topic_prefix: str, caplog: pytest.LogCaptureFixture, observe: Observe
) -> None:
    await ensure_topics(settings_for(kafka, topic_prefix, replication=1))

    assert [each for each in caplog.records if each.name == "streamer.kafka.topics"] == []
    configs = (await describe_topic(kafka.bootstrap_servers, f"{topic_prefix}.plays"))[1]
    assert configs["min.insync.replicas"] == "1"
    observe("REFRAIN_REPLICATION=1: no warning, and min.insync.replicas=1 whatever the broker's default is")


@pytest.mark.kafka
async def test_topics_that_cannot_be_created_are_reported(kafka: DevKafka, topic_prefix: str) -> None:
    settings = settings_for(kafka, topic_prefix)
    await create_topic(kafka.bootstrap_servers, settings.plays_topic.replace(".", "_"))  # Kafka takes them for the same

    with pytest.raises(ContractError, match="cannot be created: InvalidTopic"):
        await ensure_topics(settings)


@pytest.mark.kafka
async def test_a_broker_that_creates_topics_by_itself_does_not_interfere(
    obliging_kafka: DevKafka, topic_prefix: str
) -> None:
    settings = settings_for(obliging_kafka, topic_prefix)

    assert await ensure_topics(settings) == 3

    for spec in specs(settings, 3):
        partitions, configs = await describe_topic(obliging_kafka.bootstrap_servers, spec.name)
        assert (spec.name, partitions) == (spec.name, spec.partitions or 1)
        assert {name: configs[name] for name in spec.configs} == dict(spec.configs)
