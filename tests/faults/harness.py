"""A deployment for faults: real workers on a real Kafka, their load, and what they leave behind."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import msgspec
import rocksdict
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from models.release import SavedRelease
from streamer.kafka.topics import ensure_topics
from streamer.settings import Settings
from streamer.wire.changelog import MARK_KEY, Mark
from streamer.wire.messages import ReleaseNotice
from tests.faults.load import NUM_PARTITIONS, Event
from tests.faults.mutants import mutants_of_this_run
from tests.faults.process import Fault, WorkerProcess
from tests.faults.sabotage import Misfortune
from tests.until import DEADLINE_S

if TYPE_CHECKING:
    from tests.faults.account import Account

SESSION_TIMEOUT_S: Final = 10.0

#: Small batches, so that a fault rarely falls between two.
MAX_BATCH_PLAYS: Final = 20

#: How many records `feed_until` may be ahead of the workers: some batches of each partition.
MAX_AHEAD: Final = 120

#: Seconds between two bursts: about a thousand records a second. More would only take longer to judge.
_PAUSE_S: Final = 0.03

#: Longer than a worker that was killed takes to be replaced.
_STUCK_S: Final = 20.0
LIST_SIZES: Final = (5, 8)


@dataclass(frozen=True, slots=True)
class Leftovers:
    """The topics and disks after a run.

    Attributes:
        answers: records of the two recommendation topics.
        dead_letters: records of the topic of dead letters.
        changelog: records of the changelog.
        stores: the items of each RocksDB on any disk, by partition and directory.
    """

    answers: tuple[list[ConsumerRecord[bytes, bytes]], list[ConsumerRecord[bytes, bytes]]]
    dead_letters: list[ConsumerRecord[bytes, bytes]]
    changelog: list[ConsumerRecord[bytes, bytes]]
    stores: Mapping[tuple[int, Path], Mapping[bytes, bytes]]


@dataclass(slots=True)
class Deployment:
    """Topics, workers and their disks; created by `deploy`."""

    bootstrap_servers: str
    app_id: str
    directory: Path
    producer: AIOKafkaProducer
    follower: AIOKafkaConsumer
    events: Iterator[Event]
    sent: dict[int, dict[int, Event]] = field(default_factory=dict)
    sent_at_ms: dict[tuple[int, int], int] = field(default_factory=dict)
    workers: list[WorkerProcess] = field(default_factory=list)
    account: Account | None = None
    _marks: dict[int, Mark] = field(default_factory=dict)
    _starts: Iterator[int] = field(default_factory=itertools.count)

    def environment(self, name: str) -> dict[str, str]:
        """Return the settings of a worker, with timeouts as short as a broker allows."""
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "APP_ID": self.app_id,
            "INSTANCE_ID": name,
            "STATE_DIR": str(self.state_dir(name)),
            "PLAYS_TOPIC": f"{self.app_id}-plays",
            "SHORT_TERM_TOPIC": f"{self.app_id}-short-term",
            "LONG_TERM_TOPIC": f"{self.app_id}-long-term",
            "DEAD_LETTER_TOPIC": f"{self.app_id}-dead-letter",
            "RELEASES_TOPIC": f"{self.app_id}-releases",
            "CATALOGUE_TOPIC": f"{self.app_id}-catalogue",
            "RELEASES_URL": str(self.store),
            "PARTITIONS": str(NUM_PARTITIONS),
            "REPLICATION": str(len(self.bootstrap_servers.split(","))),
            "ANSWER": "each",
            "SHORT_TERM_SIZE": str(LIST_SIZES[0]),
            "LONG_TERM_SIZE": str(LIST_SIZES[1]),
            "MAX_BATCH_PLAYS": str(MAX_BATCH_PLAYS),
            "DEVICE": "cpu",
            "SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S),
            "HEARTBEAT_S": "3",
            "MAX_STEP_S": "15",
            "TRANSACTION_TIMEOUT_S": "20",
            "REBALANCE_TIMEOUT_S": "30",
            "WEB_HOST": "127.0.0.1",
            "WEB_PORT": "0",
        }
        return {f"REFRAIN_{setting}": value for setting, value in settings.items()}

    @property
    def settings(self) -> Settings:
        """The settings that all workers share."""
        return Settings.from_environment(self.environment("test"))

    def state_dir(self, name: str) -> Path:
        """Return the path of a worker's disk."""
        return self.directory / f"state-{name}"

    @property
    def store(self) -> Path:
        """Return the directory of the releases."""
        return self.directory / "releases"

    # -- the operator's part

    def start(self, name: str, *sabotages: Misfortune, **settings: str) -> WorkerProcess:
        """Start a worker, on its previous disk if it ran before.

        Args:
            name: its identity and its disk.
            sabotages: faults that it inflicts on itself.
            settings: REFRAIN_ variables that override `environment`.
        """
        environment = self.environment(name) | {f"REFRAIN_{setting}": value for setting, value in settings.items()}
        log = self.directory / f"{name}-{next(self._starts)}.log"
        worker = WorkerProcess(name, environment, log, (*mutants_of_this_run(), *sabotages))
        self.workers.append(worker)
        return worker

    def wipe(self, name: str) -> None:
        """Delete a worker's disk."""
        shutil.rmtree(self.state_dir(name), ignore_errors=True)  # it may not have one yet

    async def announce(self, release: SavedRelease) -> None:
        """Lay a release down in the store, as it is, and announce it as champion."""
        self.lay_down(release)
        notice = ReleaseNotice(release.release_id, release.location, release.manifest_sha256)
        await self.producer.send_and_wait(self.settings.releases_topic, msgspec.json.encode(notice), b"champion")

    def lay_down(self, release: SavedRelease) -> None:
        """Copy a release into the store, unless the same is there; a worker may be reading it."""
        source, target = Path(release.location), self.store / release.release_id
        files = {path.name: path.read_bytes() for path in source.iterdir()} if source.is_dir() else {}
        if target.is_dir() and files == {path.name: path.read_bytes() for path in target.iterdir()}:
            return
        shutil.rmtree(target, ignore_errors=True)
        if files:
            shutil.copytree(source, target)

    # -- the producers' part

    async def feed(self, num_events: int) -> None:
        """Produce the next records of the stream."""
        topic, deliveries = self.settings.plays_topic, []
        for event in itertools.islice(self.events, num_events):
            at_ms = time.time_ns() // 1_000_000
            delivery = await self.producer.send(topic, event.value, event.key, event.partition, timestamp_ms=at_ms)
            deliveries.append((event, at_ms, delivery))
        for event, at_ms, delivery in deliveries:
            sent = await delivery
            self.sent.setdefault(sent.partition, {})[sent.offset] = event
            self.sent_at_ms[sent.partition, sent.offset] = at_ms

    @property
    def num_sent(self) -> int:
        """How many records were produced so far."""
        return sum(map(len, self.sent.values()))

    def plays(self) -> set[tuple[int, int]]:
        """Return partition and offset of every valid play so far."""
        return {(number, offset) for number, events in self.sent.items() for offset in events if events[offset].is_play}

    # -- progress

    async def progress(self, num_done: int) -> None:
        """Wait until the committed progress marks cover so many records of the stream."""
        deadline_s = time.monotonic() + DEADLINE_S
        while (done := await self._num_done()) < num_done:
            assert time.monotonic() < deadline_s, (
                f"{done} of {num_done} records done after {DEADLINE_S:.0f} s; marks {self._marks}; workers "
                f"{[(worker.name, worker.is_running, worker.log[-1500:]) for worker in self.workers[-3:]]}"
            )

    async def all_done(self) -> None:
        """Wait until every record of the stream is done."""
        await self.progress(self.num_sent)

    async def feed_until(self, condition: Callable[[], bool], what: str) -> None:
        """Keep producing, never far ahead of the workers, until a condition holds.

        What a broken worker has lost counts as done before long, so that the verdict finds it instead of a time-out.
        """
        deadline_s = time.monotonic() + DEADLINE_S
        fed_at_s = time.monotonic()
        while not condition():
            assert time.monotonic() < deadline_s, f"waited {DEADLINE_S:.0f} s in vain until {what}"
            is_stuck = time.monotonic() > fed_at_s + _STUCK_S
            if self.num_sent - await self._num_done() < MAX_AHEAD or is_stuck:
                await self.feed(MAX_AHEAD // 4)
                fed_at_s = time.monotonic()
            await asyncio.sleep(_PAUSE_S)

    async def _num_done(self) -> int:
        for tp, records in (await self.follower.getmany(timeout_ms=50)).items():
            for record in records:
                if record.key == MARK_KEY:
                    self._marks[tp.partition] = Mark.decode(record.value)
        return sum(mark.offset + 1 for mark in self._marks.values())

    # -- faults

    @property
    def faults(self) -> list[Fault]:
        """The faults of all workers."""
        return [fault for worker in self.workers for fault in worker.faults]

    @property
    def num_kills(self) -> int:
        """How many workers were killed."""
        return sum(worker.was_killed for worker in self.workers)

    @property
    def num_freezes(self) -> int:
        """How many times workers were frozen and thawed."""
        return sum(worker.num_freezes for worker in self.workers)

    # -- the end of a run

    async def stop_all(self) -> list[int]:
        """Stop every running worker, once it is ready; return their exit statuses."""
        running = [worker for worker in self.workers if worker.is_running]
        for worker in running:
            await worker.ready()
        return [await worker.stop() for worker in running]

    def complaints(self, *, but_of: Collection[WorkerProcess] = ()) -> list[tuple[str, str]]:
        """Return the complaints in the workers' logs, except for those of workers that had reason to complain."""
        return [(worker.name, line) for worker in self.workers if worker not in but_of for line in worker.complaints()]

    async def leftovers(self) -> Leftovers:
        """Read the topics to their ends and open the disks; no worker may be running."""
        settings = self.settings
        topics = (settings.short_term_topic, settings.long_term_topic, settings.dead_letter_topic)
        short_term, long_term, dead, changelog = [
            await read_topic(self.bootstrap_servers, topic) for topic in (*topics, settings.changelog_topic)
        ]
        return Leftovers((short_term, long_term), dead, changelog, dict(self._stores()))

    def _stores(self) -> Iterator[tuple[tuple[int, Path], dict[bytes, bytes]]]:
        for path in sorted(self.directory.glob("state-*/**/listeners-*.db")):
            store = rocksdict.Rdict(str(path), rocksdict.Options(raw_mode=True), access_type=_READ_ONLY)
            yield (int(path.stem.rpartition("-")[2]), path), dict(cast("Iterator[tuple[bytes, bytes]]", store.items()))
            store.close()


_READ_ONLY: Final = rocksdict.AccessType.read_only()


async def read_topic(bootstrap_servers: str, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
    """Read all committed records of a topic; those of a partition come in order."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(NUM_PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        records: list[ConsumerRecord[bytes, bytes]] = []
        for tp, end in (await consumer.end_offsets(partitions)).items():
            while await consumer.position(tp) < end:
                records += (await consumer.getmany(tp, timeout_ms=500)).get(tp, [])
        return records
    finally:
        await consumer.stop()


@asynccontextmanager
async def deploy(
    bootstrap_servers: str, app_id: str, directory: Path, events: Iterator[Event]
) -> AsyncIterator[Deployment]:
    """Create topics, and kill every worker at the end, whatever happened."""
    async with (
        AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True, linger_ms=5) as producer,
        AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        ) as follower,
    ):
        deployment = Deployment(bootstrap_servers, app_id, directory, producer, follower, events)
        await ensure_topics(deployment.settings)
        changelog = deployment.settings.changelog_topic
        follower.assign([TopicPartition(changelog, number) for number in range(NUM_PARTITIONS)])
        try:
            yield deployment
        finally:
            for worker in deployment.workers:
                worker.kill()


async def start(deployment: Deployment, *names: str) -> list[WorkerProcess]:
    """Start workers together, and wait until they answer."""
    workers = [deployment.start(name) for name in names]
    for worker in workers:
        await worker.ready()
    return workers


async def load(deployment: Deployment, num_events: int) -> None:
    """Produce new records; return when the workers are halfway through them."""
    await deployment.feed(num_events)
    await deployment.progress(deployment.num_sent - num_events // 2)


def everything_owned_by(worker: WorkerProcess) -> bool:
    """Return whether a worker has taken over all partitions."""
    return worker.partitions == list(range(NUM_PARTITIONS))
