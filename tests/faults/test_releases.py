"""Releases in quick succession, torn, tampered with, of a later format or missing, and rollbacks."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from models.release import Release, SavedRelease
from streamer.errors import StoreError
from streamer.wire.messages import ReleaseNotice
from tests.faults.conftest import TinyRelease
from tests.faults.harness import Deployment, load, start
from tests.faults.process import WorkerProcess
from tests.faults.sabotage import place_of
from tests.faults.verdict import judge
from tests.until import until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]

Damage = Callable[[SavedRelease], SavedRelease]

WEIGHTS: Final = "weights.safetensors"


# -- what is wrong with a release, or with its notice


def torn(release: SavedRelease) -> SavedRelease:
    """End a file in the middle, like an interrupted copy."""
    weights = Path(release.location, WEIGHTS)
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    return release


def incomplete(release: SavedRelease) -> SavedRelease:
    """Lose a file."""
    Path(release.location, "items.safetensors").unlink()
    return release


def tampered_with(release: SavedRelease) -> SavedRelease:
    """Change a bit of a weight."""
    weights = Path(release.location, WEIGHTS)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    return release


def of_the_future(release: SavedRelease) -> SavedRelease:
    """Raise the version of the format; the rest is valid."""
    manifest = Path(release.location, "manifest.json")
    content = json.dumps(json.loads(manifest.read_text()) | {"format_version": 99}).encode()
    manifest.write_bytes(content)
    return release._replace(manifest_sha256=hashlib.sha256(content).hexdigest())


def from_nowhere(release: SavedRelease) -> SavedRelease:
    """Name a location that does not exist."""
    shutil.rmtree(release.location)
    return release


def from_elsewhere(release: SavedRelease) -> SavedRelease:
    """Name a location outside the store."""
    return release._replace(location="nosuchscheme://bucket/release")


def of_another_trainer(release: SavedRelease) -> SavedRelease:
    """Announce a checksum that is not its manifest's."""
    return release._replace(manifest_sha256="0" * 64)


DAMAGES: Final[Sequence[Damage]] = (
    torn, incomplete, tampered_with, of_the_future, from_nowhere, from_elsewhere, of_another_trainer,
)  # fmt: skip
JUNK: Final = (b"", b"{}", b"\xff no json", b'"champion"', b'{"release_id": 1, "location": null}')


def copy_of(release: SavedRelease, directory: Path) -> SavedRelease:
    """Copy a release, to be damaged."""
    return release._replace(location=str(shutil.copytree(release.location, directory / release.release_id)))


@dataclass(frozen=True, slots=True)
class CutOff:
    """Keeps a worker from reaching a release that others can reach.

    Attributes:
        release_id: of the release.
        until: a file; once it exists, the release is in reach.
    """

    release_id: str
    until: Path

    def install(self) -> None:
        """Cut off this process."""
        owner, name = place_of("streamer.worker.shelf:load_notice")
        load_notice = getattr(owner, name)

        @functools.wraps(load_notice)
        def load_if_in_reach(notice: ReleaseNotice, *args: Any, **limits: Any) -> Release:
            if notice.release_id == self.release_id and not self.until.exists():
                raise StoreError(f"{notice.release_id} is out of reach")
            release: Release = load_notice(notice, *args, **limits)
            return release

        setattr(owner, name, load_if_in_reach)


# -- the workers' part


async def taken_up(deployment: Deployment, release: SavedRelease, workers: Sequence[WorkerProcess]) -> None:
    """Announce a release, and keep producing until the workers have taken it up."""
    message = f"release taken up id={release.release_id}"
    before = [worker.log.count(message) for worker in workers]
    await deployment.announce(release)
    await deployment.feed_until(
        lambda: all(worker.log.count(message) > num for worker, num in zip(workers, before, strict=True)), message
    )


async def refused(deployment: Deployment, workers: Sequence[WorkerProcess], before: Sequence[float]) -> None:
    """Keep producing until the workers have failed to take up a release."""
    await deployment.feed_until(
        lambda: all(num_failures(worker) > num for worker, num in zip(workers, before, strict=True)), "workers refuse"
    )


def num_failures(worker: WorkerProcess) -> float:
    return worker.metric("refrain_release_failures_total") + worker.metric("refrain_release_notices_refused_total")


def forget_copies(deployment: Deployment, workers: Sequence[WorkerProcess]) -> None:
    """Delete what workers copied before: an intact copy makes up for damage in the store."""
    for worker in workers:
        shutil.rmtree(deployment.state_dir(worker.name) / "releases")


@pytest.mark.quick
async def test_releases_that_come_and_go_while_workers_are_killed_and_partitions_move(
    deployment: Deployment, first_release: TinyRelease, second_release: TinyRelease, rng: random.Random
) -> None:
    announced = [first_release]
    await deployment.announce(first_release.saved)
    workers = {worker.name: worker for worker in await start(deployment, "a", "b", "c")}

    for release, _ in zip(itertools.cycle([second_release, first_release]), range(10), strict=False):
        await load(deployment, 60)
        killed = rng.choice("ab")
        if rng.random() < 0.5:  # before it has heard of the release, or in the middle of taking it up
            workers[killed].kill()
        await deployment.announce(release.saved)
        announced.append(release)
        workers[killed].kill()
        if rng.random() < 0.5:
            await workers["c"].ready()
            assert await workers["c"].stop() == 0
            deployment.wipe("c")
            workers["c"] = deployment.start("c", INSTANCE_ID="")
        workers[killed] = deployment.start(killed)
        await load(deployment, 60)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0, 0]
    answering = await judge(deployment, [release.release for release in announced])
    assert answering == {first_release.release.release_id, second_release.release.release_id}


