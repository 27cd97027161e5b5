"""Latency of an answer at steady rates, and the CPU of the worker that gives it: `python -m tests.bench.latency`.

A worker as an operator starts it, with default settings, a release with both stages and listeners with full rings. Each
play is stamped when it is given to the producer, and again when a reader of committed records has its short-term list.
The highest rate is what was asked for, or 70 % of what the worker manages from a backlog. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streamer.local.devkafka import DevKafka
from streamer.settings import Settings
from tests.bench.apart import cpu_s, print_line
from tests.bench.stage import (
    PARTITIONS,
    Plays,
    draw_tracks,
    encode_plays,
    environment_of,
    histories,
    prepare,
    producing,
    send,
    settings_of,
)
from tests.until import until

RATES: Final = (50, 500, 5000)
_RING: Final = 64
_BURST: Final = 20_000
_SHARE: Final = 0.7
_TICK_S: Final = 0.002
_CONVERSION: Final = 1000.0


class Answer(msgspec.Struct):
    """The only field that is read of an answer: the time of its play, which is the play's number here."""

    played_at: int


class Reader:
    """Reads committed short-term lists, and when each came; starts at the end of the topic."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._decode = msgspec.json.Decoder(Answer).decode
        self.arrived_s: dict[int, float] = {}

    async def run(self) -> None:
        """Read forever."""
        while True:
            records = await self._consumer.getmany(timeout_ms=1000)
            now_s = time.perf_counter()
            for of_partition in records.values():
                for record in of_partition:
                    self.arrived_s[self._decode(record.value).played_at] = now_s


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Reader]:
    """Yield a reader that runs."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, isolation_level="read_committed", fetch_max_wait_ms=100
    )
    await consumer.start()
    partitions = [TopicPartition(settings.short_term_topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    reader = Reader(consumer)
    task = asyncio.create_task(reader.run())
    try:
        yield reader
    finally:
        task.cancel()
        await consumer.stop()


async def pace(producer: AIOKafkaProducer, topic: str, plays: Plays, rate: float) -> list[float]:
    """Send plays at a rate; return when each was given to the producer."""
    began_s, sent_s = time.perf_counter(), []
    for number, (user, value) in enumerate(zip(plays.users, plays.values, strict=True)):
        while (ahead_s := number / rate - (time.perf_counter() - began_s)) > 0:
            await asyncio.sleep(max(ahead_s, _TICK_S))
        sent_s.append(time.perf_counter())
        await producer.send(topic, value, user)
    return sent_s


@dataclass(frozen=True, slots=True)
class Bench:
    """A worker that runs, and both ends of what goes through it."""

    worker: asyncio.subprocess.Process
    reader: Reader
    producer: AIOKafkaProducer
    settings: Settings


async def measure(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    """Warm a worker up, then measure each rate."""
    brokers = settings.kafka_bootstrap_servers
    await prepare(settings, options.tracks)
    await send(brokers, settings.plays_topic, histories(options.listeners, _RING, options.tracks))
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streamer", "worker", env=environment_of(settings), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with reading(settings) as reader, producing(brokers, linger_ms=0) as producer:
            bench = Bench(worker, reader, producer, settings)
            first_ms = await _wait_for_the_past(bench)
            possible = await _burst(bench, options, first_ms)
            print_line(f"from a backlog {possible:,.0f} plays/s")
            return {
                "latency": await _all_rates(bench, options, first_ms + _BURST, possible),
                "backlog_plays_per_s": round(possible),
                **{name: getattr(options, name) for name in ("tracks", "listeners", "seconds")},
            }
    finally:
        worker.kill()
        await worker.wait()


async def _all_rates(
    bench: Bench, options: argparse.Namespace, first_ms: int, possible: float
) -> list[dict[str, float]]:
    rows = []
    for asked in options.rates:
        rate = min(float(asked), _SHARE * possible)
        plays = _draw(options, int(rate * options.seconds), first_ms)
        rows.append({"asked": asked} | await _at(bench, rate, plays, first_ms))
        print_line(json.dumps(rows[-1]))
        first_ms += len(plays.users)
    return rows


def _draw(options: argparse.Namespace, num_plays: int, first_ms: int) -> Plays:
    rng = np.random.default_rng(first_ms)
    listeners = rng.integers(options.listeners, size=num_plays)
    return encode_plays(listeners, draw_tracks(rng, num_plays, options.tracks), first_at_ms=first_ms)


async def _wait_for_the_past(bench: Bench) -> int:
    """Wait until a play after the histories is answered on every partition; return the time of the next play."""
    first_ms = int(time.time() * 1000) - 86_400_000
    probe = encode_plays(np.arange(PARTITIONS), np.arange(PARTITIONS), first_at_ms=first_ms)
    for partition, (user, value) in enumerate(zip(probe.users, probe.values, strict=True)):
        await bench.producer.send(bench.settings.plays_topic, value, user, partition=partition)
    await until(
        lambda: all(first_ms + place in bench.reader.arrived_s for place in range(PARTITIONS)),
        "the worker has answered all histories",
        deadline_s=600,
    )
    return first_ms + PARTITIONS


async def _burst(bench: Bench, options: argparse.Namespace, first_ms: int) -> float:
    """Send a backlog at once; return the plays per second at which it is answered."""
    plays = _draw(options, _BURST, first_ms)
    last = first_ms + _BURST - 1
    before = time.perf_counter()
    await send(bench.settings.kafka_bootstrap_servers, bench.settings.plays_topic, plays)
    await until(lambda: last in bench.reader.arrived_s, "the backlog is answered", period_s=0.01)
    await asyncio.sleep(1)
    arrived_s = max(at_s for at_ms, at_s in bench.reader.arrived_s.items() if at_ms >= first_ms)
    return _BURST / (arrived_s - before)


async def _at(bench: Bench, rate: float, plays: Plays, first_ms: int) -> dict[str, float]:
    """Measure one rate."""
    began_s, began_cpu_s = time.perf_counter(), cpu_s(bench.worker.pid)
    sent_s = await pace(bench.producer, bench.settings.plays_topic, plays, rate)
    wall_s, used_s = time.perf_counter() - began_s, cpu_s(bench.worker.pid) - began_cpu_s
    last = first_ms + len(sent_s) - 1
    await until(lambda: last in bench.reader.arrived_s, "the last play is answered", period_s=0.01)
    await asyncio.sleep(1)
    waited_ms = np.array([
        (bench.reader.arrived_s[first_ms + place] - at_s) * _CONVERSION
        for place, at_s in enumerate(sent_s)
        if first_ms + place in bench.reader.arrived_s  # a batch answers the latest play of a listener alone
    ])  # fmt: skip
    p50_ms, p99_ms = np.percentile(waited_ms, [50, 99])
    return {
        "plays_per_s": round(len(sent_s) / wall_s, 1),
        "p50_ms": round(float(p50_ms), 1),
        "p99_ms": round(float(p99_ms), 1),
        "worst_ms": round(float(waited_ms.max()), 1),
        "core_share": round(used_s / wall_s, 3),
        "answered_share": round(len(waited_ms) / len(sent_s), 4),
    }


def main() -> None:
    """Measure on a Kafka of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, help="plays/s")
    parser.add_argument("--seconds", type=float, default=10.0, help="at each rate")
    parser.add_argument("--tracks", type=int, default=12_000)
    parser.add_argument("--listeners", type=int, default=5_000)
    parser.add_argument("--target-ms", type=float, default=30.0, help="REFRAIN_TARGET_LATENCY_MS of the worker")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, DevKafka() as kafka:
        settings = settings_of(kafka.bootstrap_servers, Path(directory), "bench-latency")
        settings = settings.model_copy(update={"target_latency_ms": options.target_ms})
        print_line(json.dumps(asyncio.run(measure(settings, options))))


if __name__ == "__main__":
    main()
