"""The plan of a deployment, from measured figures: `python -m tests.bench.sizing bench/bench.json`.

Writes docs/sizing.md: what each size of service needs, every line with its formula. Figures are those of `make bench`;
what nobody measured is an assumption, and named as one.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamer.bench.capacity import DISK_ROOM, UTILISATION
from tests.bench.partitions import Population, balance_of, loads_of

_DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "sizing.md"
_MONTH_H: Final = 730
_TOPICS: Final = 4  # of each partition: plays, both lists, the changelog


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of `make bench`, on one machine.

    Attributes:
        answer_us: CPU of an answer, both stages, batches of 500, on one thread.
        stream_us: CPU of a play without the network: states, lists, transaction.
        state_bytes: of a listener with a full record, on disk.
        recovered_per_s: states read back per second by one worker that lost its disk, its start included.
        worker_mb: memory of a worker that took up the release, mapped files included, at its peak.
        fit_plays_per_s: that a fit of the network passes through per second of CPU.
    """

    answer_us: float
    stream_us: float
    state_bytes: float
    recovered_per_s: float
    worker_mb: float
    fit_plays_per_s: float

    @classmethod
    def of(cls, figures: dict[str, Any], tracks: str) -> Measured:
        """Take the figures for a catalogue of so many tracks.

        Raises:
            KeyError: a section is missing, or has no such catalogue.
            ValueError: no worker took up a release of such a catalogue.
        """
        step, listeners = figures["step"]["by_tracks"][tracks], figures["listeners"]["listeners"][-1]
        taken_up = figures["taking up"]["taking_up"]
        fits = {str(row["tracks"]): row for row in figures["training"]["training"]}
        return cls(
            answer_us=step["batches"]["500"]["cpu_us"],
            stream_us=listeners["cpu_us_per_play"],
            state_bytes=listeners["disk_bytes_per_listener"],
            recovered_per_s=listeners["listeners"] / listeners["recovered_s"],
            worker_mb=max(row["after_mb"]["peak"] for row in taken_up if str(row["tracks"]) == tracks),
            fit_plays_per_s=fits[tracks]["fit_plays_per_s"],
        )


@dataclass(frozen=True, slots=True)
class Assumed:
    """What was not measured; prices are list prices of a large cloud, on demand, and change.

    Attributes:
        utilisation: share of a worker that its mean load may take: the rest is for peaks, releases and lost workers.
        machine_cores: of a general-purpose machine; 2 of them are left to the system and the store.
        machine_gib: its memory.
        machine_usd_h: its price.
        gpu_usd_h: of a machine with one inference GPU and 8 cores.
        disk_usd_gb_month: of network-attached SSD.
        disk_room: times the bytes of the states, for compaction.
        broker_mb_s: bytes that a broker takes in per second, replicas included.
        broker_replicas: of partitions, that a broker holds.
        broker_usd_h: its price, without disks.
        replicas: copies of each record.
        list_bytes: both lists of an answer, 43 bytes a track.
        play_bytes: of a play.
        kept_h: hours for which lists are kept in Kafka.
        plays_kept_h: hours for which plays are: `retention.ms` of their topic.
        cell_workers: that share one consumer group.
    """

    utilisation: float = UTILISATION
    machine_cores: int = 16
    machine_gib: int = 64
    machine_usd_h: float = 0.70
    gpu_usd_h: float = 1.00
    disk_usd_gb_month: float = 0.08
    disk_room: float = DISK_ROOM
    broker_mb_s: float = 250.0
    broker_replicas: int = 4000
    broker_usd_h: float = 0.70
    replicas: int = 3
    list_bytes: int = 3200
    play_bytes: int = 120
    kept_h: float = 1.0
    plays_kept_h: float = 168.0
    cell_workers: int = 200


@dataclass(frozen=True, slots=True)
class Service:
    """What is to be served: so many listeners, so many plays/s at the peak of a day."""

    listeners: int
    plays_per_s: int


SERVICES: Final = (Service(1_000_000, 1_000), Service(10_000_000, 20_000), Service(100_000_000, 1_000_000))


