"""The workers of a group, read from what its members tell each other in Faust's format."""

import struct
from collections.abc import Collection
from dataclasses import dataclass

import msgspec
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from streamer.addresses import parse_web_url
from streamer.kafka.groups import Member


@dataclass(frozen=True, slots=True)
class Peer:
    """A worker, as the other members of its group see it.

    Attributes:
        member_id: its name in the group.
        identity: its static one, or its name in the group if it has none.
        url: where its web server answers; empty if it told none that could be asked.
        partitions: of the plays that it answers, in order.
        standbys: partitions whose states it keeps as a replica, in order.
    """

    member_id: str
    identity: str
    url: str
    partitions: tuple[int, ...]
    standbys: tuple[int, ...]


class _Told(msgspec.Struct):
    """What Faust's members tell each other, as far as it matters here."""

    url: str


_DECODER = msgspec.json.Decoder(_Told)


def read_peer(member: Member, plays_topic: str, changelog_topic: str) -> Peer | None:
    """Read a member of a group that does not move; None if it is no worker.

    A worker is assigned the partitions that it answers in both topics, and those it keeps as a replica in the changelog
    alone.
    """
    try:
        told = _DECODER.decode(ConsumerProtocolMemberMetadata.decode(member.subscription).user_data or b"")
        assigned = ConsumerProtocolMemberAssignment.decode(member.assignment).assignment
    except (msgspec.DecodeError, ValueError, struct.error):  # as aiokafka raises them for other formats
        return None
    by_topic = {topic: frozenset(partitions) for topic, partitions in assigned}
    partitions = by_topic.get(plays_topic, frozenset())
    return Peer(
        member.member_id,
        member.identity or member.member_id,
        _checked(told.url),
        _sorted(partitions),
        _sorted(by_topic.get(changelog_topic, frozenset()) - partitions),
    )


def _checked(url: str) -> str:
    try:
        return parse_web_url(url)
    except ValueError:
        return ""


def _sorted(partitions: Collection[int]) -> tuple[int, ...]:
    return tuple(sorted(partitions))
