"""aiokafka, which reads what brokers send, reads what the kernel wrote."""

from collections.abc import Sequence

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streamer.kafka.record_batch import RecordBatch, record_batches
from streamer.kafka.transaction import Record, Records

AT_MS = 1_700_000_000_123

texts = st.none() | st.binary(max_size=200)
headers = st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=70)), max_size=3).map(tuple)
records_of = st.lists(st.builds(Record, texts, texts, headers), min_size=1, max_size=150)


def batches(records: Sequence[Record], max_bytes: int) -> list[RecordBatch]:
    columns = Records.of(records)
    return list(record_batches(columns.keys, columns.values, columns.headers, timestamp_ms=AT_MS, max_bytes=max_bytes))


def read(batch: RecordBatch) -> list[Record]:
    (parsed,) = iter(MemoryRecords(bytes(batch.encode(-1, -1, 0))).next_batch, None)
    assert parsed.validate_crc()
    assert (parsed.producer_id, parsed.producer_epoch, parsed.base_sequence) == (-1, -1, 0)
    read_records = list(parsed)
    assert [each.offset for each in read_records] == list(range(batch.num_records))
    assert {each.timestamp for each in read_records} == {AT_MS}
    return [Record(each.key, each.value, tuple(each.headers)) for each in read_records]


@given(records_of)
def test_records_read_as_they_were_written(records: list[Record]) -> None:
    (batch,) = batches(records, 1_000_000)

    assert read(batch) == records


@given(records_of)
def test_a_batch_has_the_bytes_that_aiokafka_writes(records: list[Record]) -> None:
    (batch,) = batches(records, 1_000_000)

    plain = DefaultRecordBatchBuilder(2, 0, True, 17, 3, 41, 1_000_000)
    for number, (key, value, of_record) in enumerate(records):
        plain.append(number, AT_MS, key, value, list(of_record))
    assert bytes(batch.encode(17, 3, 41)) == bytes(plain.build())


def test_batches_stay_below_the_limit_and_keep_every_record() -> None:
    records = [Record(b"%d" % number, b"v" * 300) for number in range(100)]

    several = batches(records, 4000)

    assert [record for batch in several for record in read(batch)] == records
    assert max(batch.num_bytes for batch in several) <= 4000
    assert len(several) < 10


def test_a_record_above_the_limit_is_alone_in_its_batch() -> None:
    sizes = [batch.num_bytes for batch in batches([Record(b"k", b"v" * size) for size in (1, 5000, 1)], 4000)]

    assert [size > 4000 for size in sizes] == [False, True, False]