def plan(service: Service, measured: Measured, assumed: Assumed) -> dict[str, tuple[str, str]]:
    """Derive each line: its value and its formula."""
    per_worker = 1e6 / (measured.answer_us + measured.stream_us)
    workers = max(2, math.ceil(service.plays_per_s / (per_worker * assumed.utilisation)))
    by_memory = int(assumed.machine_gib * 1024 * 0.8 / measured.worker_mb)
    on_machine = max(1, min(assumed.machine_cores - 2, by_memory))
    machines = max(2, math.ceil(workers / on_machine))
    partitions = 1 << math.ceil(math.log2(4 * workers))
    disk_gb = service.listeners * measured.state_bytes * assumed.disk_room / 1e9
    written = service.plays_per_s * (measured.state_bytes + assumed.list_bytes + assumed.play_bytes) / 1e6
    brokers = _brokers(written, partitions, assumed)
    kept_gb = assumed.replicas * (
        service.listeners * measured.state_bytes * 2 / 1e9
        + service.plays_per_s * assumed.list_bytes * 3600 * assumed.kept_h / 1e9
        + service.plays_per_s * assumed.play_bytes * 3600 * assumed.plays_kept_h / 1e9
    )
    recovery_s = service.listeners / workers / measured.recovered_per_s
    usd = _MONTH_H * (machines * assumed.machine_usd_h + brokers * assumed.broker_usd_h)
    usd += (disk_gb + kept_gb) * assumed.disk_usd_gb_month
    gpu_us = measured.answer_us * assumed.machine_usd_h / on_machine / assumed.gpu_usd_h
    return {
        "plays/s of a worker, busy": (f"{per_worker:,.0f}", "1 s / (answer + stream)"),
        "workers": (f"{workers:,}", "plays/s / (plays/s of a worker x utilisation), 2 at least"),
        "workers on a machine": (f"{on_machine}", "cores - 2, or 80 % of memory / memory of a worker"),
        "cells": (f"{math.ceil(workers / assumed.cell_workers):,}", "workers / workers of a cell"),
        "machines": (f"{machines:,}", "workers / workers on a machine, 2 at least"),
        "partitions": (f"{partitions:,}", "4 a worker, the next power of two"),
        "disk of all workers, GB": (f"{disk_gb:,.0f}", "listeners x bytes of a state x room for compaction"),
        "written to Kafka, MB/s": (f"{written:,.0f}", "plays/s x (state + lists + play), before compression"),
        "brokers": (
            f"{brokers:,}", "the most of replicas, written x replicas / MB/s, partitions x 4 topics x replicas / held",
        ),
        "disk of all brokers, GB": (f"{kept_gb:,.0f}", "replicas x (2 x states + lists of an hour + plays of a week)"),
        "recovery of one lost disk, s": (f"{recovery_s:,.0f}", "listeners / workers / states read back per second"),
        "cores of a fit that sees every play once": (
            f"{math.ceil(service.plays_per_s / measured.fit_plays_per_s):,}", "plays/s / plays/s of a fit",
        ),
        "a month, USD": (f"{usd:,.0f}", "machines, brokers and disks; no trainer"),
        "a million plays, USD": (
            f"{usd / _MONTH_H / 3600 / service.plays_per_s * 1e6:,.3f}", "at the peak rate all month",
        ),
        "a GPU pays below, us an answer": (f"{gpu_us:,.0f}", "answer x price of a worker / price of a GPU machine"),
    }  # fmt: skip


def _brokers(written_mb_s: float, partitions: int, assumed: Assumed) -> int:
    by_bytes = math.ceil(written_mb_s * assumed.replicas / assumed.broker_mb_s)
    by_partitions = math.ceil(partitions * _TOPICS * assumed.replicas / assumed.broker_replicas)
    return max(assumed.replicas, by_bytes, by_partitions)


