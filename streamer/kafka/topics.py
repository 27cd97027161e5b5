"""The topics: created if missing, rejected if they exist with settings that would lose or reorder records."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import connection_of
from streamer.settings import Settings

logger = logging.getLogger(__name__)

PARTITIONS_CHANGED = (
    "partitions of the plays were added, or the topic was recreated with a different number. Listeners now hash to "
    "partitions without their states, so each state would be split in two. Create a new topic with the number of "
    "partitions you want, write the plays to it again, and start with REFRAIN_PLAYS_TOPIC set to its name and a new "
    "REFRAIN_APP_ID"
)

_DAY_MS = 24 * 3600 * 1000

#: How long a broker may take to learn of a new topic, seconds.
_VISIBLE_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """The requirements of a topic: its name, its number of partitions (None: any) and the settings that matter."""

    name: str
    partitions: int | None
    configs: Mapping[str, str] = field(default_factory=dict)


def specs(settings: Settings, partitions: int) -> list[TopicSpec]:
    """List the topics besides `plays`, which has `partitions` partitions.

    Outputs go to the partition number of their source, so all but `releases` have as many. The changelog is compacted
    and never deleted from. Its tombstones stay for a week, so a store that was offline for less than that reads them.
    It is checked first: if partitions were added to `plays`, the error must be about the states.
    """
    compact = {"cleanup.policy": "compact"}
    return [
        TopicSpec(settings.changelog_topic, partitions, compact | {"delete.retention.ms": str(7 * _DAY_MS)}),
        TopicSpec(settings.short_term_topic, partitions, compact),
        TopicSpec(settings.long_term_topic, partitions, compact),
        TopicSpec(settings.dead_letter_topic, partitions, {"cleanup.policy": "delete"}),
        TopicSpec(settings.releases_topic, 1, compact | {"message.timestamp.type": "LogAppendTime"}),
    ]


async def ensure_topics(settings: Settings) -> int:
    """Create missing topics and check existing ones.

    Returns:
        The number of partitions of `plays`.

    Raises:
        ContractError: a topic has settings that would lose or reorder records; names them and what to do.
    """
    async with KafkaAdmin(connection_of(settings)) as admin:
        plays = TopicSpec(settings.plays_topic, None, {"cleanup.policy": "delete"})
        partitions = await _ensure(admin, plays, settings, create_with=settings.partitions)
        for spec in specs(settings, partitions):
            await _ensure(admin, spec, settings, create_with=spec.partitions or 1)
    return partitions


async def _ensure(admin: KafkaAdmin, spec: TopicSpec, settings: Settings, *, create_with: int) -> int:
    if not await admin.find_partitions(spec.name):
        await _create(admin, spec, create_with, settings.replication)
    partitions, replicas = await _layout(admin, spec.name)
    if spec.partitions is not None and partitions != spec.partitions:
        if spec.name == settings.changelog_topic:  # only Refrain creates it
            raise ContractError(
                f"{settings.plays_topic} has {spec.partitions} partitions but the states have {partitions}: "
                f"{PARTITIONS_CHANGED}"
            )
        raise ContractError(
            f"topic {spec.name} has {partitions} partitions but {settings.plays_topic} has {spec.partitions}: answers "
            f"go to the partition number of their play; create {spec.name} with as many, or choose another name"
        )
    await _check_configs(admin, spec, replicas)
    return partitions


async def _create(admin: KafkaAdmin, spec: TopicSpec, partitions: int, replication: int) -> None:
    configs = dict(spec.configs)
    if replication > 1:  # with 1, a record that only one broker has would count as written
        configs["min.insync.replicas"] = str(min(2, replication - 1))
    if await admin.create_topic(spec.name, partitions, replication, configs):
        logger.info("topic created name=%s partitions=%d", spec.name, partitions)


async def _layout(admin: KafkaAdmin, name: str) -> tuple[int, int]:
    """Count the partitions and replicas of an existing topic; a broker may learn of it shortly after the controller."""
    async with asyncio.timeout(_VISIBLE_LIMIT_S):
        while not (replicas := await admin.find_partitions(name)):  # noqa: ASYNC110  Kafka has no event for it
            await asyncio.sleep(0.05)
    return len(replicas), min(replicas.values())


async def _check_configs(admin: KafkaAdmin, spec: TopicSpec, replicas: int) -> None:
    configs = await admin.read_topic_configs(spec.name)
    for name, required in spec.configs.items():
        if not _acceptable(name, required, configs.get(name, required)):
            raise ContractError(
                f"topic {spec.name} has {name}={configs[name]} but needs {required}; set it with "
                f"`kafka-configs --alter --topic {spec.name} --add-config {name}={required}`"
            )
    for risk in _risks(configs, replicas):
        logger.warning("records may be lost with a broker topic=%s %s", spec.name, risk)


def _risks(configs: Mapping[str, str], replicas: int) -> Iterator[str]:
    """Yield the settings by which a topic may lose acknowledged records; a single copy is a choice, as on a laptop."""
    if replicas > 2 and int(configs.get("min.insync.replicas", 2)) < 2:
        yield "min.insync.replicas=1: set 2"
    if configs.get("unclean.leader.election.enable") == "true":
        yield "unclean.leader.election.enable=true: set false"


def _acceptable(name: str, required: str, value: str) -> bool:
    if name.endswith(".ms"):
        return int(value) >= int(required)
    return value == required
