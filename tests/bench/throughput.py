"""CPU per play of a worker, stage by stage, and of the same job in stock Faust, on a real Kafka.

    python -m tests.bench.throughput [--plays N] [--limit SECONDS]

    fetch     fetch, framework, decode: chunks are read into columns and acknowledged
    memory    plus states, changelog, answers, exactly once: everything but the model (lists of 20 and 20)
    whole     plus the model: one GRU and two heads over 10,000 tracks
    stock     plain Faust, at least once: one JSON play per event, a table in RocksDB, two answers per play

Each stage is a process that works through a topic filled beforehand. The figure is the CPU time of all its threads
between its first and its last batch, divided by the plays in between; start-up does not count. The last line is JSON.
A stage that fails or does not finish within the limit is null there; the others are measured anyway.
"""

import argparse
import asyncio
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from aiokafka import AIOKafkaProducer
from numpy.typing import NDArray

from models.config import NetworkConfig, TrainingConfig
from models.networks.network import TasteNetwork
from models.plays.catalogue import Catalogue
from models.release import Release, save_release
from models.release_files import DataWindow
from models.release_folder import Folder
from models.serving.recommender import Recommender
from models.serving.step import Ranked, StepOutput
from streamer.faust.stream import consume
from streamer.kafka.chunk import Chunk
from streamer.kafka.connection import Connection
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.releases.alias import move_alias
from streamer.settings import Settings
from streamer.wire.messages import ReleaseNotice
from streamer.worker.app import create_worker
from streamer.worker.batch import Batch
from streamer.worker.batching import gather_chunks
from streamer.worker.engine import Engine
from streamer.worker.intake import take_in
from streamer.worker.narrowing import NOTHING
from streamer.worker.pipeline import Answering
from streamer.worker.run import spare_collector
from streamer.worker.warmup import warm_up
from tests.bench.apart import print_line, run_within
from tests.until import until

NUM_TRACKS, NUM_LISTENERS, PARTITIONS = 10_000, 20_000, 4
STAGES = ("fetch", "memory", "whole", "stock")
STOCK_ANSWERS = "stock.answers"
#: Seconds a stage may take; with 200,000 plays the slowest takes about a minute on two cores.
LIMIT_S = 300.0
#: Shares of the plays that a stage processes; stock Faust takes 60 times as long per play.
SHARES = {"stock": 0.02}


class FlatEngine(Engine):
    """Ranks the same tracks for every listener, at no cost: what remains is the cost of everything else."""

    async def step(
        self,
        release: Release,
        batch: Batch,
        answered: NDArray[np.int64],
        withdrawn: NDArray[np.uint64] = NOTHING,
    ) -> StepOutput:
        """Return the states unchanged."""
        rows = np.broadcast_to(np.arange(2, 22), (len(answered), 20))
        scores = np.random.default_rng(0).random((len(answered), 20), np.float32)
        ranked = Ranked(rows, scores)
        return StepOutput(batch.hidden, batch.count_plays(), (ranked, ranked))


def settings_of(bootstrap_servers: str, directory: Path, stage: str, batch: int) -> Settings:
    """Return the settings of a stage; each has its own group and so its own progress."""
    return Settings(
        kafka_bootstrap_servers=bootstrap_servers, app_id=f"bench-{stage}", state_dir=directory / stage,
        releases_url=str(directory / "releases"), partitions=PARTITIONS, short_term_size=20, long_term_size=20,
        short_term_topic=f"{stage}.short-term", long_term_topic=f"{stage}.long-term", max_batch_plays=batch,
        web_port=0, device="cpu",
    )  # fmt: skip


async def measure(settings: Settings, stage: str, num_plays: int) -> dict[str, float]:
    """Work through the topic and return the figures between the first and the last batch."""
    partitions = await ensure_topics(settings)
    sizes = (settings.short_term_size, settings.long_term_size)
    flat = FlatEngine(sizes=sizes, heard_masked=(0, 0), max_step_s=20, num_threads=1)
    worker = create_worker(settings, partitions, flat if stage == "memory" else None)
    done: Callable[[], float] = worker.answering.metrics.plays._value.get
    if stage == "fetch":
        counted = [0]
        done = lambda: counted[0]  # noqa: E731
        worker.app.agents.clear()
        consume(worker.app, settings.plays_topic, lambda chunks: read_only(worker.answering, chunks, counted))
    warm_up()
    await worker.answering.releases.start()
    await worker.answering.withdrawals.start()
    await worker.app.start()
    spare_collector()
    return await watch(done, num_plays)


async def read_only(answering: Answering, chunks: AsyncIterator[Chunk], counted: list[int]) -> None:
    """Only decode and acknowledge."""
    async for batch in gather_chunks(chunks, max_plays=answering.max_plays, pace=answering.pace):
        for chunk in batch:
            counted[0] += len(take_in(chunk.partition, chunk.records, None).plays)
            await chunk.acknowledge()


async def watch(done: Callable[[], float], num_plays: int) -> dict[str, float]:
    """Measure until all plays are done; the parent process limits the time."""
    await until(done, "plays are done", deadline_s=math.inf, period_s=0.01)
    first, cpu_s, wall_s = done(), time.process_time(), time.perf_counter()
    await until(lambda: done() >= num_plays, f"{num_plays} plays are done", deadline_s=math.inf, period_s=0.01)
    plays = num_plays - first
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    return {"cpu_us_per_play": cpu_s / plays * 1e6, "plays_per_s": plays / wall_s, "plays": plays}


