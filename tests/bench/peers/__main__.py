"""The whole job, and what else would do it: `python -m tests.bench.peers`, after `make .venv-bench/.installed`.

    refrain         a worker: both stages, both lists, exactly once
    faust-torch     the same network and lists in plain torch, play by play, in stock Faust: what people would build
                    instead; state in Faust's table, at least once
    quix-torch      the same in Quix Streams, exactly once
    faust-compiled  stock Faust, play by play, calling the step that Refrain compiles: what is left without batches
    quix-compiled   the same in Quix Streams
    kafka-streams   the stream alone in Java, no network: a record read, changed and stored, 3.3 KB, and two lists of
                    the size of Refrain's, exactly once
    refrain-stream  the same by a worker whose network costs nothing

Each is one process over the same topic, filled beforehand, and is measured after a quarter of its plays: CPU of
the process and all it starts, plays/s beside it. A contender that fails or takes too long has no figure; the others are
measured all the same, and the exit status is 1. The last line is JSON.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from tests.bench.apart import between_marks, print_line
from tests.bench.machine import ONE_THREAD
from tests.bench.peers.kafka_streams import compile_streams, streams_command
from tests.bench.stage import draw_tracks, encode_plays, prepare, send, settings_of

_PEERS_PYTHON = Path(".venv-bench/bin/python")
_WARM_UP = 0.25  # of its plays: Java compiles what it runs, as Python's libraries do
_PEERS = ("faust-torch", "quix-torch", "faust-compiled", "quix-compiled", "kafka-streams")  # with topics of their own


@dataclass(frozen=True, slots=True)
class Contender:
    """How one is started.

    Attributes:
        command: given brokers, a directory of its own and the release.
        share: of the plays that it works through; slow ones get few.
    """

    command: Callable[[str, str, str], list[str]]
    share: float


def _module(name: str, *options: str, python: str = sys.executable) -> Callable[[str, str, str], list[str]]:
    return lambda *places: [python, "-m", f"tests.bench.peers.{name}", *options, *places]


CONTENDERS: Mapping[str, Contender] = {
    "refrain": Contender(_module("refrain"), 0.1),
    "faust-torch": Contender(_module("stock_faust", "faust-torch", "torch"), 0.01),
    "quix-torch": Contender(_module("quix", "quix-torch", "torch", python=str(_PEERS_PYTHON)), 0.01),
    "faust-compiled": Contender(_module("stock_faust", "faust-compiled", "compiled"), 0.02),
    "quix-compiled": Contender(_module("quix", "quix-compiled", "compiled", python=str(_PEERS_PYTHON)), 0.02),
    "kafka-streams": Contender(streams_command, 0.85),
    "refrain-stream": Contender(_module("refrain_stream"), 1.0),
}


async def fill(settings: Any, options: argparse.Namespace) -> str:
    """Create topics, release and plays; return where the release is."""
    location = await prepare(settings, options.tracks)
    for name in _PEERS:
        topics = {"short_term_topic": f"{name}.short", "long_term_topic": f"{name}.long"}
        await ensure_topics(settings.model_copy(update=topics))
    rng = np.random.default_rng(5)
    plays = encode_plays(
        rng.integers(options.listeners, size=options.plays), draw_tracks(rng, options.plays, options.tracks)
    )
    await send(settings.kafka_bootstrap_servers, settings.plays_topic, plays)
    return location


def measure(name: str, places: tuple[str, str, str], options: argparse.Namespace) -> dict[str, float] | None:
    """Measure one contender and print a line; None if it failed."""
    contender = CONTENDERS[name]
    environment = os.environ | ONE_THREAD
    try:
        last = int(options.plays * contender.share)
        figures = between_marks(
            contender.command(*places), int(last * _WARM_UP), last, options.limit, environment=environment
        )
    except (subprocess.CalledProcessError, OSError) as exc:
        print_line(f"{name:16} has no figure: {exc}")
        return None
    print_line(f"{name:16}{figures['cpu_us_per_play']:10.1f} us of CPU a play{figures['plays_per_s']:10.0f} plays/s")
    return figures


def main() -> None:
    """Measure every contender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=CONTENDERS)
    parser.add_argument("--plays", type=int, default=200_000)
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--tracks", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds each may take (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, DevKafka() as kafka:
        settings = settings_of(kafka.bootstrap_servers, Path(directory), "refrain")
        release = asyncio.run(fill(settings, options))
        if "kafka-streams" in options.contenders:
            compile_streams(Path(directory))
        figures = {
            name: measure(name, (kafka.bootstrap_servers, directory, release), options) for name in options.contenders
        }
    print_line(json.dumps({"whole_job": figures, "tracks": options.tracks, "listeners": options.listeners}))
    if None in figures.values():
        sys.exit(1)


if __name__ == "__main__":
    main()
