"""The limits of brokers and topics: checked before a worker starts, so that none is met in mid-work.

Record batches are fitted to `max.message.bytes` of their topic. What cannot be fitted is refused, with the setting on
either side. Limits that may not be read are assumed to be Kafka's defaults, and a warning says so.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import Connection
from streamer.kafka.producers import MAX_BATCH_BYTES

logger = logging.getLogger(__name__)

_MAX_MESSAGE: Final = "max.message.bytes"

#: By broker limit: whether ours must be at most (or at least) as much, and the field of `Needs`.
_BROKER_LIMITS: Final = (
    ("transaction.max.timeout.ms", "at most", "transaction_timeout_s"),
    ("group.max.session.timeout.ms", "at most", "session_timeout_s"),
    ("group.min.session.timeout.ms", "at least", "session_timeout_s"),
)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a worker needs of brokers and topics.

    Attributes:
        session_timeout_s: seconds without a heartbeat until a member is replaced.
        transaction_timeout_s: seconds until a transaction is aborted.
        record_bytes: by topic, the size of the largest record that it must accept.
    """

    session_timeout_s: float
    transaction_timeout_s: float
    record_bytes: Mapping[str, int]


async def check_limits(connection: Connection, needs: Needs) -> dict[str, int]:
    """Check the limits of brokers and topics; return the largest record batch that each topic accepts, in bytes.

    Raises:
        ContractError: some are below what is needed; names them all, and what to set.
    """
    async with KafkaAdmin(connection) as admin:
        broker = await admin.read_broker_configs()
        topics = {topic: await admin.read_topic_configs(topic) for topic in needs.record_bytes}
    unread = ["brokers"] * (not broker) + [topic for topic, configs in topics.items() if not configs]
    if unread:
        logger.warning("limits may not be read of=%s: Kafka's defaults are assumed; grant DescribeConfigs", unread)
    if problems := [*_broker_problems(broker, needs), *_topic_problems(topics, needs)]:
        raise ContractError("; ".join(problems))
    return {topic: _batch_bytes(configs) for topic, configs in topics.items()}


async def read_batch_limit(connection: Connection, topics: Sequence[str]) -> int:
    """Return the largest record batch that all of some topics accept, in bytes."""
    async with KafkaAdmin(connection) as admin:
        return min([_batch_bytes(await admin.read_topic_configs(topic)) for topic in topics])


def _batch_bytes(configs: Mapping[str, str]) -> int:
    return min(MAX_BATCH_BYTES, int(configs.get(_MAX_MESSAGE, MAX_BATCH_BYTES)))


def _broker_problems(broker: Mapping[str, str], needs: Needs) -> Iterator[str]:
    for limit, bound, field in _BROKER_LIMITS:
        ours_s, limit_s = getattr(needs, field), int(broker.get(limit, 0)) / 1000
        if not limit_s or (ours_s <= limit_s if bound == "at most" else ours_s >= limit_s):
            continue
        variable = f"REFRAIN_{field.upper()}"
        yield (
            f"{variable}={ours_s:g} but the brokers have {limit}={broker[limit]}: set {variable} to {bound} "
            f"{limit_s:g}, or change the brokers' limit"
        )


def _topic_problems(topics: Mapping[str, Mapping[str, str]], needs: Needs) -> Iterator[str]:
    for topic, needed in needs.record_bytes.items():
        accepted = topics[topic].get(_MAX_MESSAGE)
        if accepted is not None and int(accepted) < needed:
            yield (
                f"topic {topic} has {_MAX_MESSAGE}={accepted} but a record may take {needed}; set it with "
                f"`kafka-configs --alter --topic {topic} --add-config {_MAX_MESSAGE}={needed}`"
            )
