"""Questions over HTTP to a worker that answers plays."""

import logging
from pathlib import Path
from typing import Final

import msgspec
import pytest

from streamer.kafka.catalogue import write_entries
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.releases.alias import move_alias
from streamer.wire.messages import Recommendation, ReleaseNotice
from streamer.worker.beside import create_beside
from tests.asking import asking_of, next_event
from tests.builders import NOON_MS, play_value, save_tiny_release
from tests.onkafka import produce, read_committed, settings_on
from tests.until import until
from tests.working import running, until_marked

USER: Final = "a listener of this test"
KEY: Final = USER.encode()


@pytest.mark.kafka
async def test_what_if_over_http_is_what_the_topic_then_answers(
    kafka: DevKafka, topic_prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)  # where no line names a listener
    at = kafka.bootstrap_servers
    settings = settings_on(
        at,
        topic_prefix,
        state_dir=tmp_path / "state",
        partitions=1,
        device="cpu",
        releases_url=str(tmp_path / "releases"),
    )
    await ensure_topics(settings)
    await produce(at, settings.plays_topic, *(play_value(USER, track) for track in ("t1", "t2", "t5")), key=KEY)

    async with running(settings) as worker:
        beside = create_beside(settings, worker, 1)
        async with asking_of(beside.queries, worker.answering.metrics.registry) as asker:
            await until_marked(worker.answering, 2)
            await until(lambda: worker.answering.latest.users, "who played is noted")
            found = await asker.ask("POST", "/api/v1/listener/anybody", json={})
            early = await asker.ask("POST", "/api/v1/listener", json={"user_id": USER})
            without = await asker.ask("POST", "/api/v1/listener/what-if", json={"user_id": USER})
            await move_alias(
                kafka.connection, settings.releases_topic, ReleaseNotice(*save_tiny_release(tmp_path / "releases"))
            )
            await until(lambda: worker.answering.releases.champion, "the release is taken up")
            added = [{"track_id": "t7", "played_at": NOON_MS}]
            what_if = await asker.ask("POST", "/api/v1/listener/what-if", json={"user_id": USER, "added": added})
            followed = asker.session.post(asker.url + "/api/v1/listener/follow", json={"user_id": USER})
            async with followed as response:
                await next_event(response.content)
                await produce(at, settings.plays_topic, play_value(USER, "t7"), key=KEY)
                updated = await next_event(response.content)
            late = await asker.ask("POST", "/api/v1/listener", json={"user_id": USER})
            beside.feed.sampling.sample()
            figures = await asker.ask("GET", "/api/v1/figures")
        await beside.close()

    assert USER not in caplog.text
    assert found.json == {"user_id": USER}
    assert (early.status, early.json["lists"], len(early.json["plays"])) == (200, [], 3)
    assert (without.status, without.code) == (409, "no_release")
    assert updated == ("listener", late.json)
    for horizon, topic in enumerate((settings.short_term_topic, settings.long_term_topic)):
        answer = msgspec.json.decode((await read_committed(at, topic))[-1].value or b"", type=Recommendation)
        answered = [track.track_id for track in answer.tracks]
        imagined, shown = what_if.json["after"][horizon], late.json["lists"][horizon]
        assert [track["track_id"] for track in imagined["tracks"]] == answered
        assert [track["track_id"] for track in shown["tracks"]] == answered
    champion = worker.answering.releases.champion
    assert champion is not None
    assert (figures.json["release"], figures.json["partitions"]) == (champion.release.release_id, 1)
    assert (figures.json["counts"]["plays"], sum(figures.json["counts"]["latencies"])) == (4, 1)
    assert figures.json["step_cpu_us"] > 0


@pytest.mark.kafka
async def test_tracks_have_the_names_that_the_catalogue_gives_them(
    kafka: DevKafka, topic_prefix: str, tmp_path: Path
) -> None:
    settings = settings_on(
        kafka.bootstrap_servers, topic_prefix, state_dir=tmp_path / "state", partitions=1, replication=1, device="cpu",
        releases_url=str(tmp_path / "releases"),
    )  # fmt: skip
    await ensure_topics(settings)
    notice = ReleaseNotice(*save_tiny_release(tmp_path / "releases"))
    await move_alias(kafka.connection, settings.releases_topic, notice)
    entries = [("t3", b'{"title": "Idioteque", "artists": ["Radiohead"]}'), ("t4", None)]
    await write_entries(kafka.connection, settings.catalogue_topic, entries)

    async with running(settings) as worker:
        beside = create_beside(settings, worker, 1)
        beside.names.start()
        async with asking_of(beside.queries, worker.answering.metrics.registry) as asker:
            await until(lambda: beside.names.is_current, "the names are read")
            by_id = await asker.ask("POST", "/api/v1/tracks", json={"track_ids": ["t3", "t4", "none"]})
            by_row = await asker.ask("POST", "/api/v1/tracks", json={"rows": [3]})
            found = await asker.ask("POST", "/api/v1/tracks/search", json={"text": "radioh"})
            beyond = await asker.ask("POST", "/api/v1/tracks", json={"rows": [99]})
        await beside.close()

    assert [(track["row"], track["title"], track["is_withdrawn"]) for track in by_id.json] == [
        (3, "Idioteque", False), (4, None, True), (None, None, False),
    ]  # fmt: skip
    assert by_row.json == found.json == by_id.json[:1]
    assert (beyond.status, beyond.code) == (400, "bad_request")


@pytest.mark.kafka
async def test_a_worker_is_asked_for_its_letters_and_to_promote_what_it_then_answers_by(
    kafka: DevKafka, topic_prefix: str, tmp_path: Path
) -> None:
    places = {"state_dir": tmp_path / "state", "releases_url": str(tmp_path / "releases")}
    settings = settings_on(kafka.bootstrap_servers, topic_prefix, partitions=1, device="cpu", **places)
    saved = save_tiny_release(tmp_path / "releases")
    await ensure_topics(settings)
    await produce(kafka.bootstrap_servers, settings.plays_topic, play_value("u", "t1"), b"{")

    async with running(settings) as worker:
        beside = create_beside(settings, worker, 1)
        async with asking_of(beside.queries, worker.answering.metrics.registry) as asker:
            await until_marked(worker.answering, 1)
            listed = (await asker.ask("GET", "/api/v1/dead-letters")).json
            named = {"letters": [{name: listed["letters"][0][name] for name in ("partition", "offset")}]}
            sent = (await asker.ask("POST", "/api/v1/dead-letters/send-again", json=named)).json
            gone = (await asker.ask("POST", "/api/v1/dead-letters/discard", json={**named, "confirm": True})).json
            promoted = (await asker.ask("POST", "/api/v1/releases/promote", json={"release_id": saved.release_id})).json
            await until(lambda: worker.answering.releases.champion, "the release is taken up")
            (release,) = (await asker.ask("GET", "/api/v1/releases")).json["releases"]
        await beside.close()

    assert listed["causes"] == {"not-json": 1}
    assert (sent["done"], gone["done"]) == (0, 1)
    assert "a worker would reject the same bytes again" in sent["refused"][0]["reason"]
    assert promoted == {"champion": saved.release_id, "previous": None, "skipped": []}
    assert (release["id"], release["is_champion"], release["answered_to"]) == (saved.release_id, True, None)
