import asyncio
import dataclasses
import threading

import numpy as np
import pytest
import torch

from models.step import StepInput, step
from streamer import engine as engine_module
from streamer.batch import Batch, join, plan
from streamer.engine import Engine, pick_device
from streamer.intake import take_in
from streamer.state import decode
from tests.builders import play, tiny_release

RELEASE = tiny_release()


def make_engine(*, heard_masked: tuple[int, int] = (0, 0), max_step_s: float = 20.0) -> Engine:
    return Engine(sizes=(3, 5), heard_masked=heard_masked, max_step_s=max_step_s, num_threads=1)


def make_batch() -> Batch:
    intake = take_in(0, [play(1, "u", "t1"), play(2, "v", "t2"), play(3, "u", "t3")], None)
    events, _ = join([intake.plays], [intake.offsets])
    return plan(events, decode([None] * 3, 6), RELEASE.key)


async def test_the_engine_computes_the_step_and_ranks_after_the_plays_asked() -> None:
    engine, batch = make_engine(), make_batch()

    output = await engine.step(RELEASE, batch, batch.last_plays)

    step_input = StepInput(batch.hidden, batch.histories, batch.fold_from, batch.new[batch.last_plays])
    expected = step(RELEASE.network, RELEASE.catalogue, step_input, sizes=(3, 5))
    assert np.array_equal(output.hidden, expected.hidden)
    assert np.array_equal(output.ranked[0].rows, expected.ranked[0].rows)
    assert output.ranked[1].rows.shape == (2, 5)
    engine.close()


async def test_tracks_heard_are_left_out_where_the_engine_was_told_to() -> None:
    engine, batch = make_engine(heard_masked=(0, 64)), make_batch()

    output = await engine.step(RELEASE, batch, batch.last_plays)

    heard_by_u = set(RELEASE.catalogue.rows(batch.plays.track_keys[:2]).tolist())
    assert not heard_by_u & set(output.ranked[1].rows[0].tolist())
    engine.close()


async def test_the_event_loop_runs_on_while_a_step_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, batch, may_end = make_engine(), make_batch(), threading.Event()
    compute = Engine._compute

    def slow(*args: object) -> object:  # a step that ends only when the loop has turned
        assert may_end.wait(10)
        return compute(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "_compute", slow)
    stepping = asyncio.create_task(engine.step(RELEASE, batch, batch.last_plays))
    await asyncio.sleep(0)
    assert not stepping.done()
    may_end.set()

    assert len((await stepping).hidden) == 2
    engine.close()


async def test_a_release_that_computes_no_number_fails_the_step() -> None:
    network = tiny_release(7).network
    with torch.no_grad():
        network.embedding.weight[3] = torch.nan
    engine, batch = make_engine(), make_batch()

    with pytest.raises(FloatingPointError, match="release release-7 computed a state that is not finite"):
        await engine.step(dataclasses.replace(RELEASE, network=network), batch, batch.last_plays)
    engine.close()


async def test_a_step_without_end_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    engine, batch = make_engine(max_step_s=0.01), make_batch()

    def told(reason: str, cause: BaseException) -> None:  # crash() would end the test run too
        raise SystemExit(reason) from cause

    monkeypatch.setattr(engine_module, "crash", told)
    monkeypatch.setattr(Engine, "_compute", lambda *_: may_end.wait(10))

    with pytest.raises(SystemExit, match=r"a step of 2 listeners took longer than 0\.01 s"):
        await engine.step(RELEASE, batch, batch.last_plays)
    may_end.set()
    engine.close()


def test_a_device_is_taken_by_name_and_auto_takes_what_there_is() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
