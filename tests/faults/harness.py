"""A deployment to be broken: real workers on a real Kafka, the load they are under, and what they leave behind."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
import rocksdict
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from models.release import SavedRelease
from streamer.changelog import MARK_KEY, Mark
from streamer.events import ReleaseNotice
from streamer.settings import Settings
from streamer.topics import ensure_topics
from tests.faults.load import NUM_PARTITIONS, Event

REPOSITORY: Final = Path(__file__).resolve().parents[2]

#: A machine that several share may starve a worker for long; nothing here is about speed.
PATIENCE_S: Final = 120.0
SESSION_TIMEOUT_S: Final = 10.0

#: Small batches, so that a fault seldom falls between two.
MAX_BATCH_PLAYS: Final = 20
LIST_SIZES: Final = (5, 8)

_LOG_COMPLAINT: Final = re.compile(
    r"^.* (ERROR|CRITICAL) (streamer|asyncio).*|^Traceback.*|^.*never retrieved.*|^.*Error in recovery.*", re.MULTILINE
)


async def until(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds, and fail where it never does."""
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {patience_s:.0f} s in vain until {what}"
        await asyncio.sleep(0.05)


class WorkerProcess:
    """One start of a worker, `python -m streamer worker`.

    Args:
        name: its static identity.
        environment: its settings.
        log: where it logs to.
    """

    def __init__(self, name: str, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streamer", "worker"],
                cwd=REPOSITORY,
                env={**os.environ, **environment},
                stdout=stream,
                stderr=stream,
            )

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether the process lives, frozen or not."""
        return self._process.poll() is None

    @property
    def partitions(self) -> list[int]:
        """The partitions whose fences it took last."""
        taken = re.findall(r"fences taken partitions=\[([\d, ]*)\]", self.log)
        return [int(number) for number in taken[-1].split(", ") if number] if taken else []

    async def ready(self) -> None:
        """Wait until it answers plays."""
        await until(self._is_ready, f"worker {self.name} is ready; its log: {self._log}")

    def _is_ready(self) -> bool:
        assert self.is_running, f"worker {self.name} ended with status {self._process.returncode}: {self.log[-4000:]}"
        port = re.search(r"web server started port=(\d+)", self.log)
        if port is None:
            return False
        try:
            with urlopen(f"http://127.0.0.1:{port[1]}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def kill(self) -> None:
        """Kill it as the kernel would when memory runs out."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Stop it from doing anything, without its noticing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    async def freeze_for(self, seconds: float) -> None:
        """Freeze it, and let it go on: a duration is the fault here, not a way to wait for something."""
        self.freeze()
        await asyncio.sleep(seconds)
        self.thaw()

    async def ended(self) -> int:
        """Wait until it ends; return its exit status."""
        await until(lambda: not self.is_running, f"worker {self.name} ends; its log: {self._log}")
        return int(self._process.returncode)

    async def stop(self) -> int:
        """Ask it to stop, as an operator does; return its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    def complaints(self) -> list[str]:
        """Lines of the log that nobody should see where nothing is wrong."""
        return [found[0] for found in _LOG_COMPLAINT.finditer(self.log)]


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What a run left behind.

    Attributes:
        answers: records of the two recommendation topics.
        dead_letters: records of theirs.
        changelog: records of the changelog.
        stores: the items of each RocksDB found, by partition and directory.
    """

    answers: tuple[list[ConsumerRecord[bytes, bytes]], list[ConsumerRecord[bytes, bytes]]]
    dead_letters: list[ConsumerRecord[bytes, bytes]]
    changelog: list[ConsumerRecord[bytes, bytes]]
    stores: Mapping[tuple[int, Path], Mapping[bytes, bytes]]


