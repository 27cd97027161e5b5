"""aiokafka's own requests and responses have the same bytes."""

from io import BytesIO
from typing import Any

import pytest
from aiokafka.protocol.api import RequestStruct
from aiokafka.protocol.produce import ProduceRequest_v7, ProduceResponse_v7
from aiokafka.protocol.transaction import (
    AddPartitionsToTxnRequest_v0,
    AddPartitionsToTxnResponse_v0,
    EndTxnRequest_v0,
    EndTxnResponse_v0,
    InitProducerIdRequest_v0,
    InitProducerIdResponse_v0,
)
from aiokafka.protocol.types import Array, Int16, Int32, Schema, String

from streamer.kafka.requests import Appended, Producer, Request, Said, append, begin, commit, leave, take

PRODUCER = Producer("refrain-7", 1 << 40, 3)
TOPICS = ["recommendations.short-term", "ä"]

ROUND_TRIPS = [
    (
        take("refrain-7", 30_000), InitProducerIdRequest_v0("refrain-7", 30_000),
        InitProducerIdResponse_v0(5, 0, 1 << 40, 3), Said([0], 1 << 40, 3),
    ),
    (
        begin(PRODUCER, 7, TOPICS), AddPartitionsToTxnRequest_v0(*PRODUCER, [(topic, [7]) for topic in TOPICS]),
        AddPartitionsToTxnResponse_v0(5, [(TOPICS[0], [(7, 47)]), (TOPICS[1], [(7, 0)])]), Said([47, 0]),
    ),
    (
        append(PRODUCER, 7, {TOPICS[0]: memoryview(b"first"), TOPICS[1]: memoryview(b"")}, 900),
        ProduceRequest_v7("refrain-7", -1, 900, [(TOPICS[0], [(7, b"first")]), (TOPICS[1], [(7, b"")])]),
        ProduceResponse_v7([(TOPICS[0], [(7, 0, 1 << 33, -1, 0)]), (TOPICS[1], [(7, 6, -1, -1, -1)])], 0),
        {TOPICS[0]: Appended(0, 1 << 33), TOPICS[1]: Appended(6, -1)},
    ),
    (commit(PRODUCER), EndTxnRequest_v0(*PRODUCER, True), EndTxnResponse_v0(5, 51), Said([51])),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs", "response", "answer"), ROUND_TRIPS)
def test_requests_and_responses_are_those_of_aiokafka(
    ours: Request[Any], theirs: RequestStruct, response: Any, answer: object
) -> None:
    header = theirs.build_request_header(8, "client").encode()
    assert ours.build_request_header(8, "client").encode() + ours.encode() == header + theirs.encode()

    received = BytesIO((8).to_bytes(4) + response.encode())
    assert ours.parse_response_header(received).correlation_id == 8
    assert ours.RESPONSE_TYPE.decode(received) == answer


@pytest.mark.parametrize(
    ("response", "error"),
    [((0, 0, [("m", "worker-0", 25)]), 25), ((0, 16, []), 16), ((0, 0, [("m", "worker-0", 0)]), 0)],
)
def test_a_static_member_leaves_by_its_identity_in_a_version_that_aiokafka_lacks(response: Any, error: int) -> None:
    member = [("member_id", String()), ("group_instance_id", String())]
    asks = Schema(("group", String()), ("members", Array(*member)))
    says = Schema(
        ("throttle_time_ms", Int32), ("error_code", Int16), ("members", Array(*member, ("error_code", Int16)))
    )

    request = leave("refrain", "m", "worker-0")

    assert request.api == (13, 3)
    assert b"".join(request.pieces) == asks.encode(("refrain", [("m", "worker-0")]))
    assert request.decode(BytesIO(says.encode(response))) == error
