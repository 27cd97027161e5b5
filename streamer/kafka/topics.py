"""The topics: created if missing, rejected if they exist with settings that would lose or reorder records."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from models.wording import plural
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

_FEW_REPLICAS = (
    "topics have fewer than {} replicas: {}; a lost broker's disk loses plays, answers and states. Raise them with "
    "kafka-reassign-partitions, or set REFRAIN_REPLICATION=1 where one copy is enough"
)

_FOR_EVER = (
    "partitions fixed: %s keeps its %d partitions for ever, because listeners hash to them, and no more workers can "
    "share it: for another number, delete the topics now and set REFRAIN_PARTITIONS"
)

_DAY_MS = 24 * 3600 * 1000

#: Kafka adds it to a time in milliseconds, so the largest number that it accepts would lie in the past.
_CENTURY_MS = 100 * 365 * _DAY_MS

_WITHDRAWN_FORGOTTEN = (
    "withdrawals are forgotten topic={topic} delete.retention.ms={value}: after that, a worker that starts recommends "
    "withdrawn tracks again; set it with `kafka-configs --alter --topic {topic} --add-config delete.retention.ms="
    "{wanted}`"
)

#: Kafka keeps a segment open for a week and may compact it later still; this bounds how long a removed record stays.
_COMPACTED_WITHIN = {"max.compaction.lag.ms": str(_DAY_MS)}

_STAY_LONGER = (
    "what forgotten listeners left stays longer topic={topic} {name}={value}: set {wanted} with "
    "`kafka-configs --alter --topic {topic} --add-config {name}=[{wanted}]`{hint}"
)
_OLD_LETTERS = (
    "; letters that earlier versions wrote must be sent again or discarded before, as compaction drops most of them"
)

#: How long a broker may take to learn of a new topic, seconds.
_VISIBLE_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """The requirements of a topic.

    Attributes:
        name: of the topic.
        partitions: how many; None: any number.
        configs: the settings that it must have.
        erasure: the settings by which removed records leave the disks; others are warned of.
        tombstones_ms: how long tombstones should stay; less is warned of.
    """

    name: str
    partitions: int | None
    configs: Mapping[str, str] = field(default_factory=dict)
    erasure: Mapping[str, str] = field(default_factory=dict)
    tombstones_ms: int = 0

    @property
    def advice(self) -> Mapping[str, str]:
        """The settings that the topic is created with, besides those that it must have."""
        return {**self.erasure, **({"delete.retention.ms": str(self.tombstones_ms)} if self.tombstones_ms else {})}


def specs(settings: Settings, partitions: int) -> list[TopicSpec]:
    """List the topics besides `plays`, which has `partitions` partitions.

    Outputs go to the partition number of their source, so all have as many, but `releases` and the catalogue, which
    may have any number. The changelog is compacted and never deleted from. Its tombstones stay for a week, so a store
    that was offline for less than that reads them. It is checked first: if partitions were added to `plays`, the error
    must be about the states. Dead letters expire, and are compacted so that those of a forgotten listener go before
    that. A tombstone of the catalogue is all that says that a track is withdrawn, so it stays.
    """
    compact, lag = {"cleanup.policy": "compact"}, _COMPACTED_WITHIN
    states = compact | {"delete.retention.ms": str(7 * _DAY_MS)}
    return [
        TopicSpec(settings.changelog_topic, partitions, states, lag),
        TopicSpec(settings.short_term_topic, partitions, compact, lag),
        TopicSpec(settings.long_term_topic, partitions, compact, lag),
        TopicSpec(settings.dead_letter_topic, partitions, {}, {"cleanup.policy": "compact,delete", **lag}),
        TopicSpec(settings.releases_topic, 1, compact | {"message.timestamp.type": "LogAppendTime"}),
        TopicSpec(settings.catalogue_topic, None, compact, tombstones_ms=_CENTURY_MS),
    ]


@dataclass(frozen=True, slots=True)
class TopicReport:
    """A topic as a worker that starts now would find it.

    Attributes:
        name: of the topic.
        partitions: 0 if there is no such topic, and the worker creates it.
        problems: why the worker refuses to start, and what to do.
        cautions: what it warns of.
    """

    name: str
    partitions: int
    problems: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Layout:
    """The number of partitions of an existing topic, and of replicas of each of them (the fewest)."""

    name: str
    partitions: int
    replicas: int


async def ensure_topics(settings: Settings) -> int:
    """Create missing topics and check existing ones.

    New topics have `settings.replication` replicas, or as many as there are brokers. Whoever has fewer is told at each
    start, because nothing else shows it until a disk is lost.

    Returns:
        The number of partitions of `plays`.

    Raises:
        ContractError: a topic has settings that would lose or reorder records; names them and what to do.
    """
    async with KafkaAdmin(connection_of(settings)) as admin:
        layout = await _ensure(admin, _plays_spec(settings), settings, create_with=settings.partitions)
        others = [
            await _ensure(admin, spec, settings, create_with=spec.partitions or 1)
            for spec in specs(settings, layout.partitions)
        ]
    if few := _describe_few({each.name: each.replicas for each in (layout, *others)}, settings.replication):
        logger.warning("few replicas: %s", few)
    return layout.partitions


async def look_at_topics(settings: Settings) -> list[TopicReport]:
    """Describe the topics as a worker that starts now would find them; create none."""
    async with KafkaAdmin(connection_of(settings)) as admin:
        num_partitions = len(await admin.find_partitions(settings.plays_topic)) or settings.partitions
        wanted = [_plays_spec(settings), *specs(settings, num_partitions)]
        return [await _look_at(admin, spec, settings) for spec in wanted]


async def _look_at(admin: KafkaAdmin, spec: TopicSpec, settings: Settings) -> TopicReport:
    if not (replicas := await admin.find_partitions(spec.name)):
        return TopicReport(spec.name, 0)
    layout = _Layout(spec.name, len(replicas), min(replicas.values()))
    configs = await admin.read_topic_configs(spec.name)
    problems = tuple(_problems(spec, settings, layout, configs))
    return TopicReport(spec.name, layout.partitions, problems, tuple(_cautions(spec, layout, configs)))


def _plays_spec(settings: Settings) -> TopicSpec:
    return TopicSpec(settings.plays_topic, None, {"cleanup.policy": "delete"})


async def find_few_replicas(settings: Settings) -> str:
    """Name the existing topics that have fewer replicas than asked for; empty if none has."""
    async with KafkaAdmin(connection_of(settings)) as admin:
        names = [settings.plays_topic, *(spec.name for spec in specs(settings, 1))]
        found = {name: await admin.find_partitions(name) for name in names}
    return _describe_few({name: min(of.values()) for name, of in found.items() if of}, settings.replication)


def _describe_few(replicas: Mapping[str, int], expected: int) -> str:
    few = [f"{name} ({num})" for name, num in replicas.items() if num < expected]
    return _FEW_REPLICAS.format(expected, ", ".join(few)) if few else ""


async def _ensure(admin: KafkaAdmin, spec: TopicSpec, settings: Settings, *, create_with: int) -> _Layout:
    if not await admin.find_partitions(spec.name):
        replication = min(settings.replication, await admin.count_brokers())
        if await _create(admin, spec, create_with, replication) and spec.name == settings.plays_topic:
            logger.info(_FOR_EVER, spec.name, create_with)
    layout = await _read_layout(admin, spec.name)
    configs = await admin.read_topic_configs(spec.name)
    if problem := next(_problems(spec, settings, layout, configs), None):
        raise ContractError(problem)
    for caution in _cautions(spec, layout, configs):
        logger.warning("topic should be changed topic=%s: %s", spec.name, caution)
    return layout


async def _create(admin: KafkaAdmin, spec: TopicSpec, partitions: int, replication: int) -> bool:
    """Create a topic; return False if another process was quicker."""
    insync = max(1, min(2, replication - 1))  # with 1 of 3, a record that only one broker has would count as written
    configs = {**spec.configs, **spec.advice, "min.insync.replicas": str(insync)}
    if await admin.create_topic(spec.name, partitions, replication, configs):
        logger.info("topic created name=%s partitions=%d replicas=%d", spec.name, partitions, replication)
        return True
    return False


async def _read_layout(admin: KafkaAdmin, name: str) -> _Layout:
    """Describe an existing topic; a broker may learn of it shortly after the controller."""
    async with asyncio.timeout(_VISIBLE_LIMIT_S):
        while not (replicas := await admin.find_partitions(name)):  # noqa: ASYNC110  Kafka has no event for it
            await asyncio.sleep(0.05)
    return _Layout(name, len(replicas), min(replicas.values()))


def _problems(spec: TopicSpec, settings: Settings, layout: _Layout, configs: Mapping[str, str]) -> Iterator[str]:
    """Yield why a worker refuses a topic, the worst first, and what to do."""
    if spec.partitions is not None and layout.partitions != spec.partitions:
        if spec.name == settings.changelog_topic:  # only Refrain creates it
            yield (
                f"{settings.plays_topic} has {plural(spec.partitions, 'partition')} but the states have "
                f"{layout.partitions}: {PARTITIONS_CHANGED}"
            )
        else:
            yield (
                f"topic {spec.name} has {plural(layout.partitions, 'partition')} but {settings.plays_topic} has "
                f"{spec.partitions}: answers go to the partition number of their play; create {spec.name} with as "
                "many, or choose another name"
            )
    for name, required in spec.configs.items():
        if not _acceptable(name, required, configs.get(name, required)):
            yield (
                f"topic {spec.name} has {name}={configs[name]} but needs {required}; set it with "
                f"`kafka-configs --alter --topic {spec.name} --add-config {name}={required}`"
            )
    if layout.replicas < int(configs.get("min.insync.replicas", 1)):
        yield (
            f"topic {spec.name} has {plural(layout.replicas, 'replica')} but min.insync.replicas="
            f"{configs['min.insync.replicas']}, so it accepts no record; add replicas with kafka-reassign-partitions, "
            f"or set it with `kafka-configs --alter --topic {spec.name} --add-config min.insync.replicas="
            f"{max(1, layout.replicas - 1)}`"
        )


def _cautions(spec: TopicSpec, layout: _Layout, configs: Mapping[str, str]) -> Iterator[str]:
    """Yield what a worker warns of."""
    for name, wanted in spec.erasure.items():
        if not _erases(name, wanted, value := configs.get(name, "")):
            hint = _OLD_LETTERS if name == "cleanup.policy" else ""
            yield _STAY_LONGER.format(topic=spec.name, name=name, value=value, wanted=wanted, hint=hint)
    if int(value := configs.get("delete.retention.ms", str(spec.tombstones_ms))) < spec.tombstones_ms:
        yield _WITHDRAWN_FORGOTTEN.format(topic=spec.name, value=value, wanted=spec.tombstones_ms)
    yield from (f"records may be lost topic={spec.name} {risk}" for risk in _risks(configs, layout.replicas))


def _risks(configs: Mapping[str, str], replicas: int) -> Iterator[str]:
    """Yield the settings by which a topic may lose acknowledged records."""
    if replicas > 2 and int(configs.get("min.insync.replicas", 2)) < 2:
        yield "min.insync.replicas=1: set 2"
    if configs.get("unclean.leader.election.enable") == "true":
        yield "unclean.leader.election.enable=true: set false"
    if configs.get("cleanup.policy") == "delete" and 0 <= int(configs.get("retention.ms", -1)) < _DAY_MS:
        yield f"retention.ms={configs['retention.ms']}: an outage of that length loses records; keep them for days"


def _erases(name: str, wanted: str, value: str) -> bool:
    if name.endswith(".ms"):
        return int(value or 0) <= int(wanted)
    return set(value.split(",")) == set(wanted.split(","))


def _acceptable(name: str, required: str, value: str) -> bool:
    if name.endswith(".ms"):
        return int(value) >= int(required)
    return value == required
