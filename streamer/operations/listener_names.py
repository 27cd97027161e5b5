"""The names of the tracks that a listener played or is recommended, from the catalogue."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from msgspec.structs import replace

from models.plays.catalogue import track_key
from streamer.errors import ContractError
from streamer.kafka.catalogue import find_named
from streamer.kafka.connection import Connection
from streamer.operations.shapes import ListedTrack, ListenerShown, ListenersShown, RememberedPlay, ShownList
from streamer.wire.catalogue import Entry


async def with_names(connection: Connection, topic: str, shown: ListenersShown) -> ListenersShown:
    """Return the same with the names of the tracks that have one; with ids, where there is no catalogue."""
    keys = {key for each in shown.partitions for key in _keys(each)}
    entries: Mapping[int, Entry] = {}
    with suppress(ContractError):
        entries = await find_named(connection, topic, keys) if keys else {}
    return replace(shown, partitions=tuple(_named(each, entries) for each in shown.partitions))


def _keys(shown: ListenerShown) -> Iterator[int]:
    yield from (int(play.track_key, 16) for play in (shown.state.ring if shown.state else ()))
    yield from (track_key(track.id) for each in shown.lists for track in each.tracks)


def _named(shown: ListenerShown, entries: Mapping[int, Entry]) -> ListenerShown:
    def play(each: RememberedPlay) -> RememberedPlay:
        if (entry := entries.get(int(each.track_key, 16))) is None:
            return each
        known = replace(each, track=entry.track_id)
        return replace(known, title=entry.record.title, artists=entry.record.artists) if entry.record else known

    def track(each: ListedTrack) -> ListedTrack:
        entry = entries.get(track_key(each.id))
        named = entry is not None and entry.record
        return replace(each, title=named.title, artists=named.artists) if named else each

    def listed(each: ShownList) -> ShownList:
        return replace(each, tracks=tuple(map(track, each.tracks)))

    state = replace(shown.state, ring=tuple(map(play, shown.state.ring))) if shown.state else None
    return replace(shown, state=state, lists=tuple(map(listed, shown.lists)))
