import pytest

from streamer.errors import ContractError
from streamer.kafka.transaction import Record, Records, fit


def test_a_record_that_fits_no_batch_is_refused() -> None:
    records = Records.of([Record(b"k", b"v"), Record(b"k", b"v" * 5000)])

    with pytest.raises(ContractError, match=r"a record of 5\d\d\d bytes exceeds max.message.bytes=4000 of topic t"):
        fit("t", records, 4000)
