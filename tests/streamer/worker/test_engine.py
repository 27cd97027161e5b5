import asyncio
import threading
import weakref

import numpy as np
import pytest
import torch

from models.plays.catalogue import PAD, track_keys
from models.serving.recommender import Recommender
from models.serving.step import StepOutput, step
from models.serving.step_input import StepInput
from streamer.errors import StepError
from streamer.wire.state import decode
from streamer.worker.batch import Batch, plan
from streamer.worker.engine import Engine
from streamer.worker.events import join
from streamer.worker.intake import take_in
from tests.builders import TRACK_IDS, play, tiny_release
from tests.poison import Sabotage, SabotagedEngine, broken, in_turn, no_state_of, raises_over, sound

RELEASE = tiny_release()


def make_engine(*, heard_masked: tuple[int, int] = (0, 0), max_step_s: float = 20.0) -> Engine:
    return Engine(sizes=(3, 5), heard_masked=heard_masked, max_step_s=max_step_s, num_threads=1)


def make_batch() -> Batch:
    intake = take_in(0, [play(1, "u", "t1"), play(2, "v", "t2"), play(3, "u", "t3")], None)
    events, _ = join([intake.plays], [intake.offsets])
    return plan(events, decode([None] * 3, 6), RELEASE.key)


async def test_the_engine_computes_the_step_and_ranks_after_the_answered_plays() -> None:
    engine, batch = make_engine(), make_batch()

    output = await engine.step(RELEASE, batch, batch.last_plays)

    step_input = StepInput.from_nothing(batch.histories, batch.new[batch.last_plays], num_hidden=6)
    expected = step(RELEASE.recommender, step_input, sizes=(3, 5))
    assert np.array_equal(output.hidden, expected.hidden)
    assert np.array_equal(output.ranked[0].rows, expected.ranked[0].rows)
    assert output.ranked[1].rows.shape == (2, 5)
    assert np.array_equal(output.counts.counts, batch.count_plays().counts)
    engine.close()


async def test_a_masking_engine_leaves_out_the_tracks_heard() -> None:
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


async def test_a_release_that_computes_a_nan_fails_the_step() -> None:
    release = tiny_release(7)
    with torch.no_grad():
        release.network.embedding.weight[3] = torch.nan
    engine, batch = make_engine(), make_batch()

    with pytest.raises(StepError, match="release release-7 failed with FloatingPointError") as failure:
        await engine.step(release, batch, batch.last_plays)
    assert str(failure.value.__cause__) == "a taste vector is not finite"
    engine.close()


@pytest.mark.parametrize("score", [np.nan, np.inf])
async def test_a_score_that_is_not_finite_fails_the_step(score: float) -> None:
    def sabotage(_: StepInput, output: StepOutput) -> StepOutput:
        output.ranked[1].scores[1, 3] = score
        return output

    engine, batch = SabotagedEngine(sabotage), make_batch()

    with pytest.raises(StepError, match="FloatingPointError") as failure:
        await engine.step(RELEASE, batch, batch.last_plays)
    assert str(failure.value.__cause__) == "a score is not finite"
    engine.close()


async def test_places_without_a_track_have_no_score_and_fail_nothing() -> None:
    engine, batch = make_engine(), make_batch()

    output = await engine.step(tiny_release(track_ids=("t1", "t2")), batch, batch.last_plays)

    assert not output.ranked[0].scores[:, 2:].any()
    engine.close()


async def test_a_failed_step_frees_everything_it_computed() -> None:
    tensors: list[weakref.ref[torch.Tensor]] = []

    def sabotage(_: StepInput, __: StepOutput) -> StepOutput:
        tensor = torch.zeros(9)
        tensors.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("CUDA out of memory")

    engine, batch = SabotagedEngine(sabotage), make_batch()

    with pytest.raises(StepError, match="OutOfMemoryError"):
        await engine.step(RELEASE, batch, batch.last_plays)
    assert [tensor() for tensor in tensors] == [None]
    engine.close()


