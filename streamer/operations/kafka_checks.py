"""What the doctor looks at in Kafka, with the functions by which a worker decides whether it starts."""

import time
from collections.abc import Mapping
from typing import Final

from aiokafka import TopicPartition

from models.wording import plural
from streamer.errors import AccessError, ContractError
from streamer.kafka.access import check_access
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.broker_version import OLDEST, check_version
from streamer.kafka.connection import connection_of
from streamer.kafka.limits import Needs, check_limits
from streamer.kafka.offsets import explain, observing, timestamps_at
from streamer.kafka.rights import optional_rights, worker_rights
from streamer.kafka.topics import TopicReport, find_few_replicas
from streamer.operations.findings import failed, note, ok
from streamer.operations.offset_table import find_transactions, read_all
from streamer.operations.shapes import Finding
from streamer.settings import Settings

#: Clocks of machines that follow a time server differ by less.
_MAX_AHEAD_S: Final = 60.0


async def check_reach(settings: Settings) -> list[Finding]:
    """Connect, log in, and look for rights that a worker lacks."""
    rights = worker_rights(settings)
    await check_access(connection_of(settings), rights)
    protocol = settings.kafka_security_protocol
    let_in = ok(f"{settings.kafka_bootstrap_servers} lets us in by {protocol}, with {len(rights)} rights of a worker")
    if settings.page == "off":
        return [let_in]
    try:
        await check_access(connection_of(settings), optional_rights(settings))
    except AccessError as exc:
        return [let_in, note(f"{exc}. These are optional: questions over HTTP that take them are refused")]
    return [let_in]


async def check_brokers(settings: Settings) -> list[Finding]:
    """Count the brokers, and see that they are not too old."""
    await check_version(connection_of(settings))
    async with KafkaAdmin(connection_of(settings)) as admin:
        num_brokers = await admin.count_brokers()
    return [ok(f"{num_brokers} broker{'s' * (num_brokers > 1)}, of Kafka {OLDEST} or newer")]


async def check_topics(settings: Settings, reports: list[TopicReport]) -> list[Finding]:
    """Compare the topics with what a worker needs of them."""
    problems = [failed(problem) for each in reports for problem in each.problems]
    notes = [note(caution) for each in reports for caution in each.cautions]
    missing = [each.name for each in reports if not each.partitions]
    if missing:
        notes.append(note(f"there is no topic {', '.join(missing)}: the first worker creates it"))
    if few := await find_few_replicas(settings):
        notes.append(note(few))
    partitions = plural(reports[0].partitions, "partition")
    return [*problems, *notes] or [ok(f"{len(reports)} topics, {partitions} of plays")]


async def check_message_limits(settings: Settings, needs: Needs) -> list[Finding]:
    """Compare the limits of brokers and topics with what a worker needs."""
    limits = await check_limits(connection_of(settings), needs)
    return [ok(f"record batches of up to {min(limits.values())} bytes; timeouts are within the brokers' limits")]


async def check_offsets(settings: Settings) -> list[Finding]:
    """See that plays, states and commits fit together, and that no transaction is open in front of them."""
    rows = await read_all(settings)
    if contradictions := explain(settings.plays_topic, rows):
        raise ContractError(contradictions)
    lag = sum(max(0, each.end - max(each.begin, each.covered)) for each in rows)
    blocked = [note(str(block)) for block in await find_transactions(settings)]
    return [ok(f"the states of all partitions fit, {plural(lag, 'play waits', 'plays wait')}"), *blocked]


async def check_group(settings: Settings) -> list[Finding]:
    """Name the members of the workers' group."""
    async with KafkaAdmin(connection_of(settings)) as admin:
        members = await admin.find_members(settings.app_id)
    return [ok(f"members of {settings.app_id}: {', '.join(members) or 'none, no worker runs'}")]


async def check_clock(settings: Settings, partitions: Mapping[str, int]) -> list[Finding]:
    """Compare this machine's clock with the newest timestamps on Kafka."""
    async with observing(connection_of(settings)) as consumer:
        places = [TopicPartition(topic, number) for topic, num in partitions.items() for number in range(num)]
        ends = await consumer.end_offsets(places)
        found = await timestamps_at(consumer, {place: end - 1 for place, end in ends.items()})
    newest_ms = max((each for each in found.values() if each is not None), default=None)
    if newest_ms is None:
        return [ok("there is no record yet whose time could be compared")]
    ahead_s = newest_ms / 1000 - time.time()
    if ahead_s > _MAX_AHEAD_S:
        says = f"the newest record is {ahead_s:.0f} s ahead of this machine's clock"
        return [failed(f"{says}: set the clocks of this machine, the brokers and the producers by a time server")]
    return [ok(f"no record is ahead of this machine's clock; the newest is {max(0.0, -ahead_s):.0f} s old")]
