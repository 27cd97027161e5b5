"""The figures of a run as a self-contained page and as Markdown, from the same tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, Final, NamedTuple

from streamer.report.page_style import STYLE

Figures = Mapping[str, Any]


class Table(NamedTuple):
    """Figures of a section.

    Attributes:
        remark: what is measured.
        columns: names; that of the first column is empty or says what rows are.
        rows: a name, then numbers or texts.
        drawn: the column that is drawn as bars; None: no chart.
    """

    remark: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    drawn: int | None = None


def _step(figures: Figures) -> Table:
    rows = [
        (f"{int(tracks):,} tracks, batch {batch}", found["wall_us"], found["cpu_us"], of_tracks["peak_mb"])
        for tracks, of_tracks in figures["by_tracks"].items()
        for batch, found in of_tracks["batches"].items()
    ]
    remark = "A step with both stages, lists of 20 and 50, on one thread. Each figure is that of the fastest round."
    return Table(remark, ("", "us an answer", "us of CPU an answer", "peak MB"), rows, 2)


def _stream(figures: Figures) -> Table:
    names = {
        "fetch": "fetch and decode",
        "memory": "everything but the network",
        "whole": "with a first stage of 10,000 tracks",
    }
    rows = [(names[name], us) for name, us in figures.items() if name in names]
    return Table("What a play costs a worker, exactly once, batches of 2,000.", ("", "us of CPU a play"), rows, 1)


def _whole_job(figures: Figures) -> Table:
    ours, ours_alone = (figures["whole_job"].get(name) for name in ("refrain", "refrain-stream"))
    names = {
        "refrain": ("Refrain", ours),
        "faust-torch": ("stock Faust, network in torch", ours),
        "quix-torch": ("Quix Streams, network in torch", ours),
        "faust-compiled": ("stock Faust, our compiled step", ours),
        "quix-compiled": ("Quix Streams, our compiled step", ours),
        "refrain-stream": ("Refrain, the stream alone", ours_alone),
        "kafka-streams": ("Kafka Streams, the stream alone", ours_alone),
    }
    rows = []
    for name, (title, against) in names.items():
        if found := figures["whole_job"].get(name):
            ratio = f"{found['cpu_us_per_play'] / against['cpu_us_per_play']:.1f}" if against else ""
            rows.append((title, found["cpu_us_per_play"], found["plays_per_s"], ratio))
    remark = (
        "The same plays, network and lists, one process each; CPU of the process and all it starts. Stock Faust is at "
        "least once, the others exactly once. Peers go play by play, keep states as raw bytes and have producers that "
        "wait for batches. With the network in torch they are what people would build instead; with our compiled step "
        "they call Refrain's own code, with batches of one."
    )
    return Table(remark, ("", "us of CPU a play", "plays/s", "times Refrain's CPU"), rows, 1)


def _latency(figures: Figures) -> Table:
    rows = [
        (f"{row['plays_per_s']:,.0f} plays/s", row["p50_ms"], row["p99_ms"], f"{row['core_share']:.0%}")
        for row in figures["latency"]
    ]
    remark = (
        f"From a play given to a producer to its committed short-term list: one worker, {figures['tracks']:,} tracks, "
        f"{figures['listeners']:,} listeners with full rings, both stages. From a backlog the worker answers "
        f"{figures['backlog_plays_per_s']:,} plays/s."
    )
    return Table(remark, ("", "p50, ms", "p99, ms", "of a core"), rows, 1)


def _open_pages(figures: Figures) -> Table:
    low, high = figures["interval"]
    rows = [
        (f"{figures['plays_per_s']} plays/s, without pages", f"{figures['of_a_core_without']:.1%}", ""),
        (f"{figures['pages']} open pages", f"{figures['of_a_core']:.1%}", f"{low:.1%} to {high:.1%}"),
    ]
    remark = (
        "A worker at a steady rate, with open pages and without, in turn; each page follows the events of the stream "
        f"and a listener who plays every few seconds. {figures['tracks']:,} tracks, both stages; the median of "
        f"{figures['windows']} windows with pages against those around them. A busy core has so much less for plays."
    )
    return Table(remark, ("", "of a core", "95 % interval"), rows)


def _browsing(figures: Figures) -> Table:
    names = {"now": "Now", "listener": "a listener who plays twice a second", "map": "the map while it moves"}
    spreads = {
        "first paint": figures["first_paint_ms"],
        "what if, from the click to both lists": figures["what_if"]["lists_ms"],
        **{f"frames of {title}": figures[view]["frame_ms"] for view, title in names.items()},
    }
    rows = [(f"{name}, ms", *(spread[of] for of in ("min", "median", "max"))) for name, spread in spreads.items()]
    late = ", ".join(
        f"{figures[view]['late']} of {figures[view]['frames']} of {title}" for view, title in names.items()
    )
    cpu = ", ".join(f"{figures[view]['of_a_core']:.1%} for {title}" for view, title in names.items())
    task = ", ".join(f"{figures[view]['longest_task_cpu_ms']} ms for {title}" for view, title in names.items())
    remark = (
        "Headless Chromium without a graphics processor, which goes before Kafka and two workers that answer "
        f"{figures['plays_per_s']} plays/s on the same cores. The page loads {figures['bytes']['total']:,} bytes. "
        f"Its main thread takes, of a core: {cpu}; its longest task, in CPU: {task}. Frames above 25 ms: {late}. "
        f"A worker says that a what if took it {figures['what_if']['worker_ms']} ms."
    )
    return Table(remark, ("", "least", "median", "most"), rows)


def _listeners(figures: Figures) -> Table:
    rows = [
        (
            f"{row['listeners']:,} listeners", row["cpu_us_per_play"],
            row["disk_bytes_per_listener"], row["recovered_s"],
        )
        for row in figures["listeners"]
    ]  # fmt: skip
    remark = "Plays of random listeners with full records, without the network, after a recovery from a lost disk."
    return Table(remark, ("", "us of CPU a play", "bytes a listener on disk", "s to recover a lost disk"), rows, 1)


def _training(figures: Figures) -> Table:
    rows = [
        (
            f"{row['tracks']:,} tracks, {row['plays']:,} plays", row["fit_plays_per_s"],
            row["item_vectors_plays_per_s"], row["plays_mb"], row["peak_mb"],
        )
        for row in figures["training"]
    ]  # fmt: skip
    remark = (
        "Plays that a fit of the network passes through per second of CPU, on one thread: passes over the plays, item "
        "vectors included. Memory before the fit, which holds the plays, and at its peak."
    )
    return Table(remark, ("", "plays/s", "plays/s of item vectors", "MB before", "peak MB"), rows, 1)


def _counting(figures: Figures) -> Table:
    rows = [
        (
            f"{row['tracks']:,} tracks, {row['plays']:,} plays", row["cpu_s_per_million_plays"],
            row["peak_before_mb"], row["peak_mb"], row["result_mb"],
        )
        for row in figures["counting"]
    ]  # fmt: skip
    remark = (
        "What the counts of a second stage cost. Plays are read in shards of 500,000, so that memory is the counting's."
    )
    return Table(remark, ("", "s of CPU a million plays", "MB before", "peak MB", "MB of counts"), rows, 1)


def _taking_up(figures: Figures) -> Table:
    rows = [
        (
            f"{row['tracks']:,} tracks, from {_FROM[row['from']]}", row["cpu_s"], row["longest_pause_ms"],
            row["idle_pause_ms"], row["after_mb"]["own"], row["after_mb"]["own"] + row["after_mb"]["mapped"],
            row["after_mb"]["peak"],
        )
        for row in figures["taking_up"]
    ]  # fmt: skip
    remark = (
        "A release that a running worker takes up. Pauses are those of its event loop, beside the longest without a "
        "release; memory is that of the process afterwards, without and with mapped files, and at its peak."
    )
    columns = ("", "s of CPU", "longest pause, ms", "idle, ms", "MB", "MB with files", "peak MB")
    return Table(remark, columns, rows, 1)


def _plain(figures: Figures) -> Table:
    """Lay out what another benchmark printed, number by number."""
    flat = list(_flatten({name: value for name, value in figures.items() if name not in ("load", "commit")}))
    return Table("", ("", "figure"), [(name, value) for name, value in flat])


def _flatten(value: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [pair for key, inner in value.items() for pair in _flatten(inner, f"{name} {key}".strip())]
    if isinstance(value, list):
        return [pair for place, inner in enumerate(value, 1) for pair in _flatten(inner, f"{name} {place}".strip())]
    return [(name.replace("_", " "), value)]


_FROM: Final = {"store": "the store", "own copy": "its own copy"}

_TABLES: Final[Mapping[str, Callable[[Figures], Table]]] = {
    "step": _step, "stream": _stream, "whole job": _whole_job, "latency": _latency, "open pages": _open_pages,
    "browsing": _browsing, "listeners": _listeners, "taking up": _taking_up, "training": _training,
    "counting": _counting,
}  # fmt: skip


def tables_of(result: Figures) -> dict[str, Table]:
    """Lay out every section that has figures."""
    return {name: _TABLES.get(name, _plain)(figures) for name, figures in result["figures"].items()}


def draw_document(result: Figures) -> str:
    """Write the figures as Markdown."""
    parts = [f"# Benchmarks\n\nWritten by `make bench`. {_machine(result)}\n"]
    for name, table in tables_of(result).items():
        remark = f"{table.remark} {_begun(result['figures'][name])}".strip()
        parts.append(f"\n## {name.capitalize()}\n\n{remark}\n\n`{result['commands'][name]}`\n\n")
        parts.append(_row(table.columns) + "|---" + "|--:" * (len(table.columns) - 1) + "|\n")
        parts += [_row([_text(cell) for cell in row]) for row in table.rows]
    parts += [f"\n{name}: {reason}.\n" for name, reason in result["failed"].items()]
    return "".join(parts)


def draw_page(result: Figures) -> str:
    """Write the page."""
    sections = "".join(_section(name, table, result) for name, table in tables_of(result).items())
    failed = "".join(f"<p><b>{escape(name)}</b> {escape(reason)}.</p>" for name, reason in result["failed"].items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Benchmarks</title><style>{STYLE}</style>'
        f"</head><body><header><h1>What Refrain costs</h1><p>{escape(_machine(result))}</p></header>"
        f"<main>{failed}{sections}</main></body></html>\n"
    )


def _section(name: str, table: Table, result: Figures) -> str:
    remark = f"{table.remark} {_begun(result['figures'][name])}".strip()
    return (
        f"<section><h2>{escape(name.capitalize())}</h2><p>{escape(remark)}</p>{_bars(table)}{_html(table)}"
        f"<details><summary>command</summary><code>{escape(result['commands'][name])}</code></details></section>"
    )


def _machine(result: Figures) -> str:
    machine = result["machine"]
    return (
        f"Measured on {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Python {machine['python']}, torch {machine['packages'].get('torch')}, "
        f"numba {machine['packages'].get('numba')}."
    )


def _begun(figures: Figures) -> str:
    return f"Commit {figures['commit']}, a load of {figures['load']['one_minute']} when it began."


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _text(cell: Any) -> str:
    if isinstance(cell, float) or (isinstance(cell, int) and not isinstance(cell, bool)):
        return f"{cell:,.1f}" if cell < 1000 and cell != int(cell) else f"{cell:,.0f}"
    return str(cell)


def _html(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    body = "".join(
        f"<tr><th>{escape(str(row[0]))}</th>{''.join(f'<td>{escape(_text(cell))}</td>' for cell in row[1:])}</tr>"
        for row in table.rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _bars(table: Table) -> str:
    """Draw a column as bars on a logarithmic axis, since figures span four orders of magnitude."""
    if table.drawn is None or not table.rows:
        return ""
    values = [max(float(row[table.drawn]), 1e-3) for row in table.rows]
    low, high = math.floor(math.log10(min(values)) - 0.3), math.log10(max(values))
    width, left, height = 740, 270, 26
    parts = []
    for place, (row, value) in enumerate(zip(table.rows, values, strict=True)):
        y, length = place * height + 4, (math.log10(value) - low) / max(high - low, 0.1) * (width - left - 80)
        parts.append(
            f'<text class="name" text-anchor="end" x="{left - 10}" y="{y + 14}">{escape(str(row[0]))}</text>'
            f'<rect x="{left}" y="{y}" width="{length:.1f}" height="18" rx="3" fill="var(--c0)"/>'
            f'<text class="value" x="{left + length + 6:.1f}" y="{y + 14}">{_text(row[table.drawn])}</text>'
        )
    label = f"{escape(table.columns[table.drawn])}, logarithmic"
    parts.append(f'<text x="{left}" y="{len(values) * height + 18}">{label}</text>')
    return f'<svg viewBox="0 0 {width} {len(values) * height + 26}" role="img">{"".join(parts)}</svg>'
