"""`listener` and `forget` on a real broker, with a worker in the process of the test and without one."""

import asyncio
import json
from pathlib import Path

import click
import pytest
from aiokafka import TopicPartition

from streamer.kafka.catalogue import write_entries
from streamer.kafka.connection import connection_of
from streamer.kafka.offsets import observing
from streamer.kafka.partitioner import PARTITIONERS
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from streamer.operations import newest_record
from streamer.operations.forgetting import ForgettingError
from streamer.operations.homes import homes_of
from streamer.operations.listeners import forget, listener
from streamer.operations.newest_record import find_newest
from streamer.releases.alias import move_alias
from streamer.settings import Settings
from streamer.wire.messages import ReleaseNotice
from tests.builders import NOON_MS, play_value, save_tiny_release
from tests.commands import run_here
from tests.onkafka import create_topic, produce, read_committed, settings_on
from tests.working import until_marked, working

USER, OTHER = "u17", "u18"


@pytest.fixture
def settings(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> Settings:
    return settings_on(
        kafka.bootstrap_servers,
        topic_prefix,
        partitions=1,
        device="cpu",
        state_dir=tmp_path / "state",
        releases_url=str(tmp_path / "releases"),
    )


@pytest.mark.parametrize("command", [listener, forget])
@pytest.mark.parametrize(("user", "size"), [("", 0), ("é" * 129, 258)])
def test_a_user_whom_no_play_can_name_is_refused_before_kafka_is_asked(
    command: click.Command, user: str, size: int
) -> None:
    nowhere = settings_on(f"127.0.0.1:{free_port()}", "nowhere")

    with pytest.raises(click.BadParameter, match=f"USER has {size} bytes; it must have 1 to 256, as in plays"):
        run_here(command, nowhere, user)


@pytest.mark.kafka
async def test_a_listener_is_shown_then_forgotten_with_a_receipt(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at, release = settings.kafka_bootstrap_servers, save_tiny_release(tmp_path / "releases")
    await create_topic(at, settings.plays_topic)
    await ensure_topics(settings)
    await move_alias(connection_of(settings), settings.releases_topic, ReleaseNotice(*release))
    plays = [play_value(USER, "t1", NOON_MS + n, context="album", skipped=n == 1) for n in range(3)]

    async with working(settings) as answering:
        await produce(at, settings.plays_topic, *plays, key=USER.encode())
        await produce(at, settings.plays_topic, play_value(OTHER, "t2"), key=OTHER.encode())
        await until_marked(answering, 3)
        titles = [(f"t{n}", b'{"title": "No. %d", "artists": ["Nobody"]}' % n) for n in range(1, 12)]
        await write_entries(connection_of(settings), settings.catalogue_topic, titles)
        await asyncio.to_thread(run_here, listener, settings, USER, "--json")
        await asyncio.to_thread(run_here, listener, settings, USER)
        shown = capsys.readouterr().out
        await asyncio.to_thread(run_here, forget, settings, USER, "--yes", "--json")
        forgotten = json.loads(capsys.readouterr().out)
        await asyncio.to_thread(run_here, listener, settings, USER)
        gone = capsys.readouterr().out

    text, _, rest = shown.partition("\n")
    assert json.loads(text)["champion"] == release.release_id
    (found,) = json.loads(text)["partitions"]
    assert (found["partition"], found["partitioners"], found["mark"]) == (0, ["murmur2", "crc32"], 3)
    state = found["state"]
    assert (state["plays_seen"], state["source_offset"], state["release"]) == (3, 2, release.release_id)
    assert [play["played_at_ms"] - NOON_MS for play in state["ring"]] == [0, 1, 2]
    assert [(play["context"], play["skipped"], play["repeats"]) for play in state["ring"]][:2] == [
        ("album", False, False), ("album", True, True),
    ]  # fmt: skip
    assert [each["horizon"] for each in found["lists"]] == ["short-term", "long-term"]
    assert found["lists"][0]["tracks"][0]["score"] > 0
    assert [(play["track"], play["title"], play["artists"]) for play in state["ring"]] == [
        ("t1", "No. 1", ["Nobody"])
    ] * 3
    for track in found["lists"][0]["tracks"]:
        assert track["title"] == (None if track["id"] == "t0" else f"No. {track['id'][1:]}")
    assert "t1  Nobody: No. 1" in rest
    assert f"lineage     folded from 3 plays by release {release.release_id}" in rest
    assert "\nlong-term   " in rest
    assert "first release" not in rest

    (receipt,) = forgotten["receipts"]
    (request,) = await read_committed(at, settings.dead_letter_topic)
    assert (receipt["tombstone"], receipt["receipt"]) == ("0:4", f"0:{request.offset}")
    assert "state       none; it was removed at offset" in gone
    assert "-term   " not in gone


@pytest.mark.kafka
async def test_who_waits_for_lists_before_the_first_release_is_told_what_to_run(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await create_topic(settings.kafka_bootstrap_servers, settings.plays_topic)
    await ensure_topics(settings)

    await asyncio.to_thread(run_here, listener, settings, USER)
    await asyncio.to_thread(run_here, listener, settings, USER, "--json")

    text, _, as_json = capsys.readouterr().out.rstrip().rpartition("\n")
    assert "There are no lists before the first release: run `refrain trainer`" in text
    assert json.loads(as_json)["champion"] is None


@pytest.mark.kafka
async def test_without_a_worker_the_tombstone_stays_and_the_command_says_so(settings: Settings) -> None:
    await create_topic(settings.kafka_bootstrap_servers, settings.plays_topic)
    await ensure_topics(settings)

    with pytest.raises(ForgettingError, match=r"no worker has applied the tombstone at 0:0 of .*plays within 0.5 s"):
        await asyncio.to_thread(run_here, forget, settings, USER, "--yes", "--within", "0.5")

    (tombstone,) = await read_committed(settings.kafka_bootstrap_servers, settings.plays_topic)
    assert (tombstone.key, tombstone.value) == (USER.encode(), None)


@pytest.mark.kafka
async def test_the_newest_record_is_found_however_far_back(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    at, topic = settings.kafka_bootstrap_servers, settings.plays_topic
    monkeypatch.setattr(newest_record, "_FIRST_LEAP", 2)
    await create_topic(at, topic)
    await produce(at, topic, b"old", b"new", key=b"rare")
    await produce(at, topic, *[b"x"] * 30, key=b"busy")

    async with observing(connection_of(settings)) as consumer:
        found = [await find_newest(consumer, TopicPartition(topic, 0), key) for key in (b"rare", b"busy", b"none")]

    assert [record and (record.offset, record.value) for record in found] == [(1, b"new"), (31, b"x"), None]


def test_a_listener_lives_where_the_partitioners_say() -> None:
    murmur2, crc32 = (PARTITIONERS[name](b"u17", 8) for name in ("murmur2", "crc32"))

    assert homes_of(b"u17", 8, "murmur2") == {murmur2: ["murmur2"]}
    assert homes_of(b"u17", 8, "") == {murmur2: ["murmur2"], crc32: ["crc32"]}
    assert homes_of(b"u17", 1, "") == {0: ["murmur2", "crc32"]}


def test_an_impossible_id_is_refused_before_anything_is_written() -> None:
    with pytest.raises(click.UsageError, match="nobody is there to ask"):
        run_here(forget, Settings(), USER)
