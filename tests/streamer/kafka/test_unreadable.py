import logging

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException

from streamer.kafka.unreadable import Unreadable, UnreadableError

PLACE = TopicPartition("plays", 0)


def error_at(offset: int) -> UnreadableError:
    return UnreadableError(PLACE, offset, CorruptRecordException("Invalid CRC"))


def test_a_partition_is_left_alone_for_a_while_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    now_s = [100.0]
    unreadable = Unreadable(lambda: now_s[0])

    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            unreadable.add(error_at(7))
            assert unreadable.waits(PLACE)
            now_s[0] += 60
            assert not unreadable.waits(PLACE)

    assert not unreadable.waits(TopicPartition("plays", 1))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "offset 7 of plays-0 cannot be read: CorruptRecord" in unreadable.complaint(PLACE)
    assert unreadable.summary() == unreadable.complaint(PLACE)


def test_a_partition_that_is_read_again_is_forgotten() -> None:
    unreadable = Unreadable(lambda: 0.0)
    unreadable.add(error_at(7))

    unreadable.discard(PLACE)

    assert (unreadable.waits(PLACE), unreadable.complaint(PLACE), unreadable.summary()) == (False, "", "")
