"""The run of a demo, in order: start, history, plays and answers, settlement, summary.

What a newcomer waits for comes first: a page with plays on it, then lists. So the first worker and the trainer load
while the first plays are sent, the other workers start once the page answers, and the first release is fitted on a part
of the history, the next one on all of it.

Rules of this file:
- Blocking calls run in threads, so that the screen stays alive.
- The user can stop it in every phase, and still gets the summary.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

import numpy as np
from aiokafka.errors import KafkaError
from rich.console import Console

from streamer.demo.exchange import connected, first_of, settle
from streamer.demo.headway import Headway, Reached
from streamer.demo.ledger import Ledger
from streamer.demo.naming import name_tracks
from streamer.demo.picture import Books, Camera, Notice
from streamer.demo.processes import Processes, started
from streamer.demo.reader import Reader, WrittenTopics
from streamer.demo.scale import DemoScale
from streamer.demo.scores import Scoreboard
from streamer.demo.screen import Screen, open_screen
from streamer.demo.sender import Sender
from streamer.demo.summary import Summary
from streamer.demo.traffic import make_traffic
from streamer.demo.trainer_stage import TrainerStage
from streamer.errors import RefrainError
from streamer.kafka.connection import connection_of
from streamer.kafka.topics import ensure_topics
from streamer.local.cluster import Cluster
from streamer.local.world import World
from streamer.runtime.stop import Interrupted, StopSignal, after_grace

STANDSTILL_LIMIT_S: Final = 600.0  # without progress towards the first answer; the next step takes seconds
_PAGE_PERIOD_S: Final = 0.2  # between two looks at whether the page answers
_PICTURE_PERIOD_S: Final = 0.25
_FIRST_WORKER: Final = "worker-0"
_FILL_MESSAGES: Final = 1_000  # between two checks of the stop signal


class DemoError(RefrainError):
    """Raised when a demo does not get on although all its processes run."""


def run_demo(environment: Mapping[str, str], for_s: float | None, scale: DemoScale | None = None) -> Summary:
    """Run a demo on standard output until Ctrl-C, or for a time.

    Args:
        environment: inherited by the processes, except for its `REFRAIN_` variables.
        for_s: seconds after the first answer; None: until Ctrl-C.
        scale: its size.

    Raises:
        RefrainError: Kafka ended, another process keeps ending, or nothing gets on towards the first answer.
        Interrupted: SIGTERM, or Ctrl-C was pressed twice, so there is no summary.
    """
    return asyncio.run(_run(environment, for_s, scale or DemoScale()))


async def _run(environment: Mapping[str, str], for_s: float | None, scale: DemoScale) -> Summary:
    stop_signal = _stop_signal()
    with open_screen(Console(), sys.stderr) as screen:
        demo = Demo(scale, screen, stop_signal)
        try:
            async with demo.shown():
                return await demo.run(environment, for_s)
        except asyncio.CancelledError:
            raise Interrupted(stop_signal.number) from None


def _stop_signal() -> StopSignal:
    """Return an event that the first Ctrl-C sets; a second one, or SIGTERM, cancels the demo."""
    loop, stop_signal, task = asyncio.get_running_loop(), StopSignal(), asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"

    def stop(number: int) -> None:
        stop_signal.number = number
        if number == signal.SIGTERM or stop_signal.is_set():
            after_grace(lambda: os._exit(128 + number))
            task.cancel()
        stop_signal.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stop_signal


class Demo:
    """One run of the demo.

    Args:
        scale: its size.
        screen: where it is shown.
        stop_signal: set when the user wants it to stop.
    """

    def __init__(self, scale: DemoScale, screen: Screen, stop_signal: asyncio.Event) -> None:
        self._scale = scale
        self._screen = screen
        self._stop_signal = stop_signal
        self._start_s = time.monotonic()
        self._world = World.build(np.random.default_rng(scale.seed), scale.num_listeners, scale.num_tracks)
        self._camera = Camera(scale, self._world.music, self._start_s)
        self._status = "starting Kafka"
        self._notices: list[Notice] = []
        self._headway = Headway(scale.history_plays)
        self._kafka = ""
        self._end = ""
        self._page = ""
        self._books: Books | None = None
        self._plays_per_s = 0.0

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Keep the screen up to date."""
        showing = asyncio.create_task(self._show(), name="screen")
        try:
            yield
        finally:
            showing.cancel()

    async def run(self, environment: Mapping[str, str], for_s: float | None) -> Summary:
        """Run from the start of the first process to the end of the last.

        Raises:
            RefrainError: Kafka ended, another process keeps ending, or nothing gets on towards the first answer.
        """
        async with started(self._scale.environment(environment), self._scale.num_workers) as processes:
            try:
                if not self._stop_signal.is_set():
                    await asyncio.to_thread(_start_first, processes.cluster)  # they load while topics are made
                async with self._opened(processes) as books:
                    await first_of(
                        self._run_phases(processes.cluster, books, for_s),
                        books.reader.run(),
                        books.trainer.run(),
                        processes.watch(self._tell_restart),
                        self._open_page(processes.cluster),
                    )
            except KafkaError as exc:
                await processes.blame_kafka()
                what = f"{type(exc).__name__}: {exc}"
                raise DemoError(f"Kafka runs, but a request to it failed: {what}; start the demo again") from exc
            self._status = "stopping workers, trainer and Kafka"
        return self._summary(books, processes.restarts)

    async def _run_phases(self, cluster: Cluster, books: Books, for_s: float | None) -> None:
        """Run the phases, each until it is done or the user stops it."""
        await self._fill(books.sender, self._scale.first_plays)
        await self._listen(books, for_s)
        self._status, self._end = "waiting for the answers in flight; Ctrl-C again gives up", ""
        await books.sender.flush()
        await asyncio.to_thread(cluster.stop_trainer)
        books.trainer.words = "stopped"
        await settle(books.ledger, books.sender, books.reader)
        books.scores.close()

    async def _open_page(self, cluster: Cluster) -> None:
        """Say where the page is once it answers, and start the other workers only then: they would delay it."""
        while not await asyncio.to_thread(cluster.samples, _FIRST_WORKER):  # noqa: ASYNC110  another process answers
            await asyncio.sleep(_PAGE_PERIOD_S)
        if not self._stop_signal.is_set():
            self._page = cluster.url(_FIRST_WORKER)
            self._status = f"open {self._page} to see plays arrive; lists follow with the first release"
            for number in range(1, cluster.num_workers):
                await asyncio.to_thread(cluster.start_worker, number)
        await asyncio.Event().wait()  # the first task that ends would end the demo

    async def _fill(self, sender: Sender, num_plays: int) -> None:
        """Send as fast as Kafka accepts, until so many messages are sent."""
        while not self._stop_signal.is_set() and sender.num_sent < num_plays:
            await sender.send(min(_FILL_MESSAGES, num_plays - sender.num_sent))

    async def _listen(self, books: Books, for_s: float | None) -> None:
        """Send plays at a steady rate until the end, and the rest of the history once the first fit needs no more.

        Raises:
            DemoError: nothing gets on towards the first answer.
        """
        sender, rate = books.sender, self._scale.plays_per_s
        await sender.send_steadily(rate, lambda: books.trainer.has_window or self._is_over(books, for_s))
        await self._fill(sender, self._scale.history_plays)
        await sender.send_steadily(rate, lambda: self._is_over(books, for_s))
        if (first_s := books.ledger.first_answer_s) is not None:
            num_live_plays = books.ledger.num_plays - books.ledger.num_plays_before_answers
            self._plays_per_s = num_live_plays / max(time.monotonic() - first_s, 1.0)

    def _is_over(self, books: Books, for_s: float | None) -> bool:
        now_s, first_s = time.monotonic(), books.ledger.first_answer_s
        if first_s is None:
            self._check_headway(now_s, books)
            return self._stop_signal.is_set()
        left_s = None if for_s is None else first_s + for_s - now_s
        self._end = "Ctrl-C ends it" if left_s is None else f"ends in {max(0.0, left_s):.0f} s"
        self._status = f"live at {self._page}, Kafka at {self._kafka}"
        return self._stop_signal.is_set() or (left_s is not None and left_s <= 0)

    def _check_headway(self, now_s: float, books: Books) -> None:
        """Check that the demo gets on towards its first answer.

        Raises:
            DemoError: it stands still.
        """
        steps = len(books.trainer.steps)
        reached = Reached(self._page, books.sender.num_sent, books.ledger.num_applied, steps)
        if self._headway.standstill_s(now_s, reached) > STANDSTILL_LIMIT_S:
            stuck = f"no answer yet, and no progress for {STANDSTILL_LIMIT_S:.0f} s"
            raise DemoError(f"{stuck}; trainer: {books.trainer.words}")

    def _tell_restart(self, name: str, how: str) -> None:
        self._notices.append(Notice(time.monotonic() - self._start_s, f"{name} {how}; starting it again"))
        if name == "trainer" and self._books is not None:
            self._books.trainer.words = "starting"

    @contextlib.asynccontextmanager
    async def _opened(self, processes: Processes) -> AsyncIterator[Books]:
        """Open the books: connect sender and reader, and disconnect them at the end."""
        settings, scale = processes.cluster.settings, self._scale
        self._kafka = settings.kafka_bootstrap_servers
        num_partitions = await ensure_topics(settings)
        await name_tracks(connection_of(settings), settings.catalogue_topic, self._world.music)
        ledger, scores = Ledger(num_partitions), Scoreboard(self._world.music.track_ids)
        traffic = make_traffic(self._world, np.random.default_rng(scale.seed), scale.bad_share)
        sender = Sender(connection_of(settings), settings.plays_topic, traffic, ledger, scores)
        written = WrittenTopics(
            settings.short_term_topic, settings.long_term_topic, settings.dead_letter_topic, settings.changelog_topic
        )
        reader = Reader(
            connection_of(settings),
            written,
            num_partitions,
            user_ids=self._world.listeners.user_ids,
            ledger=ledger,
            judge=scores,
        )
        async with connected(sender, reader):
            self._status = "sending the listeners' past plays"
            self._books = Books(ledger, scores, sender, reader, TrainerStage(processes.cluster))
            yield self._books

    async def _show(self) -> None:
        while True:
            self._screen.show(self._camera.shoot(time.monotonic(), self._status, self._books, self._end, self._notices))
            await asyncio.sleep(_PICTURE_PERIOD_S)

    def _summary(self, books: Books, restarts: Mapping[str, int]) -> Summary:
        first_s, hit_rates = books.ledger.first_answer_s, books.scores.hit_rates
        return Summary(
            balance=books.ledger.balance(),
            bad_sent=books.ledger.num_bad,
            refrain=books.scores.refrain,
            popularity=books.scores.by_popularity,
            chance=books.scores.by_chance,
            restarts=restarts,
            releases={release: hit_rates.get(release) for release in books.reader.releases},
            first_answer_s=None if first_s is None else first_s - self._start_s,
            plays_per_s=self._plays_per_s,
            latency_ms=books.ledger.latency_ms((50, 99)),
        )


def _start_first(cluster: Cluster) -> None:
    """Start the worker whose page is shown, and the trainer."""
    cluster.start_worker(0)
    cluster.start_trainer()
