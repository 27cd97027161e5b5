"""`send` on a real broker, on which nothing exists before."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from aiokafka.errors import KafkaConnectionError

from streamer.errors import RecordingError
from streamer.kafka.partitioner import PARTITIONERS
from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from streamer.operations import sending
from streamer.operations.send import send
from streamer.settings import Settings
from streamer.wire.plays import decode_records
from tests.commands import run_here
from tests.onkafka import read_committed, settings_on

NUM_PARTITIONS = 3
ROWS = [("ann", "b", 20), ("bob", "ä", 10), ("ann", "a", 10), ("cat", "c", 30), ("bob", "b", 11)]


@pytest.fixture(params=["", "crc32"])
def settings(kafka: DevKafka, topic_prefix: str, request: pytest.FixtureRequest) -> Settings:
    return settings_on(kafka.bootstrap_servers, topic_prefix, partitions=NUM_PARTITIONS, partitioner=request.param)


def test_kafka_is_asked_before_the_file_is_read(tmp_path: Path) -> None:
    settings = settings_on(f"127.0.0.1:{free_port()}", "nowhere")
    (file := tmp_path / "no-plays.csv").touch()

    with pytest.raises(KafkaConnectionError, match="no broker answers"):
        run_here(send, settings, str(file))
    with pytest.raises(RecordingError, match="No such file"):  # which needs no Kafka
        run_here(send, settings, str(tmp_path / "missing.csv"))


@pytest.mark.kafka
async def test_plays_are_sent_oldest_first_and_a_worker_takes_each(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_PORTION", 2)
    recorded = tmp_path / "plays.csv"
    recorded.write_text("who,song,when\n" + "".join(f"{who},{song},2026-05-01T10:00:{s}Z\n" for who, song, s in ROWS))

    await asyncio.to_thread(
        run_here, send, settings, str(recorded), "--user", "who", "--track", "song", "--time", "when"
    )

    assert f"5 plays of 3 listeners are on {settings.plays_topic}, in 3 partitions" in capsys.readouterr().out
    at = settings.kafka_bootstrap_servers
    records = [await read_committed(at, settings.plays_topic, number) for number in range(NUM_PARTITIONS)]
    partition_of = PARTITIONERS[settings.partitioner or "murmur2"]
    expected = [[row for row in sorted(ROWS, key=lambda row: row[2]) if partition_of(row[0].encode(), 3) == number]
                for number in range(NUM_PARTITIONS)]  # fmt: skip
    assert [[(record.key, msgspec.json.decode(record.value)["track_id"]) for record in each] for each in records] == [
        [(who.encode(), song) for who, song, _ in each] for each in expected
    ]
    assert [decode_records(each).rejects for each in records] == [[], [], []]


@pytest.mark.kafka
def test_one_play_is_said_to_be_one(
    kafka: DevKafka, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_on(kafka.bootstrap_servers, topic_prefix, partitions=1)
    recorded = tmp_path / "plays.csv"
    recorded.write_text("who,song,when\nann,a,2026-05-01T10:00:10Z\n")

    run_here(send, settings, str(recorded), "--user", "who", "--track", "song", "--time", "when")

    said = capsys.readouterr()
    assert f"1 play of 1 listener is on {settings.plays_topic}, in 1 partition, at" in said.out
    assert "read 1 play of 1 listener and 1 track," in said.err
