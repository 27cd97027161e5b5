"""Promotion by hand, on a real broker: releases are verified first, and rollbacks retrace the champions."""

import asyncio
import dataclasses
import shutil
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.release import SavedRelease
from models.release_files import Json
from models.release_folder import Folder
from streamer.errors import ReleaseError
from streamer.local.devkafka import DevKafka
from streamer.releases.alias import find_champions, move_alias, noted_champion
from streamer.releases.loading import load_notice, notice_of
from streamer.releases.promotion import ChampionChangedError, Promoter
from streamer.releases.signing import Signer, Trust
from streamer.releases.store import Store
from streamer.wire.messages import ReleaseNotice
from tests.builders import NOON_MS, save_tiny_release
from tests.cases.observations import Observe

pytestmark = pytest.mark.kafka

HOUR_MS = 3_600_000


@pytest.fixture
def promoter(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> Promoter:
    return Promoter(kafka.connection, f"{topic_prefix}-releases", Store(str(tmp_path)))


@pytest.fixture
async def releases(promoter: Promoter, tmp_path: Path) -> list[SavedRelease]:
    """Three releases in the registry, an hour apart; none is champion."""
    admin = AIOKafkaAdminClient(**promoter.connection.client_options())
    await admin.start()
    await admin.create_topics([NewTopic(promoter.releases_topic, 1, 1)])
    await admin.close()
    return [save_tiny_release(tmp_path, created_at_ms=NOON_MS + hour * HOUR_MS) for hour in range(3)]


async def publish(promoter: Promoter, *releases: SavedRelease) -> None:
    for saved in releases:
        notice = ReleaseNotice(saved.release_id, saved.location, saved.manifest_sha256)
        await move_alias(promoter.connection, promoter.releases_topic, notice)


async def champion(promoter: Promoter) -> ReleaseNotice:
    return (await find_champions(promoter.connection, promoter.releases_topic))[-1]


async def test_a_release_of_the_registry_becomes_champion(promoter: Promoter, releases: list[SavedRelease]) -> None:
    done = await promoter.promote(releases[1].release_id)

    assert (done.release.release_id, done.before) == (releases[1].release_id, None)
    assert await champion(promoter) == ReleaseNotice(
        releases[1].release_id, releases[1].release_id, releases[1].manifest_sha256
    )


async def test_a_damaged_release_is_not_promoted(promoter: Promoter, releases: list[SavedRelease]) -> None:
    await publish(promoter, releases[0])
    damage(releases[1])

    with pytest.raises(ReleaseError, match=r"was not promoted: .*weights\.safetensors has sha256"):
        await promoter.promote(releases[1].release_id)
    with pytest.raises(ReleaseError, match="there is no release r7 under"):
        await promoter.promote("r7")

    assert (await champion(promoter)).release_id == releases[0].release_id


async def test_a_release_that_differs_from_its_notice_is_not_promoted(
    promoter: Promoter, releases: list[SavedRelease]
) -> None:
    await publish(promoter, releases[0]._replace(manifest_sha256="0" * 64))

    with pytest.raises(ReleaseError, match=r"manifest\.json has sha256 \w+, expected 0{64}"):
        await promoter.promote(releases[0].release_id)


async def test_each_rollback_goes_back_one_release(promoter: Promoter, releases: list[SavedRelease]) -> None:
    oldest, middle, newest = releases
    await publish(promoter, oldest, middle, newest)

    assert (await promoter.roll_back()).release.release_id == middle.release_id
    assert (await promoter.roll_back()).release.release_id == oldest.release_id
    with pytest.raises(ReleaseError, match=f"there is no release before {oldest.release_id}"):
        await promoter.roll_back()


async def test_without_a_history_the_next_older_one_comes_back(
    promoter: Promoter, releases: list[SavedRelease]
) -> None:
    await publish(promoter, releases[2])

    assert (await promoter.roll_back()).release.release_id == releases[1].release_id
    assert (await promoter.roll_back()).release.release_id == releases[0].release_id


async def test_a_rollback_skips_releases_that_were_never_champion(
    promoter: Promoter, releases: list[SavedRelease]
) -> None:
    await publish(promoter, releases[0], releases[2])

    assert (await promoter.roll_back()).release.release_id == releases[0].release_id


async def test_a_rollback_skips_damaged_releases(promoter: Promoter, releases: list[SavedRelease]) -> None:
    await publish(promoter, *releases)
    damage(releases[1])

    done = await promoter.roll_back()

    assert (done.release.release_id, done.before) == (releases[0].release_id, releases[2].release_id)
    assert [each.partition(":")[0] for each in done.skipped] == [releases[1].release_id]


@pytest.mark.kind(12)
@pytest.mark.parametrize(
    "case",
    [
        ({}, "it was never judged"),
        ({"verdict": "Not judged: no plays."}, "it was never judged"),
        ({"passed": False, "verdict": "Refused: worse. And so on."}, r"the gate refused it \(worse\)"),
    ],
)
async def test_a_release_that_did_not_pass_the_gate_is_promoted_only_by_force(
    promoter: Promoter, releases: list[SavedRelease], tmp_path: Path, case: tuple[dict[str, Json], str],
    observe: Observe,
) -> None:  # fmt: skip
    metrics, why = case
    await publish(promoter, releases[0])
    doubtful = save_tiny_release(tmp_path, created_at_ms=NOON_MS + HOUR_MS // 2, metrics=metrics)
    await publish(promoter, releases[2])

    with pytest.raises(ReleaseError, match=rf"{doubtful.release_id} was not promoted: {why}; .*--force") as refused:
        await promoter.promote(doubtful.release_id)
    assert (await champion(promoter)).release_id == releases[2].release_id
    await promoter.force(doubtful.release_id)
    await publish(promoter, releases[2])

    assert (await promoter.roll_back()).release.release_id == doubtful.release_id  # it was champion
    assert (await promoter.promote(doubtful.release_id)).release.release_id == doubtful.release_id
    observe(str(refused.value).replace(doubtful.release_id, "ID"))


@pytest.mark.kind(12)
async def test_a_rollback_without_a_history_passes_over_what_never_passed_the_gate(
    promoter: Promoter, releases: list[SavedRelease], tmp_path: Path, observe: Observe
) -> None:
    doubtful = save_tiny_release(tmp_path, created_at_ms=NOON_MS + HOUR_MS // 2, metrics={})
    await publish(promoter, releases[1])

    done = await promoter.roll_back()

    assert done.release.release_id == releases[0].release_id
    assert [each.partition(":")[0] for each in done.skipped] == [doubtful.release_id]
    observe("a rollback passes over releases that were never judged and never champion")


@pytest.mark.kind(11)
async def test_a_store_that_was_moved_is_promoted_from(
    promoter: Promoter, releases: list[SavedRelease], tmp_path: Path, observe: Observe
) -> None:
    await publish(promoter, *releases)  # with full URLs, as earlier versions announced them
    moved = dataclasses.replace(promoter, store=Store(str(tmp_path.with_name("moved"))))
    shutil.move(tmp_path, tmp_path.with_name("moved"))

    assert (await moved.roll_back()).release.release_id == releases[1].release_id
    assert (await moved.promote(releases[2].release_id)).before == releases[1].release_id
    assert await champion(moved) == notice_of(releases[2])
    assert noted_champion(moved.store) == notice_of(releases[2])
    shutil.move(tmp_path.with_name("moved"), tmp_path)
    observe("a store copied elsewhere is promoted from and rolled back in, also to releases announced with full URLs")


@pytest.mark.kind(10)
async def test_a_promotion_signs_and_without_the_key_only_what_is_signed_is_promoted(
    promoter: Promoter, releases: list[SavedRelease], observe: Observe
) -> None:
    key = Ed25519PrivateKey.generate()
    trust = Trust([key.public_key()])
    with_key = dataclasses.replace(promoter, signer=Signer(key), trust=trust)
    without = dataclasses.replace(promoter, trust=trust)

    await with_key.promote(releases[0].release_id)
    with pytest.raises(ReleaseError, match=r"was not promoted: .* is not signed; promote it where REFRAIN_RELEASES_"):
        await without.promote(releases[1].release_id)
    await without.promote(releases[0].release_id)

    assert load_notice(await champion(promoter), promoter.store, trust=trust).release_id == releases[0].release_id
    observe("a promotion with the key signs, also what `refrain train` made; without it, nothing unsigned is promoted")


async def test_a_champion_that_somebody_else_promoted_meanwhile_is_not_replaced(
    promoter: Promoter, releases: list[SavedRelease]
) -> None:
    oldest, middle, newest = releases
    await publish(promoter, oldest)
    key = Ed25519PrivateKey.generate()
    with_key = dataclasses.replace(promoter, signer=Signer(key))
    await with_key.promote(middle.release_id)

    class Overtaken(Trust):
        """Is asked while a release is verified, when somebody else promotes another."""

        def check(self, folder: Folder, manifest: bytes) -> bytes:
            asyncio.run(publish(promoter, newest))
            return super().check(folder, manifest)

    slow = dataclasses.replace(promoter, trust=Overtaken([key.public_key()]))
    with pytest.raises(
        ChampionChangedError, match=f"{newest.release_id} became champion while {middle.release_id} was"
    ):
        await slow.promote(middle.release_id)
    for late in (
        promoter.promote(oldest.release_id, instead_of=middle.release_id),
        promoter.force(oldest.release_id, instead_of=middle.release_id),
        promoter.roll_back(instead_of=middle.release_id),
    ):
        with pytest.raises(ChampionChangedError, match=f"{newest.release_id} is champion now, not {middle.release_id}"):
            await late

    assert (await champion(promoter)).release_id == newest.release_id
    assert (await promoter.roll_back(instead_of=newest.release_id)).release.release_id == middle.release_id


async def test_without_a_champion_there_is_no_rollback(promoter: Promoter, releases: list[SavedRelease]) -> None:
    assert releases
    with pytest.raises(ReleaseError, match="no champion to roll back from"):
        await promoter.roll_back()


def damage(saved: SavedRelease) -> None:
    Path(saved.location, "weights.safetensors").write_bytes(b"damaged")
