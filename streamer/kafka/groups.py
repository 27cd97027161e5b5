"""Consumer groups as their coordinator describes them: the state of a group, and what each member has said and got."""

from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import for_code
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

from streamer.errors import ContractError

#: The state of a group whose members all know their partitions; in any other, partitions are being shared out.
_STABLE: Final = "Stable"


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group.

    Attributes:
        member_id: its name in the group, drawn by Kafka.
        identity: its static one; empty if it has none.
        client: what its client calls itself.
        host: from which it connects, as the broker sees it.
        subscription: what it told the group when it joined, in the consumer protocol; empty while the group moves.
        assignment: what it got, in the consumer protocol; empty while the group moves.
    """

    member_id: str
    identity: str
    client: str
    host: str
    subscription: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """A group; without members if there is none of its name.

    Attributes:
        is_moving: whether its partitions are being shared out, or it has no members.
        members: in no order.
    """

    is_moving: bool
    members: tuple[Member, ...]


def read_group(response: Any, group_id: str) -> Group:
    """Read the coordinator's answer to `describe`.

    Raises:
        ContractError: the group cannot be described.
    """
    ((code, _, state, _, _, members, _),) = response.groups
    if code:
        raise ContractError(f"group {group_id} cannot be described: {for_code(code).__name__}")
    return Group(
        is_moving=state != _STABLE,
        members=tuple(
            Member(name, identity or "", client, host.lstrip("/"), subscription or b"", assignment or b"")
            for name, identity, client, host, subscription, assignment in members
        ),
    )


def describe(group_id: str) -> RequestStruct:
    """Return the question for a group, in the first version that tells static identities; Kafka 2.4 knows it."""
    return _DescribeGroupsRequest([group_id], False)


class _DescribeGroupsResponse(Response):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY = 15
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("groups", Array(
            ("error_code", Int16), ("group", String()), ("state", String()), ("protocol_type", String()),
            ("protocol", String()),
            ("members", Array(
                ("member_id", String()), ("group_instance_id", String()), ("client_id", String()),
                ("client_host", String()), ("member_metadata", Bytes), ("member_assignment", Bytes),
            )),
            ("authorized_operations", Int32),
        )),
    )  # fmt: skip


class _DescribeGroupsRequest(RequestStruct):  # type: ignore[misc]
    API_KEY = 15
    API_VERSION = 4
    RESPONSE_TYPE = _DescribeGroupsResponse
    SCHEMA = Schema(("groups", Array(String())), ("include_authorized_operations", Boolean))
