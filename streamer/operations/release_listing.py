"""The output of `releases list` and `releases show`."""

import json
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from models.evaluation.age import span
from models.release_files import Description, Json
from models.wording import plural
from streamer.errors import ReleaseError
from streamer.operations.shapes import ListedRefusal, ListedRelease, ReleaseShown, ReleasesShown
from streamer.releases.judgement import first_sentence, measured_hit_rate, verdict_of
from streamer.releases.overview import look_over, mark_of
from streamer.releases.registry import Refusal, RegisteredRelease, Registry
from streamer.releases.store import Store
from streamer.wire.messages import ReleaseNotice

_COLUMNS: Final = ("", "release", "age", "plays", "HR@20", "verdict")
_RIGHT: Final = ("age", "plays", "HR@20")
_PLAIN_WIDTH: Final = 100


def releases_shown(releases_url: str, champions: Sequence[ReleaseNotice]) -> ReleasesShown:
    """Return what `print_releases` prints.

    Raises:
        StoreError: the store fails.
    """
    overview = look_over(Registry(Store(releases_url)), champions)
    return ReleasesShown(
        champion=champions[-1].release_id if champions else None,
        releases=tuple(_listed(each, champions) for each in overview.releases),
        refusals=tuple(ListedRefusal(each.at_ms, each.trigger, each.reason) for each in overview.refusals),
    )


def release_shown(releases_url: str, release_id: str) -> ReleaseShown:
    """Return what `print_release` prints.

    Raises:
        ReleaseError: the release is damaged, or the store fails.
    """
    release = Registry(Store(releases_url)).look_at(release_id)
    if (description := release.description) is None:
        raise ReleaseError(release.fault)
    window = description.data_window
    return ReleaseShown(
        id=description.release_id,
        location=release.location,
        created_at_ms=description.created_at_ms,
        manifest_sha256=description.manifest_sha256,
        from_ms=window.from_ms,
        until_ms=window.until_ms,
        num_plays=window.num_plays,
        num_listeners=window.num_listeners,
        files=dict(description.files),
        verdict=verdict_of(description.metrics),
        metrics={name: value for name, value in description.metrics.items() if name != "verdict"},
    )


def print_releases(releases_url: str, champions: Sequence[ReleaseNotice]) -> None:
    """Print all releases, which one is champion, and the latest refusals.

    Args:
        releases_url: fsspec URL of the directory that holds the releases.
        champions: the releases that the alias has named, oldest first.

    Raises:
        StoreError: the store fails.
    """
    overview = look_over(Registry(Store(releases_url)), champions)
    now_ms = time.time_ns() // 1_000_000
    console = Console()
    if not overview.releases:
        console.print(f"There is no release under {overview.location} yet.", soft_wrap=True, highlight=False)
    else:
        print_table(console, _COLUMNS, [release_row(each, champions, now_ms) for each in overview.releases])
    if overview.gone:
        console.print(overview.gone, style="bold red", soft_wrap=True, highlight=False)
    if overview.refusals:
        console.print(f"Refused, the latest {len(overview.refusals)}:", highlight=False)
        print_table(console, ("age", "trigger", "reason"), [_refusal_row(each, now_ms) for each in overview.refusals])


def print_release(releases_url: str, release_id: str) -> None:
    """Print a release in full.

    Raises:
        ReleaseError: the release is damaged, or the store fails.
    """
    release = Registry(Store(releases_url)).look_at(release_id)
    if release.description is None:
        raise ReleaseError(release.fault)
    sys.stdout.write(description_text(release.location, release.description))


def release_row(release: RegisteredRelease, champions: Sequence[ReleaseNotice], now_ms: int) -> tuple[str, ...]:
    """Summarise a release in one row: mark, id, age, plays, HR@20, first sentence of the verdict."""
    mark = mark_of(release.release_id, champions)
    description = release.description
    if description is None:
        return mark, release.release_id, "-", "-", "-", f"DAMAGED: {release.fault}"
    return (
        mark,
        release.release_id,
        span((now_ms - description.created_at_ms) / 1000),
        f"{description.data_window.num_plays:,}",
        _hit_rate(description.metrics),
        first_sentence(description.metrics) or "not judged",
    )


def description_text(location: str, description: Description) -> str:
    """Describe a release in full: manifest, verdict and metrics."""
    window = description.data_window
    facts = {
        "release": description.release_id,
        "location": location,
        "created": _date(description.created_at_ms),
        "manifest": f"sha256 {description.manifest_sha256}",
        "fitted on": f"{plural(window.num_plays, 'play')} of {plural(window.num_listeners, 'listener')}",
        "": f"from {_date(window.from_ms)} to {_date(window.until_ms)}",
    }
    lines = [f"{name:10} {fact}" for name, fact in facts.items()]
    lines += [f"{'file' if not place else '':10} {name:20} sha256 {sha256}"
              for place, (name, sha256) in enumerate(sorted(description.files.items()))]  # fmt: skip
    lines += ["", *textwrap.wrap(verdict_of(description.metrics) or "It was not judged.", _PLAIN_WIDTH)]
    measured = {name: value for name, value in description.metrics.items() if name != "verdict"}
    return "\n".join([*lines, "", json.dumps(measured, indent=2, ensure_ascii=False), ""])


def print_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: formatted on a terminal, otherwise as plain text with one line per row."""
    if not console.is_terminal:
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        for row in (columns, *rows):
            cells = [
                cell.rjust(width) if name in _RIGHT else cell.ljust(width)
                for name, cell, width in zip(columns, row, widths, strict=True)
            ]
            console.file.write("  ".join(cells).rstrip() + "\n")
        return
    table = Table(box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, justify="right" if name in _RIGHT else "left", no_wrap=name not in {"verdict", "reason"})
    for row in rows:
        table.add_row(*row, style="bold green" if row[0] == "champion" else None)
    console.print(table)


def _listed(release: RegisteredRelease, champions: Sequence[ReleaseNotice]) -> ListedRelease:
    mark, description = mark_of(release.release_id, champions), release.description
    if description is None:
        return ListedRelease(release.release_id, mark, release.location, fault=release.fault)
    return ListedRelease(
        id=release.release_id,
        mark=mark,
        location=release.location,
        created_at_ms=description.created_at_ms,
        num_plays=description.data_window.num_plays,
        hit_rate_at_20=measured_hit_rate(description.metrics),
        verdict=verdict_of(description.metrics),
    )


def _refusal_row(refusal: Refusal, now_ms: int) -> tuple[str, ...]:
    return span((now_ms - refusal.at_ms) / 1000), refusal.trigger, refusal.reason


def _hit_rate(metrics: Mapping[str, Json]) -> str:
    value = measured_hit_rate(metrics)
    return "-" if value is None else f"{value:.3f}"


def _date(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
