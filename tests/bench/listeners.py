"""What more listeners cost: a play, the disk, and the recovery of a lost disk: `python -m tests.bench.listeners`.

For each number of listeners their states, with full rings and counts, are written to the changelog as a worker writes
them. A worker without a disk reads them back, which is the recovery, then answers plays of random listeners. The
network costs nothing here. Two million listeners need 16 GB for temporary files. A size that fails has no row, and the
exit status is 1. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.config import NetworkConfig
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.settings import Settings
from streamer.wire.changelog import listener_key
from streamer.worker.app import create_worker
from streamer.worker.run import spare_collector
from tests.bench.apart import figures_of, print_line
from tests.bench.peers.refrain_stream import SIZES, FlatEngine
from tests.bench.stage import draw_tracks, encode_plays, prepare, producing, send, settings_of, size_of
from tests.builders import random_states, records_of
from tests.until import until

LISTENERS: Final = (10_000, 100_000, 2_000_000)
_TRACKS: Final = 10_000
_DIFFERENT_STATES: Final = 2_000
_PLAYS_SEEN: Final = 500


async def write_states(settings: Settings, num_listeners: int) -> None:
    """Write a state of every listener to the changelog, on the partition that Kafka gives the listener's plays."""
    seen = random_states([_PLAYS_SEEN] * _DIFFERENT_STATES, num_hidden=NetworkConfig().hidden_size)
    records = records_of(dataclasses.replace(seen, source_offset=np.full(_DIFFERENT_STATES, -1)))
    async with producing(settings.kafka_bootstrap_servers) as producer:
        place = producer._partition
        await producer.client.force_metadata_update()
        for number in range(num_listeners):
            user = b"listener-%07d" % number
            partition = place(settings.plays_topic, None, None, None, user, None)
            value = records[number % _DIFFERENT_STATES]
            await producer.send(settings.changelog_topic, value, listener_key(user), partition)


async def measure(settings: Settings, num_listeners: int, num_plays: int) -> dict[str, Any]:
    """Recover all states, then answer plays."""
    engine = FlatEngine(sizes=SIZES, heard_masked=(0, 0), max_step_s=20, num_threads=1)
    worker = create_worker(settings, await ensure_topics(settings), engine)
    done = worker.answering.metrics.plays._value.get
    await worker.answering.releases.start()
    await worker.answering.withdrawals.start()
    began_s = time.perf_counter()
    await worker.app.start()
    spare_collector()
    await until(done, "the first plays are done", deadline_s=3600, period_s=0.01)
    recovered_s, first, cpu_s = time.perf_counter() - began_s, done(), time.process_time()
    disk_bytes = size_of([settings.state_dir])
    await until(lambda: done() >= num_plays, "all plays are done", deadline_s=3600, period_s=0.01)
    return {
        "listeners": num_listeners,
        "recovered_s": round(recovered_s, 2),
        "cpu_us_per_play": round((time.process_time() - cpu_s) / (num_plays - first) * 1e6, 1),
        "disk_bytes_per_listener": round(disk_bytes / num_listeners),
    }


async def prepare_listeners(settings: Settings, num_listeners: int, num_plays: int) -> None:
    """Fill changelog and plays."""
    await prepare(settings, _TRACKS)
    await write_states(settings, num_listeners)
    rng = np.random.default_rng(4)
    plays = encode_plays(rng.integers(num_listeners, size=num_plays), draw_tracks(rng, num_plays, _TRACKS))
    await send(settings.kafka_bootstrap_servers, settings.plays_topic, plays)


async def measure_here(settings: Settings, num_listeners: int, num_plays: int) -> None:
    """Measure in this process and end it from inside the event loop: Faust's agents swallow a cancellation."""
    print_line(json.dumps(await measure(settings, num_listeners, num_plays)))
    os._exit(0)


def main() -> None:
    """Measure each number of listeners on a Kafka of its own; with `--at`, be a worker that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listeners", type=int, nargs="+", default=LISTENERS)
    parser.add_argument("--plays", type=int, default=40_000)
    parser.add_argument("--limit", type=float, default=900.0, help="seconds each may take (%(default)s)")
    parser.add_argument("--at", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.at:
        settings = settings_of(options.at[0], Path(options.at[1]), "bench-listeners")
        asyncio.run(measure_here(settings, options.listeners[0], options.plays))
    rows = []
    for num_listeners in options.listeners:
        with tempfile.TemporaryDirectory() as directory, DevKafka() as kafka:
            settings = settings_of(kafka.bootstrap_servers, Path(directory), "bench-listeners")
            asyncio.run(prepare_listeners(settings, num_listeners, options.plays))
            command = [sys.executable, "-m", "tests.bench.listeners", "--listeners", str(num_listeners)]
            command += ["--plays", str(options.plays), "--at", kafka.bootstrap_servers, directory]
            try:
                rows.append(figures_of(command, options.limit))
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
                print_line(f"{num_listeners:,} listeners have no figures: {exc}")
    print_line(json.dumps({"listeners": rows}))
    if len(rows) < len(options.listeners):
        sys.exit(1)


if __name__ == "__main__":
    main()
