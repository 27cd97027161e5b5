from typing import Any

import pytest

from streamer.errors import ContractError
from streamer.kafka.transaction import Record, _batches, send


def test_batches_stay_below_the_limit_and_keep_every_record() -> None:
    records = [Record(b"k", b"v" * 300) for _ in range(100)]

    batches = list(_batches(records, 4000))

    assert sum(batch.record_count() for batch in batches) == 100
    assert max(batch.size() for batch in batches) <= 4000
    assert len(batches) < 10


async def test_a_record_that_fits_no_batch_is_refused_before_anything_is_sent() -> None:
    fence: Any = None  # it is not reached

    with pytest.raises(ContractError, match=r"a record of 5\d\d\d bytes exceeds max.message.bytes=4000 of topic t"):
        await send(fence, "t", 0, [Record(b"k", b"v"), Record(b"k", b"v" * 5000)], max_batch_bytes=4000)
