"""The topics: created where they are missing, refused where they exist and would lose or reorder something."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.settings import Settings

logger = logging.getLogger(__name__)

PARTITIONS_CHANGED = (
    "partitions of the plays were added, or their topic was made anew with others. Listeners now hash to partitions "
    "that do not have their states, and each would be remembered in two halves. Make a new topic with the partitions "
    "you want, write the plays there again, and start with its name as REFRAIN_PLAYS_TOPIC and another REFRAIN_APP_ID"
)

_DAY_MS = 24 * 3600 * 1000

#: How long a broker may take to hear of a topic that exists, seconds.
_VISIBLE_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a topic must be: its name, its partitions (None: whatever it has) and the settings that matter."""

    name: str
    partitions: int | None
    configs: Mapping[str, str] = field(default_factory=dict)


def specs(settings: Settings, partitions: int) -> list[TopicSpec]:
    """List the topics that follow `plays`, which has `partitions` partitions.

    Outputs go to the partition number of their source, so all but `releases` have as many. The changelog is compacted
    and never deleted from; its tombstones stay a week, so that a store that was away for less hears of them. It comes
    first: where partitions were added to `plays`, it is the states that do not fit.
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
    """Create what is missing, check what exists.

    Returns:
        The number of partitions of `plays`.

    Raises:
        ContractError: a topic exists with settings that would lose or reorder something; says which and what to do.
    """
    async with KafkaAdmin(settings.kafka_bootstrap_servers) as admin:
        plays = TopicSpec(settings.plays_topic, None, {"cleanup.policy": "delete"})
        partitions = await _ensure(admin, plays, settings, create_with=settings.partitions)
        for spec in specs(settings, partitions):
            await _ensure(admin, spec, settings, create_with=spec.partitions or 1)
    return partitions


async def _ensure(admin: KafkaAdmin, spec: TopicSpec, settings: Settings, *, create_with: int) -> int:
    if not await admin.find_partitions(spec.name):
        await _create(admin, spec, create_with, settings.replication)
    found, replicas = await _layout(admin, spec.name)
    if spec.partitions is not None and found != spec.partitions:
        if spec.name == settings.changelog_topic:  # nobody but Refrain makes it
            raise ContractError(
                f"{settings.plays_topic} has {spec.partitions} partitions but the states have {found}: "
                f"{PARTITIONS_CHANGED}"
            )
        raise ContractError(
            f"topic {spec.name} has {found} partitions but {settings.plays_topic} has {spec.partitions}: answers and "
            f"states go to the partition of their play; give {spec.name} as many, or another name"
        )
    await _check_configs(admin, spec, replicas)
    return found


async def _create(admin: KafkaAdmin, spec: TopicSpec, partitions: int, replication: int) -> None:
    configs = dict(spec.configs)
    if replication > 1:  # with a lower one, what one broker alone had would count as written
        configs["min.insync.replicas"] = str(min(2, replication - 1))
    if await admin.create_topic(spec.name, partitions, replication, configs):
        logger.info("topic created name=%s partitions=%d", spec.name, partitions)


async def _layout(admin: KafkaAdmin, name: str) -> tuple[int, int]:
    """Count partitions and replicas of a topic that exists; a broker may hear of it a moment after the controller."""
    async with asyncio.timeout(_VISIBLE_LIMIT_S):
        while not (replicas := await admin.find_partitions(name)):  # noqa: ASYNC110  Kafka calls nobody
            await asyncio.sleep(0.05)
    return len(replicas), min(replicas.values())


async def _check_configs(admin: KafkaAdmin, spec: TopicSpec, replicas: int) -> None:
    found = await admin.read_topic_configs(spec.name)
    for name, wanted in spec.configs.items():
        if not _acceptable(name, wanted, found.get(name, wanted)):
            raise ContractError(
                f"topic {spec.name} has {name}={found[name]} but needs {wanted}; set it with "
                f"`kafka-configs --alter --topic {spec.name} --add-config {name}={wanted}`"
            )
    for risk in _risks(found, replicas):
        logger.warning("what is written may be lost with a broker topic=%s %s", spec.name, risk)


def _risks(configs: Mapping[str, str], replicas: int) -> Iterator[str]:
    """Say what lets a topic forget acknowledged records; one copy is a choice, as on a laptop."""
    if replicas > 2 and int(configs.get("min.insync.replicas", 2)) < 2:
        yield "min.insync.replicas=1: set 2"
    if configs.get("unclean.leader.election.enable") == "true":
        yield "unclean.leader.election.enable=true: set false"


def _acceptable(name: str, wanted: str, found: str) -> bool:
    if name.endswith(".ms"):
        return int(found) >= int(wanted)
    return found == wanted