@pytest.mark.usefixtures("crashes")
async def test_a_dead_compute_thread_ends_the_process() -> None:
    engine, batch = make_engine(), make_batch()
    engine.close()

    with pytest.raises(SystemExit, match="the compute thread is dead"):
        await engine.step(RELEASE, batch, batch.last_plays)


@pytest.mark.usefixtures("crashes")
async def test_a_compute_thread_that_a_library_ends_ends_the_process() -> None:
    def sabotage(*_: object) -> StepOutput:
        raise SystemExit("from a library")

    engine, batch = SabotagedEngine(sabotage), make_batch()

    with pytest.raises(SystemExit, match="the compute thread is dead"):
        await engine.step(RELEASE, batch, batch.last_plays)
    engine.close()


@pytest.mark.usefixtures("crashes")
async def test_a_device_that_computes_passes_the_check_whichever_track_is_uncomputable() -> None:
    for track in TRACK_IDS:
        engine = SabotagedEngine(raises_over(track))
        await engine.check(RELEASE)
        engine.close()


@pytest.mark.usefixtures("crashes")
@pytest.mark.parametrize("sabotage", [broken, raises_over(*TRACK_IDS), no_state_of(*TRACK_IDS)])
async def test_a_device_that_computes_no_track_ends_the_process(sabotage: Sabotage) -> None:
    engine = SabotagedEngine(sabotage)

    with pytest.raises(SystemExit, match="check the device"):
        await engine.check(RELEASE)
    engine.close()


@pytest.mark.usefixtures("crashes")
async def test_a_release_that_fails_only_without_the_withdrawn_tracks_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> Recommender:
        raise RuntimeError("CUDA error: out of memory")

    engine, withdrawn = make_engine(), track_keys(["t1"])
    monkeypatch.setattr(Recommender, "without", fail)
    await engine.check(RELEASE)

    with pytest.raises(SystemExit, match="not even a known good play"):  # else each play would become a dead letter
        await engine.check(RELEASE, withdrawn)
    engine.close()


async def test_an_engine_without_any_track_left_answers_with_empty_lists() -> None:
    engine, batch = make_engine(), make_batch()

    output = await engine.step(RELEASE, batch, batch.last_plays, np.sort(track_keys(TRACK_IDS)))

    assert all((ranked.rows == PAD).all() for ranked in output.ranked)
    engine.close()


@pytest.mark.usefixtures("crashes")
async def test_a_track_that_was_computed_once_must_be_computed_again() -> None:
    engine = SabotagedEngine(in_turn(broken, sound, broken, sound))
    await engine.check(RELEASE)

    with pytest.raises(SystemExit, match="check the device"):
        await engine.check(RELEASE)
    engine.close()


@pytest.mark.usefixtures("crashes")
async def test_each_release_is_checked_with_a_track_of_its_own() -> None:
    other = tiny_release(8, track_ids=("x1", "x2"), hidden_size=5)
    engine = SabotagedEngine(raises_over("x1"))

    for release in (RELEASE, other, RELEASE):
        await engine.check(release)
    engine.close()


@pytest.mark.usefixtures("crashes")
async def test_a_step_without_end_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    engine, batch = make_engine(max_step_s=0.01), make_batch()
    monkeypatch.setattr(Engine, "_compute", lambda *_: may_end.wait(10))

    with pytest.raises(SystemExit, match=r"a step of 2 listeners took longer than 0\.01 s"):
        await engine.step(RELEASE, batch, batch.last_plays)
    may_end.set()
    engine.close()


async def test_the_cpu_of_the_compute_thread_is_counted_also_of_a_step_that_fails() -> None:
    engine = SabotagedEngine(in_turn(sound, broken))
    await engine.step(RELEASE, make_batch(), make_batch().last_plays)
    after_one = engine.cpu_s
    with pytest.raises(StepError):
        await engine.step(RELEASE, make_batch(), make_batch().last_plays)

    assert 0 < after_one < engine.cpu_s
    engine.close()
