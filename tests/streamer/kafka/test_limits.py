"""What brokers and topics allow: read, fitted to, or refused before a worker starts."""

import pytest

from streamer.errors import ContractError
from streamer.kafka.limits import Needs, check_limits, read_batch_limit
from streamer.kafka.producers import MAX_BATCH_BYTES
from streamer.local.devkafka import DevKafka
from tests.cases.observations import Observe
from tests.onkafka import create_topic

pytestmark = [pytest.mark.kafka, pytest.mark.kind(6)]


async def test_batches_are_fitted_to_what_a_topic_accepts(kafka: DevKafka, topic_prefix: str, observe: Observe) -> None:
    small, usual = f"{topic_prefix}.small", f"{topic_prefix}.usual"
    await create_topic(kafka.bootstrap_servers, small, configs={"max.message.bytes": "60000"})
    await create_topic(kafka.bootstrap_servers, usual)

    fitted = await check_limits(kafka.connection, Needs(10.0, 30.0, {small: 8192, usual: 8192}))

    assert fitted == {small: 60000, usual: MAX_BATCH_BYTES}
    assert await read_batch_limit(kafka.connection, [usual, small]) == 60000
    observe("max.message.bytes=60000: batches of at most 60,000 bytes; Kafka's default: of 1,000,000")


@pytest.mark.parametrize(
    ("needs", "problem"),
    [
        (
            Needs(10.0, 100_000.0, {}),
            (
                "REFRAIN_TRANSACTION_TIMEOUT_S=100000 but the brokers have transaction.max.timeout.ms=900000: set "
                "REFRAIN_TRANSACTION_TIMEOUT_S to at most 900, or change the brokers' limit"
            ),
        ),
        (
            Needs(0.5, 30.0, {}),
            (
                "REFRAIN_SESSION_TIMEOUT_S=0.5 but the brokers have group.min.session.timeout.ms=6000: set "
                "REFRAIN_SESSION_TIMEOUT_S to at least 6, or change the brokers' limit"
            ),
        ),
        (
            Needs(7200.0, 30.0, {}),
            (
                "REFRAIN_SESSION_TIMEOUT_S=7200 but the brokers have group.max.session.timeout.ms=1800000: set "
                "REFRAIN_SESSION_TIMEOUT_S to at most 1800, or change the brokers' limit"
            ),
        ),
    ],
    ids=["a transaction too long", "a session too short", "a session too long"],
)
async def test_a_timeout_outside_the_brokers_limits_is_refused_by_name(
    kafka: DevKafka, needs: Needs, problem: str, observe: Observe
) -> None:
    with pytest.raises(ContractError) as refused:
        await check_limits(kafka.connection, needs)

    assert str(refused.value) == problem
    observe(problem)


async def test_a_topic_that_cannot_hold_a_record_is_refused_with_the_command_that_fixes_it(
    kafka: DevKafka, topic_prefix: str, observe: Observe
) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix, configs={"max.message.bytes": "1000"})

    with pytest.raises(ContractError) as refused:
        await check_limits(kafka.connection, Needs(10.0, 30.0, {topic_prefix: 16384}))

    assert str(refused.value) == (
        f"topic {topic_prefix} has max.message.bytes=1000 but a record may take 16384; set it with "
        f"`kafka-configs --alter --topic {topic_prefix} --add-config max.message.bytes=16384`"
    )
    observe("max.message.bytes=1000 on the changelog: refused before the start, with the command that raises it")
