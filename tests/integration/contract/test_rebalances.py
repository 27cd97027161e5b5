"""Rebalances, recovery and standbys, as Faust runs them."""

from __future__ import annotations

import asyncio
import inspect

from faust.tables import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, ConsumerRebalanceListener
from faust.types import TP

from streamer.faust.app import ChunkApp
from streamer.faust.transport import ChunkConsumer
from tests.integration.contract.places import CHANGELOG, PLAYS


def test_a_rebalance_is_flagged_before_its_first_await() -> None:
    source = inspect.getsource(ConsumerRebalanceListener.on_partitions_revoked)

    assert not inspect.iscoroutinefunction(ConsumerRebalanceListener.on_partitions_revoked)
    assert source.index("on_rebalance_start") < source.index("return"), (
        "_getmany() reads app.rebalancing to see whether plays may be fetched; it must be true from the start"
    )


async def test_the_rebalancing_flag_is_set_from_its_start_to_its_end(app: ChunkApp) -> None:
    flags = [app.rebalancing]
    app.on_rebalance_start()
    flags.append(app.rebalancing)
    app.on_rebalance_end()
    flags.append(app.rebalancing)

    assert flags == [False, True, False], "_getmany() would fetch plays during a rebalance, or never"
    assert (app.in_recovery, app.consumer_generation_id) == (False, 0), (
        "position chunks and the start at the marks depend on them"
    )


def test_faust_sleeps_before_it_joins_its_group_and_while_nothing_may_be_fetched() -> None:
    sources = inspect.getsource(TableManager.on_start), inspect.getsource(BaseConsumer._wait_next_records)

    assert "self.sleep(1.0)" in sources[0], "the second before the first rebalance is gone: EagerTables may go"
    assert "self.sleep(1)" in sources[1], "so is the one in each rebalance: ChunkConsumer._wait_next_records may go"


async def test_ours_looks_again_at_once_for_something_to_fetch(consumer: ChunkConsumer) -> None:
    async with asyncio.timeout(0.5):
        fetched = await consumer._wait_next_records(timeout=1.0)

    assert fetched == ({}, set())


async def test_a_fetch_delays_other_requests_only_briefly(app: ChunkApp, consumer: ChunkConsumer) -> None:
    stock = AIOKafkaConsumerThread._create_worker_consumer(consumer._thread, app.transport)
    ours = consumer._thread._create_worker_consumer(app.transport)
    await stock.stop()
    await ours.stop()

    assert (stock._fetch_max_wait_ms, ours._fetch_max_wait_ms) == (1500, 100), (
        "recovery makes five requests for the ends of changelogs, each behind a fetch on the same connection"
    )


async def test_a_partition_taken_over_by_its_standby_is_not_newly_assigned(app: ChunkApp) -> None:
    app._update_assignment({CHANGELOG})

    revoked, newly_assigned = app._update_assignment({CHANGELOG, PLAYS})
    back = app._update_assignment({CHANGELOG})

    assert (revoked, newly_assigned) == (set(), {PLAYS}), "its store would be closed, or opened twice"
    assert back == ({PLAYS}, set()), "the store of a partition that leaves a standby behind would be closed"


async def test_what_a_standby_has_read_is_applied_before_partitions_are_reassigned(app: ChunkApp) -> None:
    applied: list[object] = []
    table, recovery = app.tables["listeners"], app.tables.recovery
    table.apply_changelog_batch = applied.extend
    recovery.buffers[table].append("a chunk")

    recovery.on_partitions_revoked({CHANGELOG})

    assert applied == ["a chunk"], "it would be applied later, over newer states"


async def test_the_store_of_a_partition_that_has_just_moved_may_be_ahead_of_what_can_be_read(app: ChunkApp) -> None:
    class EndsAtTen:
        async def highwaters(self, *tps: TP) -> dict[TP, int]:
            return dict.fromkeys(tps, 10)

    other, recovery = TP(CHANGELOG.topic, 1), app.tables.recovery
    recovery.standby_offsets.update({CHANGELOG: 12, other: 3})

    for title in ("active", "standby"):
        await recovery._build_highwaters(
            EndsAtTen(), {CHANGELOG, other}, getattr(recovery, f"{title}_highwaters"), title
        )

    source = inspect.getsource(Recovery._restart_recovery.fun)
    assert "standby_offsets[tp] > standby_highwaters[tp]" in source, "standbys ahead are no longer refused"
    assert recovery.standby_highwaters == {CHANGELOG: 12, other: 9}, "the worker would refuse to start every time"
    assert recovery.active_highwaters == {CHANGELOG: 9, other: 9}, "a lost changelog would go unnoticed"