async def measure_stock(bootstrap_servers: str, directory: Path, num_plays: int) -> dict[str, float]:
    """Do the same as Faust's documentation shows: a Record, a table, an answer per play and horizon."""
    import faust  # noqa: PLC0415  other stages should not pay for it

    class StockPlay(faust.Record, serializer="json"):  # type: ignore[call-arg]  # mypy skips Faust
        user_id: str
        track_id: str
        played_at: int

    app = faust.App(
        "bench-stock", broker=f"kafka://{bootstrap_servers}", store="rocksdb://", datadir=directory / "stock",
        topic_partitions=PARTITIONS, web_enabled=False, table_standby_replicas=0, topic_disable_leader=True,
    )  # fmt: skip
    plays, answers = app.topic("plays", value_type=StockPlay), app.topic(STOCK_ANSWERS, value_serializer="json")
    states = app.Table("states", partitions=PARTITIONS, key_type=str, value_type=bytes)
    tracks = [{"track_id": f"t{i}", "score": i / 20} for i in range(20)]
    counted = [0]

    @app.agent(plays)
    async def answer(stream: faust.StreamT) -> None:
        async for play in stream:
            states[play.user_id] = states.get(play.user_id) or bytes(1717)
            await answers.send(key=play.user_id, value={"user_id": play.user_id, "tracks": tracks})
            await answers.send(key=play.user_id, value={"user_id": play.user_id, "tracks": tracks})
            counted[0] += 1

    await app.start()
    return await watch(lambda: counted[0], num_plays)


async def fill(bootstrap_servers: str, num_plays: int, directory: Path) -> None:
    """Produce the plays and a release of an untrained network; the quality of its lists does not matter."""
    settings = settings_of(bootstrap_servers, directory, "memory", 1000)
    await ensure_topics(settings)
    await ensure_topics(settings.model_copy(update={"short_term_topic": STOCK_ANSWERS}))  # Faust declares no sinks
    track_ids = [f"track-{i:07d}" for i in range(NUM_TRACKS)]
    torch.manual_seed(0)
    network, window = TasteNetwork(NetworkConfig(), NUM_TRACKS), DataWindow(0, 0, 0, 0)
    saved = save_release(
        Folder(settings.releases_url),
        Recommender(network, Catalogue(track_ids)), training=TrainingConfig(), metrics={},
        data_window=window, created_at_ms=int(time.time() * 1000),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=50, max_batch_size=1 << 18)
    async with producer:
        notice = ReleaseNotice(saved.release_id, saved.location, saved.manifest_sha256)
        await move_alias(Connection.parse(bootstrap_servers), settings.releases_topic, notice)
        listeners, rows = rng.integers(NUM_LISTENERS, size=num_plays), rng.integers(NUM_TRACKS, size=num_plays)
        for number, (listener, row) in enumerate(zip(listeners.tolist(), rows.tolist(), strict=True)):
            user = f"listener-{listener:06d}"
            play = {"user_id": user, "track_id": track_ids[row], "played_at": 1_700_000_000_000 + number}
            await producer.send(settings.plays_topic, json.dumps(play).encode(), key=user.encode())


def main() -> None:
    """Fill a topic, then measure stage after stage; the exit status is 1 if a stage has no figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plays", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=2000, help="plays in a full batch")
    parser.add_argument("--stages", nargs="+", default=STAGES, choices=STAGES)
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds a stage may take (%(default)s)")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--at", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        asyncio.run(measure_here(options))
    costs = {}
    with tempfile.TemporaryDirectory() as directory, DevKafka() as kafka:
        asyncio.run(fill(kafka.bootstrap_servers, options.plays, Path(directory)))
        for stage in options.stages:
            command = command_of(stage, options, kafka.bootstrap_servers, directory)
            costs[stage] = measure_apart(stage, command, options.limit)
    sys.stdout.write(json.dumps(costs) + "\n")
    if None in costs.values():
        sys.exit(1)


def command_of(stage: str, options: argparse.Namespace, bootstrap_servers: str, directory: str) -> list[str]:
    """Return the command that measures a stage in its own process."""
    plays = str(int(options.plays * SHARES.get(stage, 1)))
    command = [
        sys.executable,
        "-m",
        "tests.bench.throughput",
        "--stage",
        stage,
        "--plays",
        plays,
        "--batch",
        str(options.batch),
    ]
    return [*command, "--at", bootstrap_servers, directory]


def measure_apart(stage: str, command: Sequence[str], limit_s: float) -> float | None:
    """Run a stage's process and print a line; return its CPU in us per play, None if it failed or did not finish."""
    try:
        output = run_within(command, limit_s)
    except subprocess.TimeoutExpired:
        print_line(f"{stage:8}did not finish within {limit_s:g} s")
        return None
    except subprocess.CalledProcessError as exc:
        print_line(f"{stage:8}failed with status {exc.returncode}")
        return None
    figures = json.loads(output.splitlines()[-1])
    cost_us: float = round(figures["cpu_us_per_play"], 1)
    print_line(f"{stage:8}{cost_us:8.1f} us of CPU per play{figures['plays_per_s']:10.0f} plays/s")
    return cost_us


async def measure_here(options: argparse.Namespace) -> NoReturn:
    """Measure a stage in this process, and end it from inside the event loop.

    `asyncio.run` would first cancel the running tasks and wait for them; Faust's agents swallow the cancellation, and
    it would wait forever.
    """
    bootstrap_servers, directory = options.at[0], Path(options.at[1])
    if options.stage == "stock":
        figures = await measure_stock(bootstrap_servers, directory, options.plays)
    else:
        settings = settings_of(bootstrap_servers, directory, options.stage, options.batch)
        figures = await measure(settings, options.stage, options.plays)
    print_line(json.dumps(figures))
    os._exit(0)


if __name__ == "__main__":
    main()
