"""The command `catalogue`: what tracks are called, and which are withdrawn."""

import asyncio
import sys
from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click
import msgspec

from models.wording import plural
from streamer.kafka.access import once_admitted
from streamer.kafka.connection import connection_of
from streamer.kafka.rights import Right, catalogue_reader_rights, catalogue_writer_rights
from streamer.operations.shapes import CatalogueShown, CatalogueTrack, to_json
from streamer.runtime.commands import Group, json_option, pass_settings
from streamer.runtime.questions import is_confirmed, refuse_unless_asked
from streamer.sections import KAFKA

if TYPE_CHECKING:
    from streamer.operations.catalogue_files import Loading
    from streamer.settings import Settings
    from streamer.wire.catalogue import Entry

_Result = TypeVar("_Result")
_READS: Final = (*KAFKA, "catalogue_topic")


@click.group(cls=Group)
def catalogue() -> None:
    """Show and load what tracks are called, and withdraw tracks from all lists."""


@catalogue.command("show", examples=["refrain catalogue show", "refrain catalogue show t9 --json"], reads=_READS)
@click.argument("tracks", nargs=-1, metavar="[TRACK]...")
@json_option(CatalogueShown)
@pass_settings
def _show(settings: "Settings", *, tracks: tuple[str, ...], as_json: bool) -> None:
    """Print what the catalogue says of tracks, or of all.

    TRACK is the id of a track. The whole topic is read, whatever is asked for.
    """
    from streamer.kafka.catalogue import find_entries

    call = find_entries(connection_of(settings), settings.catalogue_topic, tracks)
    shown = shape_of(_run(settings, catalogue_reader_rights(settings), call), tracks)
    sys.stdout.write(to_json(shown) if as_json else "".join(f"{line_of(each)}\n" for each in shown.tracks))


@catalogue.command(
    "load", examples=["refrain catalogue load tracks.jsonl", "refrain catalogue load my_spotify_data.zip"], reads=_READS
)
@click.argument("file", type=click.Path(path_type=Path))
@pass_settings
def _load(settings: "Settings", *, file: Path) -> None:
    """Write the tracks of a file to the catalogue.

    FILE has a record of the catalogue in each line, as JSON with its `track_id`; each is written, and returns its
    track if that was withdrawn. Or it is a recording of plays, as for `refrain send`: then the titles, artists and
    albums in it are written for tracks of which the catalogue says nothing yet.
    """
    from streamer.operations.catalogue_files import Loading

    loading = Loading(file)
    num = _run(settings, catalogue_writer_rights(settings), _write(settings, loading))
    sys.stdout.write(f"{plural(num, 'record')} written to {settings.catalogue_topic}\n")
    if loading.num_refused:
        sys.stdout.write(f"{loading.num_refused} refused, as the topic would; the first: {loading.first_refusal}\n")


@catalogue.command("withdraw", examples=["refrain catalogue withdraw t9 --yes"], reads=_READS)
@click.argument("tracks", nargs=-1, required=True, metavar="TRACK...")
@click.option("--yes", is_flag=True, help="do not ask")
@pass_settings
def _withdraw(settings: "Settings", *, tracks: tuple[str, ...], yes: bool) -> None:
    """Withdraw tracks: they leave all lists until a record of theirs is written.

    TRACK is the id of a track. Their names are removed from the catalogue.
    """
    from streamer.kafka.catalogue import write_entries
    from streamer.wire.catalogue import read_entry

    for each in tracks:
        if refusal := read_entry(each.encode(), None).refusal:
            raise click.BadParameter(refusal.reason, param_hint="TRACK")
    if not yes:
        refuse_unless_asked("--yes; `refrain catalogue show` shows what would be removed")
        if not is_confirmed(f"Withdraw {', '.join(map(repr, tracks))} from all lists?"):
            sys.stdout.write("nothing was changed\n")
            return
    values = [(each, None) for each in tracks]
    call = write_entries(connection_of(settings), settings.catalogue_topic, values)
    num = _run(settings, catalogue_writer_rights(settings), call)
    sys.stdout.write(f"{num} withdrawn; workers that run leave them out with their next answers\n")


def shape_of(entries: "Mapping[str, Entry]", track_ids: Iterable[str]) -> CatalogueShown:
    """Describe entries in the order asked for, or by id; tracks without one are left out."""
    wanted = list(track_ids) or sorted(entries)
    return CatalogueShown(tuple(_track_of(entries[each]) for each in wanted if each in entries))


def line_of(track: CatalogueTrack) -> str:
    """Describe a track in a line."""
    from streamer.letters.texts import escape

    if track.is_withdrawn:
        says = "withdrawn"
    elif track.refused:
        says = f"refused: {track.refused}"
    else:
        says = ", ".join(track.artists) + (f": {track.title}" if track.artists and track.title else track.title or "")
        says += f" ({track.album})" if track.album else ""
    return f"{escape(track.id):24} {escape(says)}".rstrip()


def _track_of(entry: "Entry") -> CatalogueTrack:
    if entry.record is None:
        refused = entry.refusal.reason if entry.refusal else None
        return CatalogueTrack(entry.track_id, is_withdrawn=entry.withdraws, refused=refused)
    return CatalogueTrack(entry.track_id, **msgspec.structs.asdict(entry.record))


async def _write(settings: "Settings", loading: "Loading") -> int:
    from streamer.kafka.catalogue import find_known, write_entries

    connection, topic = connection_of(settings), settings.catalogue_topic
    known = frozenset() if loading.holds_records else await find_known(connection, topic)
    return await write_entries(connection, topic, (each for each in loading.values() if each[0] not in known))


def _run(settings: "Settings", rights: list[Right], call: Coroutine[None, None, _Result]) -> _Result:
    return asyncio.run(once_admitted(connection_of(settings), rights, call))
