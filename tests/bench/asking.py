"""What questions over HTTP cost the stream: `python -m tests.bench.asking`.

A worker as an operator starts it answers plays at a steady rate. Stretches with and without questions take turns, so
both meet the same machine; of each kind the cheapest counts. The figure is the CPU of the threads that plays need, all
but the sideline, divided by the plays of the stretch. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np

from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from streamer.settings import Settings
from tests.bench.apart import print_line
from tests.bench.latency import pace
from tests.bench.stage import draw_tracks, encode_plays, histories, prepare, producing, send, settings_of
from tests.until import until_awaited

#: Seconds: a machine that compiles the first time, and works through the past, may be slow.
_PATIENCE_S: Final = 600.0

_RING: Final = 64
_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")

#: A worker that says what its threads are called, by their ids.
_WORKER: Final = """
import json, pathlib, sys, threading, time
def say():
    while True:
        named = {thread.native_id: thread.name for thread in threading.enumerate()}
        path.write_text(json.dumps(named))
        time.sleep(1)
path = pathlib.Path(sys.argv.pop())
threading.Thread(target=say, daemon=True, name="names").start()
from streamer.__main__ import main
main()
"""


class Bench:
    """A worker that runs.

    Args:
        settings: of the worker.
        process: that it is.
        names: the file that says what its threads are called.
    """

    def __init__(self, settings: Settings, process: asyncio.subprocess.Process, names: Path) -> None:
        self.settings, self._process, self._names = settings, process, names
        self.url = f"http://127.0.0.1:{settings.web_port}"

    def cpu_s(self) -> Counter[str]:
        """Return the CPU seconds of each kind of thread."""
        names = {int(number): name for number, name in json.loads(self._names.read_text()).items()}
        spent: Counter[str] = Counter()
        for task in Path(f"/proc/{self._process.pid}/task").iterdir():
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            kind = "sideline" if names.get(int(task.name), "").startswith("sideline") else "stream"
            spent[kind] += (int(fields[11]) + int(fields[12])) * _TICK_S  # type: ignore[assignment]  # seconds, not counts
        return spent

    async def metric(self, session: aiohttp.ClientSession, name: str) -> float:
        """Return the sum of a metric over its labels."""
        async with session.get(f"{self.url}/metrics") as response:
            page = await response.text()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE))


async def ask(
    bench: Bench, session: aiohttp.ClientSession, options: argparse.Namespace, statuses: Counter[int]
) -> None:
    """Ask at a steady rate: looks and what-ifs in turn, about listeners drawn at random, until cancelled."""
    rng, pending = np.random.default_rng(7), set[asyncio.Task[None]]()

    async def one(number: int) -> None:
        question: dict[str, Any] = {"user_id": f"listener-{rng.integers(options.listeners):07d}"}
        if number % 2:
            question["added"] = [{"track_id": f"track-{rng.integers(options.tracks):08d}"}]
        path = "/api/v1/listener/what-if" if number % 2 else "/api/v1/listener"
        async with session.post(bench.url + path, json=question) as response:
            await response.read()
            statuses[response.status] += 1

    began_s, number = time.perf_counter(), 0
    while True:
        await asyncio.sleep(max(0.0, number / options.questions - (time.perf_counter() - began_s)))
        pending.add(task := asyncio.create_task(one(number)))
        task.add_done_callback(pending.discard)
        number += 1


async def stretch(
    bench: Bench,
    session: aiohttp.ClientSession,
    options: argparse.Namespace,
    *,
    number: int,
    questions: Counter[int] | None,
) -> dict[str, float]:
    """Send plays for some seconds, with questions or without; return CPU microseconds per play, by kind of thread."""
    num_plays = _num_plays(options)
    rng = np.random.default_rng(100 + number)
    plays = encode_plays(
        rng.integers(options.listeners, size=num_plays), draw_tracks(rng, num_plays, options.tracks),
        first_at_ms=1_710_000_000_000 + number * num_plays,
    )  # fmt: skip
    asking = asyncio.create_task(ask(bench, session, options, questions)) if questions is not None else None
    before, done = bench.cpu_s(), await bench.metric(session, "refrain_plays_total")
    async with producing(bench.settings.kafka_bootstrap_servers, linger_ms=0) as producer:
        await pace(producer, bench.settings.plays_topic, plays, options.rate)
    await until_awaited(lambda: _is_done(bench, session, done + num_plays), "all plays are answered")
    after = bench.cpu_s()
    if asking:
        asking.cancel()
    return {kind: (after[kind] - before[kind]) / num_plays * 1e6 for kind in ("stream", "sideline")}


def _num_plays(options: argparse.Namespace) -> int:
    return int(options.rate * options.seconds)


async def _is_done(bench: Bench, session: aiohttp.ClientSession, num_plays: float) -> bool:
    return await bench.metric(session, "refrain_plays_total") >= num_plays


async def measure(settings: Settings, options: argparse.Namespace, names: Path) -> dict[str, Any]:
    """Warm a worker up, then take stretches in turn."""
    await prepare(settings, options.tracks)
    await send(
        settings.kafka_bootstrap_servers, settings.plays_topic, histories(options.listeners, _RING, options.tracks)
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WORKER, "worker", str(names), env=_environment(settings)
    )
    bench, statuses = Bench(settings, process, names), Counter[int]()
    try:
        async with aiohttp.ClientSession() as session:
            await until_awaited(lambda: _is_ready(bench, session), "the worker is ready", deadline_s=_PATIENCE_S)
            await until_awaited(
                lambda: _is_done(bench, session, options.listeners * _RING),
                "the past is answered",
                deadline_s=_PATIENCE_S,
            )
            return await _stretches(bench, session, options, statuses)
    finally:
        process.kill()
        await process.wait()


async def _stretches(
    bench: Bench, session: aiohttp.ClientSession, options: argparse.Namespace, statuses: Counter[int]
) -> dict[str, Any]:
    costs: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
    for number in range(2 * options.rounds):
        kind = ("without", "with")[number % 2]
        asked = statuses if kind == "with" else None
        costs[kind].append(await stretch(bench, session, options, number=number, questions=asked))
        print_line(f"{kind:8} questions: {costs[kind][-1]['stream']:6.1f} us of CPU a play, "
                   f"sideline {costs[kind][-1]['sideline']:6.1f}")  # fmt: skip
    without, with_questions = (min(each["stream"] for each in costs[kind]) for kind in ("without", "with"))
    sideline_s = sum(each["sideline"] for of_kind in costs.values() for each in of_kind) * _num_plays(options) / 1e6
    return {
        "stream_us_per_play": {"without": without, "with": with_questions},
        "ratio": with_questions / without,
        "statuses": dict(statuses),
        "sideline_ms_per_answer": 1000 * sideline_s / max(1, statuses[200]),
        "stream_ms_per_question": (with_questions - without) * _num_plays(options) * options.rounds / 1000
        / max(1, statuses.total()),
        "ms_of_a_question": 1000 * await bench.metric(session, "refrain_query_seconds_sum")
        / await bench.metric(session, "refrain_query_seconds_count"),
        **{name: getattr(options, name) for name in ("rate", "questions", "seconds", "tracks", "listeners")},
    }  # fmt: skip


async def _is_ready(bench: Bench, session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get(f"{bench.url}/readyz") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def _environment(settings: Settings) -> Mapping[str, str]:
    changed = {name: value for name, value in settings if value != Settings.model_fields[name].default}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REFRAIN_")}
    return {**inherited, **{f"REFRAIN_{name.upper()}": str(value) for name, value in changed.items()}}


def main() -> None:
    """Measure, and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=500, help="plays a second")
    parser.add_argument("--questions", type=float, default=50, help="questions a second")
    parser.add_argument("--seconds", type=float, default=15, help="of a stretch")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--tracks", type=int, default=10_000)
    parser.add_argument("--listeners", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, DevKafka(Path(directory) / "kafka") as kafka:
        settings = settings_of(kafka.bootstrap_servers, Path(directory), "asking", web_port=free_port())
        print_line(json.dumps(asyncio.run(measure(settings, options, Path(directory) / "names.json"))))


if __name__ == "__main__":
    main()