def write_document(figures: dict[str, Any], tracks: str, assumed: Assumed) -> str:
    """Write the plan as Markdown."""
    measured = Measured.of(figures, tracks)
    plans = [plan(service, measured, assumed) for service in SERVICES]
    head = "".join(f" {service.listeners:,} listeners, {service.plays_per_s:,} plays/s |" for service in SERVICES)
    lines = "".join(
        f"| {name} |{''.join(f' {of_service[name][0]} |' for of_service in plans)} {plans[0][name][1]} |\n"
        for name in plans[0]
    )
    return (
        f"{_HEAD.format(tracks=int(tracks))}\n{_table_of(measured)}\n## The plan\n\n| |{head} how |\n"
        f"|---|{'--:|' * len(SERVICES)}---|\n{lines}{_READING}\n"
        f"## Assumed, not measured\n\n{_table_of(assumed)}\n{_simulated(int(plans[-1]['workers'][0].replace(',', '')))}"
    )


_HEAD: Final = """\
# How much a service needs

Written by `python -m tests.bench.sizing bench/bench.json` from the figures of one `make bench`
([benchmarks](benchmarks.md)), for {tracks:,} tracks. Each line is a formula over measured figures and the assumptions
below; with other figures or prices, change them and run it again.

On machines of your own, `refrain bench` measures what one worker carries there, in half a minute.

## Measured
"""

_READING: Final = """
The peak rate is what machines are sized for. What moves the plan most: `us an answer` moves workers and machines,
bytes of a state move brokers, since each play writes its listener's state once, and lists that are not repeated
(`REFRAIN_REPEAT_OVERLAP` in [public.md](public.md)) are not written. A GPU was not measured here: it
pays where an answer takes it less than the last line says. Recovery counts one worker that lost its disk while the
others run; with `REFRAIN_STANDBYS=1` it is a takeover instead ([recovery.md](recovery.md)), for twice the disk.

**Cells.** Nobody has run thousands of workers in one consumer group, which one broker coordinates and for which one
member assigns all partitions. Split listeners by a hash over cells, each with topics, `REFRAIN_APP_ID` and workers of
its own, and let all take up the releases of one trainer. If a cell fails, the others notice nothing.

**The trainer** is one process, and a fit takes the newest `REFRAIN_TRAIN_WINDOW_PLAYS`. Where the cores above are more
than a machine has, it learns from fewer plays than there are: give it the topic of one cell.
"""


def _table_of(values: Measured | Assumed) -> str:
    rows = "".join(
        f"| {field.name.replace('_', ' ')} | {getattr(values, field.name):,.6g} |\n" for field in fields(values)
    )
    return f"| | |\n|---|--:|\n{rows}"


def _simulated(num_workers: int) -> str:
    """Simulate the largest service: how even its partitions and workers are."""
    service, rng = SERVICES[-1], np.random.default_rng(1)
    population = Population(service.listeners, service.plays_per_s)
    fewest = 1 << math.ceil(math.log2(num_workers))
    rows = []
    for num_partitions in (fewest, 2 * fewest, 4 * fewest, 8 * fewest):
        found = balance_of(loads_of(population, num_partitions, rng), num_workers)
        rows.append(f"| {num_partitions:,} | {found.hottest_partition:.2f} | {found.hottest_worker:.2f} |\n")
    return (
        f"## Hot listeners, hot partitions\n\nA simulation (`tests/bench/partitions.py`): {service.listeners:,} "
        f"listeners whose rates are log-normal (sigma {population.sigma}), {population.num_bots:,} bots of "
        f"{population.bot_plays_per_s:g} plays/s, {num_workers:,} workers. A worker must bear the hottest worker's "
        "share of the mean within the utilisation assumed above. One listener's plays are one after the other: a batch "
        "folds them in one pass, so a hot listener is cheaper than many.\n\n"
        f"| partitions | hottest partition, times the mean | hottest worker, times the mean |\n|--:|--:|--:|\n"
        f"{''.join(rows)}"
    )


def main() -> None:
    """Read figures, write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "figures", type=Path, help="bench.json with the sections step, listeners, taking up and training"
    )
    parser.add_argument("--tracks", default="1000000", help="of the catalogue, as measured (%(default)s)")
    parser.add_argument("--document", type=Path, default=_DOCUMENT)
    options = parser.parse_args()
    figures = json.loads(options.figures.read_text())["figures"]
    options.document.write_text(write_document(figures, options.tracks, Assumed()))


if __name__ == "__main__":
    main()
