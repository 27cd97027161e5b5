from aiokafka.structs import OffsetAndMetadata

from streamer.kafka.commits import Commit


def test_a_commit_is_read_as_it_was_written() -> None:
    assert Commit.read(Commit(9, 5).write()) == Commit(9, 5)
    assert Commit.read(Commit(3, -1).write()) == Commit(3, -1)


def test_a_commit_without_our_note_lies_directly_behind_the_mark() -> None:
    assert Commit.read(OffsetAndMetadata(9, "")) == Commit(9, 8)
    assert Commit.read(OffsetAndMetadata(9, "somebody's")) == Commit(9, 8)


def test_there_may_be_no_commit() -> None:
    assert Commit.read(OffsetAndMetadata(-1, "")) is None
