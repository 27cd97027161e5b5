"""A group of workers whose description is written by hand, instead of by a coordinator."""

import msgspec
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from streamer.kafka.connection import Connection
from streamer.kafka.groups import Member
from streamer.queries.owners import Owners

_PLAYS, _STATES = "plays", "states"


def member(name: str, url: str, partitions: tuple[int, ...], user_data: bytes = b"") -> Member:
    """Return a worker that answers some of four partitions, and tells its address, or something else."""
    told = user_data or msgspec.json.encode({"url": url})
    assigned = [(_PLAYS, list(partitions)), (_STATES, [0, 1, 2, 3])]
    return Member(
        name, "", "faust", "::1", ConsumerProtocolMemberMetadata(4, [_PLAYS], told).encode(),
        ConsumerProtocolMemberAssignment(4, assigned, b"").encode(),
    )  # fmt: skip


def told_owners(address: str = "nowhere.invalid:9092") -> Owners:
    """Return owners that know what they are told; before that, they ask in vain at an address."""
    return Owners(Connection.parse(address), "group", _PLAYS, _STATES, clock=lambda: 0.0)
