"""Real workers on a real Kafka, of which any is asked about listeners of all."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer

from streamer.kafka.partitioner import PARTITIONERS
from streamer.kafka.topics import ensure_topics
from streamer.local.cluster import Cluster
from streamer.local.devkafka import DevKafka
from streamer.releases.alias import move_alias
from streamer.wire.messages import ReleaseNotice
from tests.builders import NOON_MS, play_value, save_tiny_release
from tests.onkafka import environment_on
from tests.until import until_awaited, wait_until

NUM_PARTITIONS = 4
USERS = tuple(f"u{number}" for number in range(12))
TRACKS = ("t1", "t2", "t5")
ADDED = [{"track_id": "t7", "played_at": NOON_MS}]


@dataclass(frozen=True)
class Workers:
    """A cluster, and a client that asks its workers."""

    cluster: Cluster
    session: aiohttp.ClientSession

    async def ask(self, name: str, path: str, question: Mapping[str, object] | None = None) -> tuple[int, Any]:
        method = "GET" if question is None else "POST"
        async with self.session.request(method, f"{self.cluster.url(name)}/api/v1/{path}", json=question) as response:
            return response.status, await response.json()

    @asynccontextmanager
    async def following(self, name: str, user: str) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
        """Follow a listener; yield the events with their data, until there are no more."""
        url = f"{self.cluster.url(name)}/api/v1/listener/follow"
        async with self.session.post(url, json={"user_id": user}) as response:
            assert response.status == 200
            yield events_of(response)

    @asynccontextmanager
    async def following_all(self, name: str) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
        """Follow what changes in the stream, once it is known what there is."""
        async with self.session.get(f"{self.cluster.url(name)}/api/v1/events") as response:
            assert response.status == 200
            events = events_of(response)
            while (await anext(events))[0] != "figures":
                pass
            yield events

    async def play(self, user: str, partition: int, number: int = 1) -> None:
        """Let a listener play t9."""
        await self.send(play_value(user, "t9", NOON_MS + number), user, partition)

    async def send(self, value: bytes, user: str, partition: int) -> None:
        settings = self.cluster.settings
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
            await producer.send_and_wait(settings.plays_topic, value, user.encode(), partition=partition)

    async def until_played(self, name: str, user: str, num_plays: int) -> None:
        """Wait until a worker knows so many plays of a listener."""

        async def is_known() -> bool:
            status, view = await self.ask(name, "listener", {"user_id": user})
            return status == 200 and len(view["plays"]) == num_plays

        await until_awaited(is_known, f"{num_plays} plays of {user} are answered")

    async def judged(self, name: str) -> tuple[int, int]:
        """Ask how many listeners' plays judged the champion's lists at all workers, and how many plays."""
        _, shown = await self.ask(name, "releases")
        (live,) = [each["live"] for each in shown["releases"] if each["is_champion"]]
        return sum(each["listeners"] for each in live), sum(each["plays"] for each in live)

    async def stable(self, num_workers: int) -> Sequence[Any]:
        """Wait until so many workers share the partitions, and return them."""

        async def shared() -> Sequence[Any]:
            status, shown = await self.ask("worker-0", "workers")
            owned = sum(len(each["partitions"]) for each in shown["workers"]) if status == 200 else 0
            is_so = owned == NUM_PARTITIONS and len(shown["workers"]) == num_workers and shown["state"] == "stable"
            return shown["workers"] if is_so else ()

        return await until_awaited(shared, f"{num_workers} workers share the partitions")

    async def answered(self, name: str, user: str) -> Any:
        """Ask about a listener until there is an answer, and return it."""

        async def view() -> Any:
            status, answer = await self.ask(name, "listener", {"user_id": user})
            return answer if status == 200 else None

        return await until_awaited(view, f"{name} answers")


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    text = b""
    async for piece in response.content.iter_any():
        *events, text = (text + piece).split(b"\n\n")
        for event in events:
            if not event.startswith(b":"):
                name, _, data = event.partition(b"\n")
                yield name.decode().removeprefix("event: "), json.loads(data.removeprefix(b"data: "))


@pytest.fixture
async def workers(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Workers]:
    environment = environment_on(
        kafka.bootstrap_servers, topic_prefix, PARTITIONS=str(NUM_PARTITIONS), RELEASES_URL=str(tmp_path / "releases"),
        SESSION_TIMEOUT_S="10",
    )  # fmt: skip
    with Cluster(environment, num_workers=3) as cluster:
        settings = cluster.settings
        await ensure_topics(settings)
        await move_alias(
            kafka.connection, settings.releases_topic, ReleaseNotice(*save_tiny_release(tmp_path / "releases"))
        )
        await produce_plays(kafka, settings.plays_topic)
        cluster.start_workers()
        await asyncio.to_thread(cluster.wait_ready)
        num_plays = len(TRACKS) * len(USERS)
        await asyncio.to_thread(
            wait_until, lambda: cluster.total("refrain_plays_total") >= num_plays, "all plays are answered"
        )
        async with aiohttp.ClientSession() as session:
            yield Workers(cluster, session)


async def produce_plays(kafka: DevKafka, topic: str) -> None:
    """Send plays, some listeners' to the partition that Java's clients choose, the others' to librdkafka's."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await producer.start()
    for number, user in enumerate(USERS):
        partition_of = tuple(PARTITIONERS.values())[number % 2]
        for track in TRACKS:
            partition = partition_of(user.encode(), NUM_PARTITIONS)
            await producer.send_and_wait(topic, play_value(user, track), user.encode(), partition=partition)
    await producer.stop()