@dataclass(slots=True)
class Deployment:
    """Topics, workers and their disks; made by `deploy`."""

    bootstrap_servers: str
    app_id: str
    directory: Path
    producer: AIOKafkaProducer
    follower: AIOKafkaConsumer
    events: Iterator[Event]
    sent: dict[int, dict[int, Event]] = field(default_factory=dict)
    sent_at_ms: dict[tuple[int, int], int] = field(default_factory=dict)
    workers: list[WorkerProcess] = field(default_factory=list)
    _marks: dict[int, Mark] = field(default_factory=dict)
    _starts: Iterator[int] = field(default_factory=itertools.count)

    def environment(self, name: str) -> dict[str, str]:
        """Return the settings of a worker; times as short as a broker allows."""
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
            "PARTITIONS": str(NUM_PARTITIONS),
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
        """The settings all workers have in common."""
        return Settings.from_environment(self.environment("test"))

    def state_dir(self, name: str) -> Path:
        """Say where a worker's disk is."""
        return self.directory / f"state-{name}"

    # -- what an operator does

    def start(self, name: str) -> WorkerProcess:
        """Start a worker, on the disk it left behind if it ran before."""
        worker = WorkerProcess(name, self.environment(name), self.directory / f"{name}-{next(self._starts)}.log")
        self.workers.append(worker)
        return worker

    def wipe(self, name: str) -> None:
        """Lose a worker's disk."""
        shutil.rmtree(self.state_dir(name), ignore_errors=True)  # it may not have come to have one

    async def announce(self, release: SavedRelease) -> None:
        """Make a release champion."""
        notice = ReleaseNotice(release.release_id, release.location, release.manifest_sha256)
        await self.producer.send_and_wait(self.settings.releases_topic, msgspec.json.encode(notice), b"champion")

    # -- what producers do

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
        """How many records were produced."""
        return sum(map(len, self.sent.values()))

    def plays(self) -> set[tuple[int, int]]:
        """Return partition and offset of every acceptable play so far."""
        return {(number, offset) for number, events in self.sent.items() for offset in events if events[offset].is_play}

    # -- how far the workers are

    async def progress(self, num_done: int) -> None:
        """Wait until so many records of the stream are done, as the committed progress marks say."""
        deadline_s = time.monotonic() + PATIENCE_S
        while (done := await self._num_done()) < num_done:
            assert time.monotonic() < deadline_s, (
                f"{done} of {num_done} records done after {PATIENCE_S:.0f} s; marks {self._marks}; workers "
                f"{[(worker.name, worker.is_running, worker.log[-1500:]) for worker in self.workers[-3:]]}"
            )

    async def all_done(self) -> None:
        """Wait until every record of the stream is done."""
        await self.progress(self.num_sent)

    async def _num_done(self) -> int:
        for tp, records in (await self.follower.getmany(timeout_ms=100)).items():
            for record in records:
                if record.key == MARK_KEY:
                    self._marks[tp.partition] = Mark.decode(record.value)
        return sum(mark.offset + 1 for mark in self._marks.values())

    # -- what they leave behind

    async def stop_all(self) -> list[int]:
        """Stop every worker that runs, once it is ready; return their exit statuses."""
        running = [worker for worker in self.workers if worker.is_running]
        for worker in running:
            await worker.ready()
        return [await worker.stop() for worker in running]

    def complaints(self, *, but_of: Collection[WorkerProcess] = ()) -> list[tuple[str, str]]:
        """Return what the workers' logs complain of, but for those who had every reason."""
        return [(worker.name, line) for worker in self.workers if worker not in but_of for line in worker.complaints()]

    async def leftovers(self) -> Leftovers:
        """Read the topics to their ends and open the disks; no worker may run."""
        settings = self.settings
        topics = (settings.short_term_topic, settings.long_term_topic, settings.dead_letter_topic)
        short_term, long_term, dead, changelog = [
            await read_topic(self.bootstrap_servers, topic) for topic in (*topics, settings.changelog_topic)
        ]
        return Leftovers((short_term, long_term), dead, changelog, dict(self._stores()))

    def _stores(self) -> Iterator[tuple[tuple[int, Path], dict[bytes, bytes]]]:
        for path in sorted(self.directory.glob("state-*/**/listeners-*.db")):
            store = rocksdict.Rdict(str(path), rocksdict.Options(raw_mode=True), access_type=_READ_ONLY)
            yield (int(path.stem.rpartition("-")[2]), path), dict(store.items())
            store.close()


_READ_ONLY: Final = rocksdict.AccessType.read_only()


async def read_topic(bootstrap_servers: str, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
    """Read the committed records of a topic, from its beginning to its end; those of a partition in order."""
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
    """Make topics, and end every worker at the end, whatever happened."""
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
