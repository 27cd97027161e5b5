"""Which topic a name belongs to: one that was deleted and created again has another id (KIP-516)."""

from dataclasses import dataclass
from io import BytesIO
from typing import Final

from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

_ID_BYTES: Final = 16
_API, _VERSION = 3, 10  # of brokers from 2.8 on


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """A topic.

    Attributes:
        topic_id: 32 hex digits; empty if the broker is too old to say it.
        num_partitions: how many it has.
    """

    topic_id: str
    num_partitions: int


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]  # aiokafka is untyped
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(_ID_BYTES)

    @classmethod
    def repr(cls, value: bytes) -> str:
        return value.hex()


_NUMBERS: Final = CompactArray(Int32)
_TEXT: Final = CompactString("utf-8")


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY = _API
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(
            ("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), ("tags", TaggedFields),
        )),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        ("topics", CompactArray(
            ("error_code", Int16), ("name", _TEXT), ("topic_id", _Uuid), ("is_internal", Boolean),
            ("partitions", CompactArray(
                ("error_code", Int16), ("partition", Int32), ("leader", Int32), ("leader_epoch", Int32),
                ("replicas", _NUMBERS), ("in_sync", _NUMBERS), ("offline", _NUMBERS), ("tags", TaggedFields),
            )),
            ("operations", Int32), ("tags", TaggedFields),
        )),
        ("cluster_operations", Int32),
        ("tags", TaggedFields),
    )  # fmt: skip


class _MetadataRequest(RequestStruct):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY = _API
    API_VERSION = _VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _TEXT), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("cluster_operations", Boolean),
        ("topic_operations", Boolean),
        ("tags", TaggedFields),
    )


@dataclass(frozen=True, slots=True)
class IdentityRequest:
    """Asks for a topic, with its id if the broker knows ids, as aiokafka's connections take requests."""

    topic: str

    def prepare(self, versions: dict[int, tuple[int, int]]) -> RequestStruct:
        """Return the request in the newest version that the broker and we know."""
        if versions[_API][1] < _VERSION:
            return MetadataRequest([self.topic], allow_auto_topic_creation=False).prepare(versions)
        return _MetadataRequest([(bytes(_ID_BYTES), self.topic, {})], False, False, False, {})


def read_identity(response: Response) -> TopicIdentity | None:
    """Read the answer to an `IdentityRequest`; None if there is no such topic, or not yet."""
    (topic,) = response.topics
    error_code, partitions = topic[0], topic[4 if isinstance(response, _MetadataResponse) else 3]
    if error_code or not partitions:
        return None
    topic_id = topic[2].hex() if isinstance(response, _MetadataResponse) else ""
    return TopicIdentity(topic_id, len(partitions))
