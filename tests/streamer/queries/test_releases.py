"""Questions about releases, asked over HTTP of a real broker and a store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.release import SavedRelease
from models.release_files import Json
from streamer.kafka.connection import Connection
from streamer.local.devkafka import DevKafka
from streamer.queries.errands import Errands
from streamer.queries.releases import ReleaseQueries, ReleaseRights, release_routes
from streamer.releases.alias import find_champions, move_alias
from streamer.releases.copies import UnnamedCopies
from streamer.releases.loading import notice_of
from streamer.releases.promotion import Promoter
from streamer.releases.registry import Refusal, Registry
from streamer.releases.signing import Trust
from streamer.releases.store import Store
from streamer.wire.views_hits import LiveHits
from tests.asking import Asker, asking
from tests.builders import NOON_MS, save_tiny_release
from tests.failing_store import PROTOCOL, SWITCH, FailingFileSystem
from tests.onkafka import create_topic

pytestmark = pytest.mark.kafka

PATH = "/api/v1/releases"
HOUR_MS = 3_600_000
ESTIMATE: dict[str, Json] = {"mean": 0.4, "low": 0.3, "high": 0.5}
LIVE = LiveHits("20231114T221320.000Z-662bb81a", NOON_MS, NOON_MS, NOON_MS + 1, 3, 40, 0.25, 0.2, 0.3, None)
REFUSED: dict[str, Json] = {
    "passed": False,
    "verdict": "Refused: worse. And so on.",
    "gate": {
        "judged": {"num_plays": 34, "num_listeners": 31, "is_long_known": True},
        "candidate": {"HR@20": ESTIMATE},
        "baselines": {"popularity": {"candidate": {"HR@20": ESTIMATE}, "champion": None}},
        "champion": {"release_id": "r1", "newest": {"HR@20": ESTIMATE}},
    },
}


async def live() -> list[LiveHits]:
    return [LIVE]


@pytest.fixture
async def queries(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> ReleaseQueries:
    topic = f"{topic_prefix}-releases"
    await create_topic(kafka.bootstrap_servers, topic)
    promoter = Promoter(kafka.connection, topic, Store(str(tmp_path)), copies=UnnamedCopies(tmp_path / "promoted"))
    return ReleaseQueries(promoter, Errands(kafka.connection), ReleaseRights((), ()), live)


@pytest.fixture
async def asker(queries: ReleaseQueries) -> AsyncIterator[Asker]:
    async with asking(release_routes(queries)) as asker:
        yield asker


@pytest.fixture
async def releases(queries: ReleaseQueries, tmp_path: Path) -> list[SavedRelease]:
    """Three releases, an hour apart; the first two were champion, the last one was refused."""
    saved = [
        save_tiny_release(tmp_path, created_at_ms=NOON_MS + hour * HOUR_MS, metrics=metrics)
        for hour, metrics in enumerate([None, None, REFUSED])
    ]
    for each in saved[:2]:
        await move_alias(queries.promoter.connection, queries.promoter.releases_topic, notice_of(each))
    return saved


def damage(saved: SavedRelease, name: str) -> None:
    Path(saved.location, name).write_text("{")


async def champion(queries: ReleaseQueries) -> str:
    return (await find_champions(queries.promoter.connection, queries.promoter.releases_topic))[-1].release_id


async def test_releases_are_listed_with_what_the_gate_said_and_when_they_answered(
    asker: Asker, queries: ReleaseQueries, releases: list[SavedRelease]
) -> None:
    Registry(queries.promoter.store).keep_refusal(Refusal(NOON_MS, "drift", "r1", "worse", "Refused: worse."))
    damage(releases[0], "manifest.json")

    shown = (await asker.ask("GET", PATH)).json

    assert shown["champion"] == releases[1].release_id
    refused, now, damaged = shown["releases"]
    assert [each["id"] for each in shown["releases"]] == [each.release_id for each in reversed(releases)]
    assert [each["mark"] for each in shown["releases"]] == ["", "champion", "before"]
    assert [each["is_champion"] for each in shown["releases"]] == [False, True, False]
    assert (refused["window"]["num_plays"], refused["created_at_ms"]) == (2, NOON_MS + 2 * HOUR_MS)
    assert refused["hit_rate_at_20"] == 0.4
    assert refused["judgement"] == {
        "passed": False, "verdict": "Refused: worse. And so on.", "judged": {"num_plays": 34, "num_listeners": 31},
        "figures": {"HR@20": ESTIMATE}, "champion": "r1", "differences": {"HR@20": ESTIMATE},
        "baselines": {"popularity": {"HR@20": ESTIMATE}},
    }  # fmt: skip
    assert now["judgement"]["passed"] is True
    assert (now["judgement"]["figures"], now["judgement"]["judged"]) == ({}, None)
    assert (damaged["window"], damaged["judgement"], damaged["created_at_ms"]) == (None, None, None)
    assert "manifest.json" in damaged["fault"]
    assert (refused["answered_from"], now["answered_to"]) == (None, None)
    assert damaged["answered_to"] == now["answered_from"] >= damaged["answered_from"] > NOON_MS
    assert shown["refusals"] == [
        {"at_ms": NOON_MS, "trigger": "drift", "champion": "r1", "reason": "worse", "verdict": "Refused: worse."}
    ]
    assert [(each["plays"], each["hit_rate_at_20"]) for each in damaged["live"]] == [(40, 0.25)]
    assert now["live"] == []
    assert (shown["num_older"], shown["warning"]) == (0, None)


async def test_a_release_is_promoted_and_rolled_back_and_the_log_says_who_asked(
    asker: Asker, queries: ReleaseQueries, releases: list[SavedRelease], caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:  # fmt: skip
    first, second, refused = (each.release_id for each in releases)

    with caplog.at_level(logging.INFO):
        unforced = await asker.ask("POST", f"{PATH}/promote", json={"release_id": refused})
        forced = await asker.ask("POST", f"{PATH}/promote", json={"release_id": refused, "force": True})
        back = [await asker.ask("POST", f"{PATH}/rollback", json={}) for _ in range(3)]

    assert unforced.code == "conflict"
    assert "the gate refused it (worse)" in unforced.json["error"]["message"]
    assert forced.json == {"champion": refused, "previous": second, "skipped": []}
    assert [each.status for each in back] == [200, 200, 409]
    assert back[1].json == {"champion": first, "previous": second, "skipped": []}
    assert await champion(queries) == first
    assert list((tmp_path / "promoted").iterdir()) == []
    lines = [record.getMessage() for record in caplog.records if record.name == "streamer.queries.errands"]
    assert lines == [
        f"act what=promote of={refused} right=act peer=127.0.0.1 outcome=conflict",
        f"act what=promote-by-force of={refused} right=act peer=127.0.0.1 outcome={refused} instead of {second}",
        f"act what=rollback of=champion right=act peer=127.0.0.1 outcome={second} instead of {refused}",
        f"act what=rollback of=champion right=act peer=127.0.0.1 outcome={first} instead of {second}",
        "act what=rollback of=champion right=act peer=127.0.0.1 outcome=conflict",
    ]


async def test_of_two_who_promote_at_once_what_they_saw_one_is_told_of_the_other(
    asker: Asker, queries: ReleaseQueries, releases: list[SavedRelease]
) -> None:
    first, second, refused = (each.release_id for each in releases)
    acts = [
        asker.ask("POST", f"{PATH}/promote", json={"release_id": refused, "force": True, "instead_of": second}),
        asker.ask("POST", f"{PATH}/rollback", json={"instead_of": second}),
    ]

    answers = await asyncio.gather(*acts)

    assert sorted(answer.status for answer in answers) == [200, 409]
    (done,) = (answer.json["champion"] for answer in answers if answer.status == 200)
    (late,) = (answer for answer in answers if answer.status == 409)
    assert late.code == "conflict"
    assert f"{done} is champion now, not {second}" in late.json["error"]["message"]
    assert await champion(queries) == done
    assert done in {first, refused}


async def test_what_cannot_be_promoted_says_why_and_changes_nothing(
    asker: Asker, queries: ReleaseQueries, releases: list[SavedRelease]
) -> None:
    damage(releases[0], "weights.safetensors")
    unknown = "20200101T000000.000Z-00000000"

    damaged = await asker.ask("POST", f"{PATH}/promote", json={"release_id": releases[0].release_id})
    absent = await asker.ask("POST", f"{PATH}/promote", json={"release_id": unknown})
    key = Ed25519PrivateKey.generate().public_key()
    signing = replace(queries, promoter=replace(queries.promoter, trust=Trust([key])))
    async with asking(release_routes(signing)) as other:
        unsigned = await other.ask("POST", f"{PATH}/promote", json={"release_id": releases[1].release_id})

    assert [each.code for each in (damaged, absent, unsigned)] == ["conflict", "not_found", "conflict"]
    assert "weights.safetensors has sha256" in damaged.json["error"]["message"]
    assert "is not signed" in unsigned.json["error"]["message"]
    assert await champion(queries) == releases[1].release_id


@pytest.mark.parametrize("release_id", ["", "../x", "r1\n", "x" * 999, "20200101T000000.000Z-0000000\u0660", 7, None])
async def test_an_id_that_no_release_can_have_is_refused(asker: Asker, release_id: object) -> None:
    for body in ({"release_id": release_id}, {"release_id": "20200101T000000.000Z-00000000", "confirm": True}):
        assert (await asker.ask("POST", f"{PATH}/promote", json=body)).code == "bad_request"
    assert (await asker.ask("POST", f"{PATH}/promote", json={})).code == "bad_request"


async def test_a_store_or_a_kafka_that_does_not_answer_is_unavailable(
    queries: ReleaseQueries, releases: list[SavedRelease], tmp_path: Path
) -> None:
    fsspec.register_implementation(PROTOCOL, FailingFileSystem, clobber=True)
    store = Store(f"{PROTOCOL}://{tmp_path}", limit_s=0.2)
    (tmp_path / SWITCH).write_text("hangs")
    async with asking(release_routes(replace(queries, promoter=replace(queries.promoter, store=store)))) as asker:
        answers = [
            await asker.ask("GET", PATH),
            await asker.ask("POST", f"{PATH}/promote", json={"release_id": releases[0].release_id}),
        ]
    (tmp_path / SWITCH).unlink()
    nowhere = replace(queries, errands=Errands(Connection.parse("127.0.0.1:1")))
    async with asking(release_routes(nowhere)) as asker:
        answers += [await asker.ask("GET", PATH), await asker.ask("POST", f"{PATH}/rollback", json={})]

    assert [answer.code for answer in answers] == ["unavailable"] * 4
    assert await champion(queries) == releases[1].release_id
