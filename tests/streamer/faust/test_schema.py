import faust
import pytest
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streamer.faust.schema import ChunkSchema, position_chunk, records_chunk
from tests.builders import NOON_MS, play, record

TP3 = TP("plays", 3)


@pytest.fixture
def schema() -> ChunkSchema:
    return ChunkSchema(key_type=bytes, value_type=bytes)


@pytest.fixture
def app() -> faust.App:
    return faust.App("tests", value_serializer="raw")


def test_a_chunk_has_the_offset_of_its_last_record() -> None:
    chunk = records_chunk(TP3, [play(4, "u", "t1"), play(9, "v", "t2")], 7)

    assert (chunk.tp, chunk.offset, chunk.timestamp, chunk.generation_id) == (TP3, 9, NOON_MS / 1000, 7)
    assert isinstance(chunk, ConsumerMessage)


def test_the_records_of_a_chunk_are_passed_on_as_they_are(schema: ChunkSchema, app: faust.App) -> None:
    records = [play(4, "u", "t1"), record(5, None, b"\xff{"), record(6, b"u", None)]
    chunk = records_chunk(TP3, records, 7)

    assert schema.loads_value(app, chunk) is records
    assert schema.loads_key(app, chunk) is None


def test_a_position_holds_no_records(schema: ChunkSchema, app: faust.App) -> None:
    chunk = position_chunk(TP3, 41, 7)

    assert chunk.offset == 41
    assert schema.loads_value(app, chunk) == []


def test_other_messages_are_read_as_faust_would(schema: ChunkSchema, app: faust.App) -> None:
    message = ConsumerMessage("other", 0, 1, 0.0, 0, None, b"k", b"v", None, 1, 1, TP("other", 0), generation_id=1)

    assert schema.loads_key(app, message) == b"k"
    assert schema.loads_value(app, message) == b"v"