@pytest.mark.kafka
@pytest.mark.long
async def test_any_worker_answers_for_all_and_says_so_while_one_is_lost(workers: Workers) -> None:
    names = [each["identity"] for each in await workers.stable(3)]
    for user in USERS:
        views = [await workers.answered(name, user) for name in names]
        status_and_lists = [
            await workers.ask(name, "listener/what-if", {"user_id": user, "added": ADDED}) for name in names
        ]

        assert [len(view["plays"]) for view in views] == [3, 3, 3]
        assert views[0] == views[1] == views[2]
        assert status_and_lists[0] == status_and_lists[1] == status_and_lists[2]
        assert status_and_lists[0][0] == 200
    for user in ("n1", "n2", "n3", "n4"):
        assert [(await workers.answered(name, user))["lineage"] for name in names] == [None] * 3

    lost = max(await workers.stable(3), key=lambda each: len(each["partitions"]) * (not each["is_self"]))
    (mine, view), *_ = [
        (user, view) for user in USERS
        if (view := await workers.answered("worker-0", user))["lineage"]["partition"] in lost["partitions"]
    ]  # fmt: skip
    async with workers.following("worker-0", mine) as events:
        assert await anext(events) == ("listener", view)
        await workers.play(mine, view["lineage"]["partition"])
        name, shown = await anext(events)
        assert (name, [play["track_id"] for play in shown["plays"]]) == ("listener", ["t9", "t5", "t2", "t1"])
        workers.cluster.kill_worker(int(lost["identity"].removeprefix("worker-")))
        assert [name async for name, _ in events] == ["moving"]
    codes = await until_found_again(workers, mine, shown)

    assert codes == ["elsewhere", "moving", "found"]
    left = await workers.stable(2)
    assert {each["identity"] for each in left} == set(names) - {lost["identity"]}
    assert all(each["is_reachable"] and each["release"] == view["release"] for each in left)


@pytest.mark.kafka
@pytest.mark.long
async def test_letters_and_live_hits_of_all_workers_reach_whoever_asks_any(workers: Workers) -> None:
    names = [each["identity"] for each in await workers.stable(3)][:2]
    before = [await workers.judged(name) for name in names]
    async with workers.following_all(names[0]) as one, workers.following_all(names[1]) as other:
        for partition in range(NUM_PARTITIONS):
            await workers.send(b"{", "u", partition)
            user = sampled_in(partition)
            for number in range(3):  # each gets a list, which the next one judges
                await workers.play(user, partition, number)
                await workers.until_played(names[0], user, number + 1)
        told = [await letters_of(events) for events in (one, other)]

    assert told == [[(partition, "not-json") for partition in range(NUM_PARTITIONS)]] * 2
    added = NUM_PARTITIONS, 2 * NUM_PARTITIONS
    expected = [(listeners + added[0], plays + added[1]) for listeners, plays in before]
    assert expected[0] == expected[1]

    async def is_judged() -> bool:
        return [await workers.judged(name) for name in names] == expected

    await until_awaited(is_judged, f"both count {expected[0]} listeners and plays")


def sampled_in(partition: int) -> str:
    """Name a listener of a partition whose plays judge lists."""
    partition_of = next(iter(PARTITIONERS.values()))
    users = (b"s%d" % number for number in range(10_000))
    sampled = (user for user in users if crc32(user, partition) % 16 == 0)
    return next(user for user in sampled if partition_of(user, NUM_PARTITIONS) == partition).decode()


async def letters_of(events: AsyncIterator[tuple[str, Any]]) -> list[tuple[int, str]]:
    """Return partition and cause of as many letters as there are partitions, once they are told."""
    letters = list[tuple[int, str]]()
    while len(letters) < NUM_PARTITIONS:
        name, told = await anext(events)
        letters += [(told["source"]["partition"], told["cause"])] if name == "letter" else []
    return sorted(letters)


async def until_found_again(workers: Workers, user: str, before: Any) -> list[str]:
    """Ask worker 0 about a listener until it finds them as before; return what it said, without repetitions."""
    codes: list[str] = []

    async def is_found() -> bool:
        status, answer = await workers.ask("worker-0", "listener", {"user_id": user})
        said = "found" if status == 200 else answer["error"]["code"]
        if said != (codes or [""])[-1]:
            codes.append(said)
        assert status in {200, 503}
        if status == 200:
            assert answer["plays"] == before["plays"]
            assert answer["lists"] == before["lists"]
        return status == 200

    await until_awaited(is_found, "the listener is found again")
    return codes
