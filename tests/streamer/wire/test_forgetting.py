"""Which letters name a forgotten listener."""

import json

import pytest

from streamer.wire.forgetting import ForgetRequest, Names
from streamer.wire.letters import RecordId
from tests.builders import play_value

USER = "ü 17"
NAMES = Names([ForgetRequest(RecordId(3, 100), b"forget:3:90", USER.encode())])


def is_forgotten(key: bytes | None, value: bytes | None, place: RecordId = RecordId(3, 5)) -> bool:  # noqa: B008
    return NAMES.is_forgotten(place, key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (USER.encode(), None),
        (USER.encode(), b"{"),
        (b"another", play_value(USER, "t1")),
        (None, json.dumps({"user_id": USER}).encode()),
        (None, json.dumps({"user_id": USER}).encode()[:-1]),
        (None, json.dumps([{"user": USER}]).encode()),
        (None, json.dumps({"user_id": 17, "name": USER}, ensure_ascii=False).encode()),
        (None, f"{USER},t1,1700000000".encode()),
        (None, b"\x00" + USER.encode() + b"\x00\xff"),
    ],
)
def test_a_letter_names_a_listener_by_key_by_user_id_or_somewhere_in_a_broken_value(
    key: bytes | None, value: bytes | None
) -> None:
    assert is_forgotten(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, None),
        (b"another", play_value("another", USER)),  # a track of that name
        (b"another", f"{USER}2,t1".encode()),
        (b"another", f"x-{USER}".encode()),
        (USER.upper().encode(), b""),
    ],
)
def test_a_letter_of_another_listener_is_left_alone(key: bytes | None, value: bytes | None) -> None:
    assert not is_forgotten(key, value)


def test_letters_behind_the_tombstone_belong_to_a_new_life() -> None:
    assert is_forgotten(USER.encode(), b"{", RecordId(3, 99))
    assert not is_forgotten(USER.encode(), b"{", RecordId(3, 101))
    assert is_forgotten(USER.encode(), b"{", RecordId(2, 101)), "other partitions have no order with this one"


def test_without_requests_nobody_is_forgotten() -> None:
    assert not Names([]).is_forgotten(RecordId(0, 0), b"u", b"{")
