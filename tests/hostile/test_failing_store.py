"""A store of releases that fails in every way, under a running worker and a running trainer."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import fsspec
import pytest

from streamer.metrics import TrainerMetrics
from streamer.releases.store import Store
from streamer.training.trainer import TrainerConfig, run_trainer
from tests.cases.observations import Observe
from tests.failing_store import FAILURES, FailingFileSystem, FailingStore
from tests.faults.conftest import TinyRelease, save_tiny_release
from tests.faults.harness import Deployment, load
from tests.faults.load import TRACKS
from tests.faults.process import WorkerProcess
from tests.faults.verdict import judge
from tests.streamer.training.test_trainer import album_order, champion, produce
from tests.until import until

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.kind(9), pytest.mark.timeout(900)]

NOT_TAKEN_UP = "release not taken up"


def new_releases(directory: Path) -> Iterator[TinyRelease]:
    """Releases that differ, each newer than the one before."""
    for seed in range(10, 100):
        yield save_tiny_release(directory, seed=seed, tracks=TRACKS[: -(seed % 12) - 1], hidden_size=16)


def num_failures(worker: WorkerProcess) -> float:
    return worker.metric("refrain_release_failures_total")


def unready(worker: WorkerProcess) -> str:
    """What `/readyz` says while a worker is not ready."""
    port = worker.log.partition("web server started port=")[2].split()[0]
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return ""
    except HTTPError as exc:
        return exc.read().decode()


async def test_a_worker_answers_with_the_release_before_and_takes_up_the_next_once_the_store_is_well(
    deployment: Deployment, first_release: TinyRelease, tmp_path: Path, observe: Observe
) -> None:
    store, announced = FailingStore(deployment.store, limit_s=1.0), [first_release]
    await deployment.announce(first_release.saved)
    worker = deployment.start("a", store, RELEASES_URL=store.url)
    await worker.ready()

    for failure, release in zip(FAILURES, new_releases(tmp_path / "new"), strict=False):
        before, num_lines = num_failures(worker), worker.log.count(NOT_TAKEN_UP)
        store.fail(failure)
        await deployment.announce(release.saved)
        await deployment.feed_until(lambda: num_failures(worker) > before, failure)  # noqa: B023  awaited here
        await load(deployment, 60)
        assert worker.is_ready(), "the release before answers"
        assert worker.metric("refrain_releases_pending") == 1
        store.mend()
        taken_up = f"release taken up id={release.saved.release_id}"
        await deployment.feed_until(lambda: taken_up in worker.log, taken_up)  # noqa: B023  awaited here
        assert worker.log.count(NOT_TAKEN_UP) == num_lines + 1, "one line"
        announced.append(release)
        observe(f"{failure}: one line, 1 pending, ready throughout, taken up once the store is well")
    await deployment.all_done()

    assert await deployment.stop_all() == [0]
    await judge(deployment, [release.release for release in announced])


@pytest.mark.parametrize("failure", ["service-down", "driver-missing", "cancelled", "hangs", "garbage"])
async def test_a_worker_that_starts_without_its_store_waits_says_why_and_recovers(
    deployment: Deployment, first_release: TinyRelease, failure: str, observe: Observe
) -> None:
    store = FailingStore(deployment.store, limit_s=1.0)
    await deployment.announce(first_release.saved)
    store.fail(failure)

    worker = deployment.start("a", store, RELEASES_URL=store.url)
    await until(lambda: worker.log.count(NOT_TAKEN_UP) == 1, "it says why")
    assert worker.is_running
    assert unready(worker).startswith("waiting for a release: notice at offset 0")
    await deployment.feed(50)
    store.mend()
    await worker.ready()
    await deployment.all_done()

    assert worker.log.count(NOT_TAKEN_UP) == 1
    assert await deployment.stop_all() == [0]
    await judge(deployment, [first_release.release])
    observe(f"{failure} at the start: not ready, /readyz says why, no play left unanswered once the store is well")


async def test_sigterm_ends_a_worker_whose_store_hangs(
    deployment: Deployment, first_release: TinyRelease, second_release: TinyRelease, observe: Observe
) -> None:
    store = FailingStore(deployment.store, limit_s=600.0)
    await deployment.announce(first_release.saved)
    running = deployment.start("a", store, RELEASES_URL=store.url)
    await running.ready()
    store.fail("hangs")
    await deployment.announce(second_release.saved)
    await load(deployment, 300)  # while the release is being loaded
    starting = deployment.start("b", store, RELEASES_URL=store.url)
    await until(lambda: "web server started" in starting.log, "it starts")

    statuses, took_s = [], list[float]()
    for worker in (running, starting):
        since_s = time.monotonic()
        statuses.append(await worker.stop())
        took_s.append(time.monotonic() - since_s)

    assert statuses == [0, 0]
    assert max(took_s) < 10
    observe("SIGTERM ends a worker within seconds while a call to its store hangs, running or starting")


@pytest.mark.parametrize("failure", ["service-down", "no-credentials", "cancelled", "hangs", "disk-full"])
async def test_a_trainer_keeps_its_candidate_until_the_store_is_well(
    config: TrainerConfig, failure: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
    observe: Observe,
) -> None:  # fmt: skip
    fsspec.register_implementation("failing", FailingFileSystem, clobber=True)
    monkeypatch.setitem(Store.__init__.__kwdefaults__ or {}, "limit_s", 0.5)
    store = FailingStore(Path(config.releasing.releases_url))
    config = dataclasses.replace(config, releasing=dataclasses.replace(config.releasing, releases_url=store.url))
    await produce(config, album_order())
    store.fail(failure)
    metrics, stopping = TrainerMetrics(), asyncio.Event()

    with caplog.at_level(logging.INFO, "streamer"):
        running = asyncio.create_task(run_trainer(config, metrics, stopping))
        try:
            await until(
                lambda: re.search(rf"cannot (write|look for) .* at {store.url}.*; retrying in", caplog.text), "it fails"
            )
            assert (metrics.registry.get_sample_value("refrain_trainer_failures_total") or 0) >= 1
            store.mend()
            await until(lambda: "release published" in caplog.text or running.done(), "it is published")
        finally:
            stopping.set()
            await running

    assert (await champion(config)) is not None
    assert caplog.text.count("fit started") == 1
    observe(f"{failure}: the trainer says so, keeps what it has fitted, and publishes it once the store is well")
