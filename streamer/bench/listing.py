"""The output of `bench`."""

from collections.abc import Iterator
from typing import Final

from streamer.bench.capacity import conclude
from streamer.bench.shapes import BenchShown, MeasuredBatch

_NAME: Final = 22
_COLUMN: Final = 9


def to_text(shown: BenchShown) -> str:
    """Lay a measurement out for a reader, ending with a newline."""
    return "\n".join([*_head(shown), "", *_batches(shown), "", *_store(shown), "", conclude(shown.capacity)]) + "\n"


def _head(shown: BenchShown) -> Iterator[str]:
    yield (
        f"Refrain {shown.version} on {shown.device}, {shown.threads} of {shown.cores} cores for a step; a load of "
        f"{shown.load:g} before"
    )
    name = "a made-up release" if shown.release is None else f"release {shown.release}"
    stages = "both stages" if shown.stages == 2 else "one stage"
    yield f"{name} of {shown.tracks:,} tracks, {stages}; {shown.listeners:,} made-up listeners"


def _batches(shown: BenchShown) -> Iterator[str]:
    batches = shown.batches
    yield _row("plays in a batch", [f"{each.plays:,}" for each in batches])
    yield _row("plays/s, at most", [f"{each.plays_per_s:,}" for each in batches])
    yield _row("us of CPU a play", [f"{each.cpu_us:,.1f}" for each in batches])
    for step in batches[0].steps_us:
        yield _row(f"  {step}", [f"{each.steps_us[step]:,.1f}" for each in batches])
    yield _row("ms a batch, p50", [f"{each.p50_ms:,.2f}" for each in batches])
    yield _row("ms a batch, p99", [f"{each.p99_ms:,.2f}" for each in batches])
    yield from _transactions(batches)


def _transactions(batches: tuple[MeasuredBatch, ...]) -> Iterator[str]:
    found = [each.transaction for each in batches if each.transaction is not None]
    if found:
        yield _row("transaction, ms, p50", [f"{each.p50_ms:,.2f}" for each in found])
        yield _row("transaction, ms, p99", [f"{each.p99_ms:,.2f}" for each in found])
        yield _row("  us of CPU a play", [f"{each.cpu_us:,.1f}" for each in found])


def _store(shown: BenchShown) -> Iterator[str]:
    store = shown.store
    yield (
        f"The store takes {store.read_us:g} us of CPU to read a state and {store.write_us:g} us to write one, and "
        f"{store.bytes_per_listener:,.0f} bytes a listener on the disk."
    )


def _row(name: str, cells: list[str]) -> str:
    return f"{name:{_NAME}}" + "".join(f"{cell:>{_COLUMN}}" for cell in cells)
