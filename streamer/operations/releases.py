"""The command `releases`: its arguments, and what it prints."""

import argparse
import asyncio
import json
import sys
import textwrap
import time
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from models.evaluation.gate import span
from models.release_files import Description, Json
from streamer.errors import ReleaseError
from streamer.releases.alias import find_champions
from streamer.releases.promotion import Promotion, promote, roll_back
from streamer.releases.registry import Refusal, RegisteredRelease, Registry
from streamer.settings import Settings
from streamer.wire.messages import ReleaseNotice

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse has no other name for it

_Told = TypeVar("_Told")

_COLUMNS: Final = ("", "release", "age", "plays", "HR@20", "verdict")
_RIGHT: Final = ("age", "plays", "HR@20")
_NUM_REFUSALS: Final = 5  # the latest are what explains why the champion is old
_PLAIN_WIDTH: Final = 100

_ROLLBACK: Final = """
Make the older release champion that was champion before this one; called again, it goes further back. Where the topic
of releases has forgotten which that was, it is the next older one there is. Each is verified first, byte by byte; one
that is gone or damaged is passed over. A trainer that runs goes on: it may release again as soon as something passes
the gate against the champion of then. To keep an old release, stop the trainer.
"""


def add_releases(commands: "Commands") -> None:
    """Add `releases list`, `show`, `promote` and `rollback`."""
    parser = commands.add_parser("releases", help="list and show releases, and choose the champion by hand")
    actions = parser.add_subparsers(required=True)
    listing = actions.add_parser("list", help="what there is, which is champion, and what was refused lately")
    listing.set_defaults(run=lambda settings, _: _list(settings))
    showing = actions.add_parser("show", help="all that is known of a release")
    showing.add_argument("release", metavar="ID", help="as `list` names it")
    showing.set_defaults(run=lambda settings, given: _show(settings, given.release))
    promoting = actions.add_parser("promote", help="make a release champion, once every byte of it is verified")
    promoting.add_argument("release", metavar="ID", help="as `list` names it")
    promoting.set_defaults(run=lambda settings, given: _tell(_wait_for(promote(settings, given.release))))
    back = actions.add_parser("rollback", help="make the release champion that was before", description=_ROLLBACK)
    back.set_defaults(run=lambda settings, _: _tell(_wait_for(roll_back(settings))))


def _list(settings: Settings) -> None:
    champions = _wait_for(find_champions(settings.kafka_bootstrap_servers, settings.releases_topic))
    shelf = Registry(settings.releases_url)
    try:
        shelved = [shelf.look_at(release_id) for release_id in shelf.ids()]
        refusals = shelf.refusals()[-_NUM_REFUSALS:]
    except OSError as exc:
        raise ReleaseError(f"{shelf.url} cannot be read: {exc}; see that REFRAIN_RELEASES_URL can be reached") from exc
    now_ms = time.time_ns() // 1_000_000
    console = Console()
    if not shelved:
        console.print(f"There is no release under {shelf.url} yet.", soft_wrap=True, highlight=False)
    else:
        rows = [release_row(each, champions, now_ms) for each in reversed(shelved)]
        print_table(console, _COLUMNS, rows)
    if gone := _gone(champions, shelved):
        console.print(gone, style="bold red", soft_wrap=True, highlight=False)
    if refusals:
        console.print(f"Refused, the latest {len(refusals)}:", highlight=False)
        print_table(console, ("age", "trigger", "reason"), [_refusal_row(each, now_ms) for each in reversed(refusals)])


def _show(settings: Settings, release_id: str) -> None:
    shelf = Registry(settings.releases_url)
    try:
        shelved = shelf.look_at(release_id)
    except OSError as exc:
        raise ReleaseError(f"{shelf.url} cannot be read: {exc}; see that REFRAIN_RELEASES_URL can be reached") from exc
    if shelved.description is None:
        raise ReleaseError(shelved.fault)
    sys.stdout.write(description_text(shelved.location, shelved.description))


def release_row(shelved: RegisteredRelease, champions: Sequence[ReleaseNotice], now_ms: int) -> tuple[str, ...]:
    """Tell of a release in a line: mark, id, age, plays, HR@20, verdict in short."""
    ids = [notice.release_id for notice in champions]
    mark = (
        {1: "champion", 2: "before"}.get(len(ids) - ids.index(shelved.release_id), "")
        if shelved.release_id in ids
        else ""
    )
    description = shelved.description
    if description is None:
        return mark, shelved.release_id, "-", "-", "-", f"DAMAGED: {shelved.fault}"
    verdict = description.metrics.get("verdict")
    return (
        mark,
        shelved.release_id,
        span((now_ms - description.created_at_ms) / 1000),
        f"{description.data_window.num_plays:,}",
        _hit_rate(description.metrics),
        verdict.split(". ")[0] if isinstance(verdict, str) else "-",
    )


def description_text(location: str, description: Description) -> str:
    """Tell all of a release: manifest, verdict and metrics."""
    window = description.data_window
    verdict = description.metrics.get("verdict")
    facts = {
        "release": description.release_id,
        "location": location,
        "created": _date(description.created_at_ms),
        "manifest": f"sha256 {description.manifest_sha256}",
        "fitted on": f"{window.num_plays:,} plays of {window.num_listeners:,} listeners",
        "": f"from {_date(window.from_ms)} to {_date(window.until_ms)}",
    }
    lines = [f"{name:10} {fact}" for name, fact in facts.items()]
    lines += [f"{'file' if not place else '':10} {name:20} sha256 {sha256}"
              for place, (name, sha256) in enumerate(sorted(description.files.items()))]  # fmt: skip
    lines += ["", *textwrap.wrap(verdict if isinstance(verdict, str) else "There is no verdict on it.", _PLAIN_WIDTH)]
    measured = {name: value for name, value in description.metrics.items() if name != "verdict"}
    return "\n".join([*lines, "", json.dumps(measured, indent=2, ensure_ascii=False), ""])


def print_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: to look at where the console is a terminal, a line a row where something else reads it."""
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


def _tell(promotion: Promotion) -> None:
    for passed_over in promotion.passed_over:
        sys.stdout.write(f"passed over {passed_over}\n")
    release_id = promotion.release.release_id
    before = f", instead of {promotion.before}" if promotion.before not in {None, release_id} else ""
    sys.stdout.write(
        f"{release_id} is champion now{before}: every byte is verified, and workers take it up within seconds.\n"
    )


def _wait_for(answer: Coroutine[None, None, _Told]) -> _Told:
    try:
        return asyncio.run(answer)
    except OSError as exc:
        raise ReleaseError(f"{exc}; see that REFRAIN_RELEASES_URL can be reached, then call again") from exc


def _gone(champions: Sequence[ReleaseNotice], shelved: Sequence[RegisteredRelease]) -> str:
    if not champions:
        return "No release is champion: workers answer nothing." if shelved else ""
    champion = champions[-1]
    if champion.release_id in {each.release_id for each in shelved}:
        return ""
    return f"The champion {champion.release_id} is not among them; it was announced at {champion.location}."


def _refusal_row(refusal: Refusal, now_ms: int) -> tuple[str, ...]:
    return span((now_ms - refusal.at_ms) / 1000), refusal.trigger, refusal.reason


def _hit_rate(metrics: Mapping[str, Json]) -> str:
    found: Json = dict(metrics)
    for name in ("gate", "candidate", "HR@20", "mean"):
        found = found.get(name) if isinstance(found, dict) else None
    return f"{found:.3f}" if isinstance(found, float) else "-"


def _date(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