@pytest.mark.quick
async def test_a_release_that_cannot_be_loaded_is_counted_and_the_next_good_one_is_taken_up(
    deployment: Deployment, first_release: TinyRelease, second_release: TinyRelease, tmp_path: Path
) -> None:
    announced = [first_release]
    await deployment.announce(first_release.saved)
    workers = await start(deployment, "a", "b")

    for damage, good in zip(DAMAGES, itertools.cycle([second_release, first_release]), strict=False):
        before = [num_failures(worker) for worker in workers]
        forget_copies(deployment, workers)
        await deployment.announce(damage(copy_of(good.saved, tmp_path / damage.__name__)))
        await refused(deployment, workers, before)
        await load(deployment, 60)
        await taken_up(deployment, good.saved, workers)
        announced.append(good)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0]
    answering = await judge(deployment, [release.release for release in announced])
    assert answering == {first_release.release.release_id, second_release.release.release_id}


async def test_malformed_notices_are_counted_and_the_next_good_one_is_followed(
    deployment: Deployment, first_release: TinyRelease, second_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    workers = await start(deployment, "a", "b")

    for notice in JUNK:
        before = [num_failures(worker) for worker in workers]
        await deployment.producer.send_and_wait(deployment.settings.releases_topic, notice, b"champion")
        await refused(deployment, workers, before)
    await load(deployment, 300)
    await taken_up(deployment, second_release.saved, workers)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release, second_release.release])


async def test_workers_that_start_while_the_newest_release_is_damaged_answer_with_the_one_before(
    deployment: Deployment, first_release: TinyRelease, second_release: TinyRelease, tmp_path: Path
) -> None:
    await deployment.announce(first_release.saved)
    (killed,) = await start(deployment, "a")
    await load(deployment, 100)
    await taken_up(deployment, second_release.saved, [killed])

    for damage in (torn, from_nowhere):
        await deployment.announce(damage(copy_of(first_release.saved, tmp_path / damage.__name__)))
    killed.kill()
    forget_copies(deployment, [killed])
    await start(deployment, "a", "b")
    await load(deployment, 300)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release, second_release.release])


async def test_a_worker_that_is_behind_waits_for_the_release_that_made_a_state(
    deployment: Deployment, first_release: TinyRelease, second_release: TinyRelease, tmp_path: Path
) -> None:
    await deployment.announce(first_release.saved)
    ahead = deployment.start("a")
    behind = deployment.start("b", CutOff(second_release.saved.release_id, tmp_path / "in reach"))
    for worker in (ahead, behind):
        await deployment.feed_until(worker.is_ready, "the worker is ready")
    await taken_up(deployment, second_release.saved, [ahead])
    await load(deployment, 300)

    ahead.kill()
    await deployment.feed(100)
    await until(lambda: "waiting for the release" in behind.log, "it waits")
    (tmp_path / "in reach").touch()
    await deployment.all_done()

    assert await behind.stop() == 0
    answering = await judge(deployment, [first_release.release, second_release.release])
    assert answering == {first_release.release.release_id, second_release.release.release_id}


async def test_releases_in_quick_succession_end_in_the_last_good_one(
    deployment: Deployment, first_release: TinyRelease, second_release: TinyRelease, tmp_path: Path
) -> None:
    await deployment.announce(first_release.saved)
    await start(deployment, "a", "b")
    damaged = tampered_with(copy_of(first_release.saved, tmp_path / "damaged"))

    for number in range(3):
        await load(deployment, 100)
        for release in (first_release.saved, second_release.saved, damaged):
            await deployment.announce(release)
        await taken_up(deployment, second_release.saved, [deployment.start(f"new-{number}")])
    await deployment.all_done()

    assert await deployment.stop_all() == [0] * 5
    await judge(deployment, [first_release.release, *[first_release.release, second_release.release] * 6])


async def test_a_worker_that_can_reach_no_release_waits_for_one_and_leaves_no_play_unanswered(
    deployment: Deployment, first_release: TinyRelease, tmp_path: Path
) -> None:
    release = copy_of(first_release.saved, tmp_path / "release")
    await deployment.announce(release)
    (killed,) = await start(deployment, "a")
    await load(deployment, 10)
    killed.kill()
    forget_copies(deployment, [killed])

    laid_down = deployment.store / release.release_id
    shutil.move(laid_down, tmp_path / "out of reach")
    await deployment.feed(300)  # some of listeners whose state no release has made
    for _ in range(2):
        waiting = deployment.start("a")
        await until(lambda: num_failures(waiting) > 1, "it cannot take up the release")  # noqa: B023
        assert await waiting.stop() == 0
    deployment.start("a")
    shutil.move(tmp_path / "out of reach", laid_down)
    await deployment.all_done()

    assert await deployment.stop_all() == [0]
    await judge(deployment, [first_release.release])
