"""Nothing is left to compile when the first batch comes."""

import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
from models.compiled import compiled
from streamer.kafka import record_batch
from streamer.wire import blobs, recommendations, state
from streamer.worker.warmup import warm_up
from tests.builders import play, tombstone
from tests.streamer.worker.test_outputs import written

kernels = {
    (module.__name__, kernel.__name__): kernel
    for module in (record_batch, blobs, recommendations, state)
    for kernel in vars(module).values()
    if hasattr(kernel, "signatures") and kernel.targetoptions.get("inline") != "always"
}
warm_up()
before = {name: list(kernel.signatures) for name, kernel in kernels.items()}
parts = written(play(4, "u", "t1"), play(5, "v", "t2"), tombstone(6, "u"), play(1, "w", "t3", partition=1))
for part in parts.values():
    for records in part.outputs.values():
        columns = records.keys, records.values, records.headers
        for batch in record_batch.record_batches(*columns, timestamp_ms=1, max_bytes=999):
            batch.encode(1, 2, 3)
assert len(kernels) >= 7 and all(len(each) == 1 for each in before.values()), before
assert before == {name: list(kernel.signatures) for name, kernel in kernels.items()}
"""


@pytest.mark.long
def test_a_batch_finds_every_kernel_compiled_for_its_types() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
