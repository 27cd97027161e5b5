"""Naming the tracks of a simulated world: made-up records, written to the catalogue once."""

from streamer.kafka.catalogue import find_known, write_entries
from streamer.kafka.connection import Connection
from streamer.local.names import made_up_records
from streamer.local.world import Music
from streamer.wire.catalogue import encode_record


async def name_tracks(connection: Connection, topic: str, music: Music) -> int:
    """Name the tracks of which the catalogue says nothing, not even that they are withdrawn; return how many.

    Raises:
        ContractError: there is no such topic.
    """
    known = await find_known(connection, topic)
    named = made_up_records(music)
    return await write_entries(
        connection, topic, ((track_id, encode_record(record)) for track_id, record in named if track_id not in known)
    )
