"""Nothing is left to compile when the first batch comes."""

import subprocess
import sys
from pathlib import Path

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

OF_A_RELEASE = """
import sys
from pathlib import Path
from streamer.wire.state import decode, encode
from streamer.worker.batch import plan
from streamer.worker.events import join
from streamer.worker.intake import take_in
from streamer.worker.trial import try_out
from models.serving.step import step
from models.serving.step_input import StepInput
from streamer.bench.world import make_recommender, released
from tests.builders import play, random_states

release = released(make_recommender(6000, max_neighbours=20, index_above=75_000), Path(sys.argv[1]))
try_out(release)
kernels = {
    (kernel.py_func.__module__, kernel.__name__): kernel
    for name, module in sys.modules.items() if name.startswith("models.")
    for kernel in vars(module).values()
    if hasattr(kernel, "signatures") and kernel.targetoptions.get("inline") != "always"
}
before = {name: list(kernel.signatures) for name, kernel in kernels.items()}
for num_plays in (1, 600):
    intake = take_in(0, [play(4 + n, f"u{n % 3}", f"track-{n:08d}") for n in range(3 * num_plays)], None)
    events, _ = join([intake.plays], [intake.offsets])
    states = decode(encode(random_states([3, 70, 9, 0], num_hidden=128)).to_list(), 128)
    batch = plan(events, states, release.key)
    step(release.recommender, StepInput(
        batch.hidden, batch.histories, batch.fold_from, batch.base.count_maps, batch.count_from, batch.new
    ))
compiled = {name for (_, name), signatures in before.items() if signatures}
assert {"keep_best", "merge", "move_states", "_rank"} <= compiled, before
assert before == {name: list(kernel.signatures) for name, kernel in kernels.items()}
"""


OF_A_VIEW = """
import sys
from pathlib import Path
from models.serving import compiled_attribution, compiled_leaving_out, leaving_out
from models.serving.reasons import explain
from models.serving.step import step
from streamer.bench.world import make_listeners, make_recommender, released
from streamer.worker.warmup import warm_up_views

kernels = [compiled_attribution.attribute_scores, compiled_leaving_out.fold_without, leaving_out._add_terms]
warm_up_views()
before = [list(kernel.signatures) for kernel in kernels]
recommender = released(make_recommender(6000, max_neighbours=20, index_above=75_000), Path(sys.argv[1])).recommender
listener = make_listeners(recommender, 1)
explain(recommender, listener, [ranked.rows[0] for ranked in step(recommender, listener).ranked])
assert all(len(each) == 1 for each in before), before
assert before == [list(kernel.signatures) for kernel in kernels]
"""


@pytest.mark.long
def test_a_view_finds_its_kernels_compiled_for_its_types(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", OF_A_VIEW, str(tmp_path)], check=True)


@pytest.mark.long
def test_a_batch_finds_every_kernel_compiled_for_its_types() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


@pytest.mark.long
def test_a_release_that_was_tried_out_leaves_nothing_to_compile(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", OF_A_RELEASE, str(tmp_path)], check=True)
