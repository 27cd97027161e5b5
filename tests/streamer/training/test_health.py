import asyncio
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError

from models.training.loop import Progress
from streamer.archive.archive import Archive
from streamer.archive.archiver import Archivist
from streamer.kafka.connection import Connection
from streamer.kafka.contact import Contact
from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from streamer.metrics import TrainerMetrics
from streamer.training.health import MAX_ARCHIVE_STANDSTILL_S, MAX_FIT_SILENCE_S, Watch
from streamer.training.progress import show_progress
from tests.builders import NOON_MS
from tests.onkafka import create_topic, produce
from tests.until import until


@dataclasses.dataclass
class Hall:
    """A trainer that is looked at whenever its clock goes on."""

    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.metrics = TrainerMetrics()
        self.contact = Contact(Connection((f"127.0.0.1:{free_port()}",)), "plays", lambda: self.now_s)
        self.watch = Watch(self.metrics, self.contact, lambda: self.now_s)
        self.ends = {0: 0, 1: 0}

    def go_on(self, for_s: float, meanwhile: Callable[[], object] = lambda: None, period_s: float = 60) -> str:
        """Return what `/healthz` says after a time in which something happens every minute."""
        for _ in range(round(for_s / period_s)):
            self.now_s += period_s
            meanwhile()
            self.watch.note(self.ends)
        return self.watch.unhealthy()


@pytest.fixture
def hall() -> Hall:
    return Hall()


def test_a_fit_may_take_a_day_but_not_hang(hall: Hall) -> None:
    report = show_progress(hall.metrics, lambda _: None)

    assert hall.go_on(86_400, lambda: report(Progress(1, 6, 3, 1_000_000, 0.5))) == ""
    hall.metrics.show_stage("judge")
    assert hall.go_on(MAX_FIT_SILENCE_S) == ""
    assert hall.go_on(120) == f"the fit has not got on for {MAX_FIT_SILENCE_S + 60:.0f} s: judge"
    hall.metrics.show_stage("wait")
    assert hall.go_on(86_400) == ""


def test_an_archive_hangs_if_plays_wait_and_none_is_taken(hall: Hall) -> None:
    hall.metrics.archived_offsets, hall.ends = {0: 5, 1: 7}, {0: 5, 1: 7}
    assert hall.go_on(86_400) == ""  # nobody plays

    hall.ends = {0: 5, 1: 9000}
    taken = iter(range(8, 9000))
    assert hall.go_on(86_400, lambda: setattr(hall.metrics, "archived_offsets", {0: 5, 1: next(taken)})) == ""
    assert hall.go_on(MAX_ARCHIVE_STANDSTILL_S) == ""
    assert hall.go_on(60).endswith("though plays wait: partition 1")
    hall.metrics.archived_offsets = {0: 5, 1: 9000}
    assert hall.go_on(60) == ""


def test_what_a_restart_does_not_help_is_healthy_and_not_ready(hall: Hall) -> None:
    assert hall.watch.unready() == "starting"
    hall.metrics.show_stage("wait")
    hall.metrics.archived_offsets, hall.ends = {0: 5}, {0: 9}
    assert (hall.watch.unready(), hall.watch.remark()) == ("", "ok, wait")

    hall.metrics.note_attempt("archive", "OSError: the disk is full: free some space")
    assert hall.go_on(86_400) == ""
    assert hall.watch.unready() == "archive: OSError: the disk is full: free some space"

    hall.metrics.note_attempt("archive", "")
    assert hall.go_on(86_400, lambda: hall.contact.note_failure(KafkaConnectionError("away"))) == ""
    assert hall.watch.unready().startswith("Kafka has not answered for ")


@pytest.mark.kafka
async def test_the_ends_are_those_of_kafka_not_of_an_archivist_that_hangs(
    kafka: DevKafka, topic_prefix: str, tmp_path: Path
) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix, 2)
    metrics = TrainerMetrics()
    watch = Watch(metrics, Contact(kafka.connection, topic_prefix), lambda: 1000 * time.monotonic())
    with Archive(tmp_path / "archive") as archive:
        archivist = Archivist(kafka.connection, topic_prefix, archive, metrics)
        watching = asyncio.create_task(watch.run(kafka.connection, topic_prefix))
        try:
            await archivist.start()
            value = json.dumps({"user_id": "u", "track_id": "t", "played_at": NOON_MS}).encode()
            await produce(kafka.bootstrap_servers, topic_prefix, value)
            await until(watch.unhealthy, "the archivist is seen to hang")
            await archivist.catch_up(asyncio.Event())
            await until(lambda: not watch.unhealthy(), "it is seen to get on")
        finally:
            watching.cancel()
            await archivist.stop()
