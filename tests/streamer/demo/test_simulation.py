import json
import time
from collections import defaultdict

import pytest

from streamer.kafka.catalogue import find_entries, write_entries
from streamer.kafka.connection import Connection
from streamer.local.devkafka import DevKafka
from streamer.wire.plays import decode_records
from tests.commands import run_command
from tests.onkafka import Record, create_topic, produce, read_committed

pytestmark = pytest.mark.kafka


def environment_of(kafka: DevKafka, prefix: str) -> dict[str, str]:
    return {
        "REFRAIN_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "REFRAIN_APP_ID": prefix,
        "REFRAIN_PARTITIONS": "2",
        "REFRAIN_REPLICATION": "1",
        **{f"REFRAIN_{name}_TOPIC": f"{prefix}.{name.lower()}"
           for name in ("PLAYS", "SHORT_TERM", "LONG_TERM", "DEAD_LETTER", "RELEASES", "CATALOGUE")},
    }  # fmt: skip


async def sent_to(kafka: DevKafka, topic: str) -> list[Record]:
    return [each for number in (0, 1) for each in await read_committed(kafka.bootstrap_servers, topic, number)]


async def test_listeners_who_start_again_go_on_behind_their_latest_plays_and_name_no_track_twice(
    kafka: DevKafka, topic_prefix: str
) -> None:
    environment = environment_of(kafka, topic_prefix)
    arguments = ("simulate", "--rate", "400", "--listeners", "30", "--tracks", "200", "--for", "2")
    catalogue = (Connection.parse(kafka.bootstrap_servers), f"{topic_prefix}.catalogue")

    ends = [await run_command(environment, *arguments)]
    await write_entries(*catalogue, [("track-000007", None)])
    ends.append(await run_command(environment, *arguments))

    assert [ended.status for ended in ends] == [0, 0], ends[-1].output
    records = await sent_to(kafka, f"{topic_prefix}.plays")
    decoded = decode_records(records)
    assert (len(records), decoded.rejects) == (sum(int(ended.last_line.split()[0]) for ended in ends), [])
    times_ms = defaultdict[bytes, list[int]](list)
    for user, played_at_ms in zip(decoded.plays.users, decoded.plays.played_at_ms.tolist(), strict=True):
        times_ms[user].append(played_at_ms)
    assert all(times == sorted(times) for times in times_ms.values())
    assert len(times_ms) > 20
    entries = await find_entries(*catalogue)
    named = {track_id for track_id, entry in entries.items() if entry.record is not None and entry.record.title}
    assert named == {f"track-{row:06d}" for row in range(200)} - {"track-000007"}, "withdrawn is what stays withdrawn"
    assert "named=200" in ends[0].output
    assert "named=0" in ends[1].output


async def test_nobody_plays_ahead_of_the_clock(kafka: DevKafka, topic_prefix: str) -> None:
    topic, now_ms = f"{topic_prefix}.plays", int(time.time() * 1000)
    await create_topic(kafka.bootstrap_servers, topic, 2)
    await produce(
        kafka.bootstrap_servers, topic, json.dumps({"user_id": "u", "track_id": "t", "played_at": now_ms}).encode()
    )

    ended = await run_command(environment_of(kafka, topic_prefix), "simulate", "--rate", "1000", "--for", "2")

    assert ended.status == 0, ended.output
    played_at_ms = decode_records(await sent_to(kafka, topic)).plays.played_at_ms
    assert now_ms <= played_at_ms.min() <= played_at_ms.max() <= time.time() * 1000
    assert len(played_at_ms) < 100
