"""Each client of `examples` against a real Kafka and a worker that rejects plays on a wrong partition."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import jsonschema
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.kafka.partitioner import PARTITIONERS
from streamer.local.child import ChildProcess
from tests.builders import NOON_MS, TRACK_IDS
from tests.examples.clients import (
    TOPICS,
    Client,
    Play,
    at_kafka,
    java_client,
    kcat_client,
    python_client,
    typescript_client,
)
from tests.examples.conftest import NUM_PARTITIONS, ROLLED_BACK, Service
from tests.onkafka import Record
from tests.until import until, until_awaited

VALID_PLAY: Final = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "play.json").read_text())
)

#: Ids of all lengths modulo 4, which murmur2 reads at a time, and of characters of one to four bytes.
USERS: Final = tuple(f"{name}-{number}" for number in range(250) for name in ("u", "zoë", "日本", "🎧a"))

PLAYS: Final[Sequence[Play]] = tuple(
    {"user_id": user, "track_id": TRACK_IDS[number % len(TRACK_IDS)], "played_at": NOON_MS, "context": "radio"}
    for number, user in enumerate(USERS)
)


@pytest.fixture(params=["python", "java", "typescript", "kcat"])
def client(request: pytest.FixtureRequest, tmp_path: Path, program: Callable[[str], str]) -> Client:
    if request.param == "kcat":
        program("kcat")
    directory = tmp_path / request.param
    directory.mkdir()
    clients: dict[str, Callable[[], Client]] = {
        "python": python_client,
        "java": lambda: java_client(directory),
        "typescript": lambda: typescript_client(directory),
        "kcat": kcat_client,
    }
    return clients[request.param]()


@pytest.mark.kafka
@pytest.mark.long
async def test_plays_of_a_client_reach_their_partitions_and_it_sees_the_answers(
    client: Client, service: Service, tmp_path: Path
) -> None:
    at, first = service.kafka, await ends_of_plays(service.kafka)
    client.send_plays(at, [*PLAYS, {"user_id": USERS[0], "played_at": NOON_MS}])

    sent = await plays_since(at, first)
    *plays, broken = sorted(sent, key=lambda record: b"track_id" not in (record.value or b""))
    assert {record.key.decode(): record.partition for record in plays} == {
        user: PARTITIONERS["murmur2"](user.encode(), NUM_PARTITIONS) for user in USERS
    }
    assert [json.loads(record.value) for record in plays if not VALID_PLAY.is_valid(json.loads(record.value))] == []

    await until_awaited(lambda: answered(at, plays), f"the plays are answered; the worker: {service.worker.output}")
    with following(at, client, tmp_path) as (shown, letters):
        latest = await latest_answers(at)
        await until(lambda: shown() == latest, "the client shows the latest answer of every listener")
        source = f"{broken.partition}:{broken.offset}"
        await until(lambda: is_reported(letters(), broken), f"the client shows that {source} was rejected")

        client.forget_user(at, USERS[1])
        gone = {(USERS[1], topic): None for topic in TOPICS}
        await until(lambda: shown() == latest | gone, "the client shows that the listener is forgotten")
    assert "stray-partition" not in letters()


def is_reported(letters: str, play: Record) -> bool:
    """Whether the lines of dead letters say what is wrong with a play, and which it is."""
    return any(
        "missing-field" in line and str(play.partition) in line and str(play.offset) in line
        for line in letters.splitlines()
    )


@contextmanager
def following(
    at: str, client: Client, directory: Path
) -> Iterator[tuple[Callable[[], dict[tuple[str, str], list[str] | None]], Callable[[], str]]]:
    """Run the client's readers; yield what they show of the answers, and of the dead letters."""
    commands = {**client.answers, "letters": client.letters}
    logs = {name: directory / f"{name}.log" for name in commands}
    children = [ChildProcess(at_kafka(at, command), logs[name]) for name, command in commands.items()]
    try:
        yield (
            lambda: client.shown({topic: logs[topic].read_text() for topic in client.answers}),
            logs["letters"].read_text,
        )
    except BaseException:
        print(*(f"{name or 'answers'}: {log.read_text()[-2000:]}" for name, log in logs.items()))  # noqa: T201
        raise
    finally:
        for child in children:
            child.kill()


async def ends_of_plays(at: str) -> dict[TopicPartition, int]:
    async with AIOKafkaConsumer(bootstrap_servers=at) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions_of("plays"))
        return ends


def partitions_of(*topics: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic in topics for number in range(NUM_PARTITIONS)]


async def committed(at: str, *topics: str) -> list[Record]:
    """Return what a read-committed consumer sees of topics, in order within each partition."""
    records: list[Record] = []
    async with AIOKafkaConsumer(bootstrap_servers=at, isolation_level="read_committed") as consumer:
        consumer.assign(partitions_of(*topics))
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for fetched in (await consumer.getmany(timeout_ms=100)).values():
                records += fetched
    return records


async def plays_since(at: str, first: dict[TopicPartition, int]) -> list[Record]:
    return [
        record
        for record in await committed(at, "plays")
        if record.offset >= first[TopicPartition("plays", record.partition)]
    ]


async def answered(at: str, plays: Sequence[Record]) -> bool:
    """Whether each play has been answered for both horizons."""
    sources: dict[tuple[int, int], int] = {}
    for record in await committed(at, *TOPICS):
        if record.value is not None:
            answer = json.loads(record.value)
            place = answer["source_partition"], answer["source_offset"]
            sources[place] = sources.get(place, 0) + 1
    return all(sources.get((play.partition, play.offset), 0) == len(TOPICS) for play in plays)


async def latest_answers(at: str) -> dict[tuple[str, str], list[str] | None]:
    """Return the tracks of the latest answer by user and topic; None: forgotten."""
    latest: dict[tuple[str, str], list[str] | None] = {}
    for record in await committed(at, *TOPICS):
        answer = None if record.value is None else json.loads(record.value)
        latest[record.key.decode(), record.topic] = answer and [track["track_id"] for track in answer["tracks"]]
    assert ROLLED_BACK.decode() not in {user for user, _ in latest}
    return latest
