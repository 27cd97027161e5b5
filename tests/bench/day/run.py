"""The run of the day, in order: history, trainer, plays and answers without intervention, settlement."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from streamer.demo.exchange import connected, first_of, settle
from streamer.demo.ledger import Balance, Ledger
from streamer.demo.processes import started
from streamer.demo.reader import Reader, WrittenTopics
from streamer.demo.scale import DemoScale
from streamer.demo.sender import Sender
from streamer.demo.trainer_stage import TrainerStage
from streamer.errors import RefrainError
from streamer.kafka.connection import connection_of
from streamer.kafka.topics import ensure_topics
from streamer.local.cluster import Cluster
from tests.bench.day.notebook import Notebook, Notes
from tests.bench.day.scale import DayScale

_REPORT_PERIOD_S: Final = 15.0
_LOOK_PERIOD_S: Final = 1.0
_FIRST_RELEASE_DEADLINE_S: Final = 600.0

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Observations:
    """The day as seen from outside.

    Attributes:
        notes: every play, and whether it was a hit.
        balance: of the ledger.
        trainer_log: the trainer's log.
    """

    notes: Notes
    balance: Balance
    trainer_log: str


async def live(scale: DayScale, environment: Mapping[str, str], releases: Path, report: Report) -> Observations:
    """Run the day.

    Args:
        scale: of the day.
        environment: inherited by the processes.
        releases: directory that the trainer publishes to.
        report: called with the progress from time to time.

    Raises:
        RefrainError: a process ended by itself, or no release came.
    """
    world = scale.world()
    messages = list(scale.messages(world))
    own = scale.environment(environment) | {"REFRAIN_RELEASES_URL": str(releases)}
    async with started(own, scale.demo.num_workers) as processes:
        settings = processes.cluster.settings
        num_partitions = await ensure_topics(settings)
        ledger, notebook = Ledger(num_partitions), Notebook(time.time)
        sender = Sender(connection_of(settings), settings.plays_topic, iter(messages), ledger, notebook)
        user_ids = (*world.listeners.user_ids, *scale.bots.user_ids)
        written = WrittenTopics(
            settings.short_term_topic, settings.long_term_topic, settings.dead_letter_topic, settings.changelog_topic
        )
        reader = Reader(
            connection_of(settings), written, num_partitions, user_ids=user_ids, ledger=ledger, judge=notebook
        )
        log, trainer = processes.cluster.logs / "trainer.log", TrainerStage(processes.cluster)
        async with connected(sender, reader):
            story = _pass_by(scale.demo, processes.cluster, sender, len(messages))
            await first_of(
                story,
                reader.run(),
                processes.watch(_give_up),
                trainer.run(),
                _keep_reporting(report, sender, ledger, notebook, trainer),
            )
            await first_of(settle(ledger, sender, reader), reader.run())
        return Observations(notebook.notes(), ledger.balance(), log.read_text())


def _give_up(name: str, how: str) -> None:
    """End a day in which a process ended by itself: a restart would be an intervention.

    Raises:
        RefrainError: always.
    """
    raise RefrainError(f"{name} {how}")


async def _pass_by(demo: DemoScale, cluster: Cluster, sender: Sender, num_messages: int) -> None:
    """Send everything, without any intervention."""
    await asyncio.to_thread(cluster.start_workers)
    await sender.send(demo.history_plays)
    await asyncio.to_thread(cluster.start_trainer)
    await _first_release(cluster)
    await sender.send_steadily(demo.plays_per_s, lambda: sender.num_sent >= num_messages)
    await sender.flush()
    await asyncio.to_thread(cluster.stop_trainer)


async def _first_release(cluster: Cluster) -> None:
    """Wait for the first release: until then nothing is answered, and there is nothing to judge.

    Raises:
        RefrainError: it does not come.
    """
    deadline_s = time.monotonic() + _FIRST_RELEASE_DEADLINE_S
    while not await asyncio.to_thread(cluster.total, "refrain_releases_published_total"):
        if time.monotonic() > deadline_s:
            raise RefrainError(f"no release in {_FIRST_RELEASE_DEADLINE_S:.0f} s: see why in {cluster.logs}")
        await asyncio.sleep(_LOOK_PERIOD_S)


async def _keep_reporting(
    report: Report, sender: Sender, ledger: Ledger, notebook: Notebook, trainer: TrainerStage
) -> None:
    """Report the progress forever."""
    while True:
        await asyncio.sleep(_REPORT_PERIOD_S)
        now = datetime.fromtimestamp((sender.played_at_ms or 0) / 1000, UTC)
        report(
            f"{now:%d %B %H:%M}: {sender.num_sent:,} plays sent, {ledger.lag:,} on their way, "
            f"{len(notebook.release_ids)} releases taken up; trainer: {trainer.words}"
        )
