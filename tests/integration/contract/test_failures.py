"""What a failure does in Faust, which is why ours ends the process."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import faust
import pytest
from faust.tables.recovery import Recovery
from mode import Service

from streamer.faust.app import ChunkApp
from streamer.faust.schema import records_chunk
from tests.integration.contract.places import CHANGELOG, record


async def test_a_failing_service_reaches_the_app_only_through_its_private_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reasons: list[BaseException] = []
    app = faust.App("contract")
    monkeypatch.setattr(app, "_crash", reasons.append)
    monkeypatch.setattr(app, "crash", lambda _: pytest.fail("now `crash` is called: end the process there"))

    class Failing(Service):
        @Service.task
        async def _fail(self) -> None:
            raise OSError("the fetcher died")

    async with Failing(beacon=app.beacon) as failing:
        await asyncio.wait_for(failing._crashed.wait(), 10)

    assert {type(reason) for reason in reasons} == {OSError}, "a worker whose fetcher died would never end"
    assert "_crash" in vars(ChunkApp), "the process must end there"


async def test_recovery_continues_after_a_batch_it_could_not_apply(
    app: ChunkApp, caplog: pytest.LogCaptureFixture
) -> None:
    table, recovery = app.tables["listeners"], app.tables.recovery
    has_continued = asyncio.Event()

    def fail_once(batch: list[faust.EventT]) -> None:
        if [event.message.offset for event in batch] == [7]:
            raise OSError("disk full")
        has_continued.set()

    table.recovery_buffer_size = 1
    table.apply_changelog_batch = fail_once
    recovery.active_tps.add(CHANGELOG)
    recovery.tp_to_table[CHANGELOG] = table
    for offset in (7, 9):
        message = records_chunk(CHANGELOG, [record(CHANGELOG, offset)], 1)
        app.tables.changelog_queue.put_nowait(SimpleNamespace(message=message))

    slurping = asyncio.ensure_future(Recovery._slurp_changelogs.fun(recovery))
    await asyncio.wait_for(has_continued.wait(), 10)  # once it stops, apply_changelog_batch() may raise, not crash
    slurping.cancel()

    assert recovery.active_offsets[CHANGELOG] == 9, "records that were not applied count as recovered: hence our crash"
    assert "disk full" in caplog.text
