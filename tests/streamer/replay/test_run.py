"""A whole replay in miniature: real broker, real workers, a network trained on the spot."""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from models.config import TrainingConfig
from models.evaluation.metrics import Estimate
from models.recipes import RECIPES
from streamer.local.devkafka import DevKafka
from streamer.recordings.plays import RecordedPlays
from streamer.replay.ledger import ReplayLedger
from streamer.replay.run import ReplayError, ReplayPlan, Streamed, reject_broken_laws, replay
from streamer.replay.scoreboard import Scores

NUM_PLAYS = 1500
RECIPE = replace(RECIPES["refrain"], training=TrainingConfig(epochs=2, item_epochs=2))


@pytest.fixture(scope="module")
def listening(draw_listening: Callable[..., RecordedPlays]) -> RecordedPlays:
    return draw_listening(NUM_PLAYS)


@pytest.fixture
def environment(kafka: DevKafka) -> Mapping[str, str]:
    """The environment of an operator whose broker has other topics."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REFRAIN_")}
    return clean | {"REFRAIN_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "REFRAIN_PARTITIONS": "4"}


def plan_of(listening: RecordedPlays, *, num_workers: int = 1, kill_halfway: bool = False) -> ReplayPlan:
    return ReplayPlan(
        recorded=listening, num_workers=num_workers, kill_halfway=kill_halfway, max_under_way=200, release=None,
        recipe=RECIPE,
    )  # fmt: skip


def streamed_of(hr: float, *, lost: int = 0, twice: int = 0) -> Streamed:
    ledger = ReplayLedger(plays=9, applied=9 - lost + twice, lost=lost, twice=twice, dead_letters=0)
    return Streamed(scores_of(hr), ledger, plays_per_s=1.0, latency_ms_p50=1.0, latency_ms_p99=1.0)


def scores_of(hr: float) -> Scores:
    return Scores(*(Estimate(mean, mean, mean) for mean in (hr, 0.2, 0.3)))


async def list_topics(bootstrap_servers: str) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        return list(await admin.list_topics())
    finally:
        await admin.close()


@pytest.mark.kafka
def test_a_replay_answers_every_play_as_the_release_would_offline(
    listening: RecordedPlays, environment: Mapping[str, str], kafka: DevKafka, capsys: pytest.CaptureFixture[str]
) -> None:
    replay(plan_of(listening), environment)

    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (summary["plays"], summary["applied"]) == (NUM_PLAYS, NUM_PLAYS)
    assert (summary["lost"], summary["twice"], summary["dead_letters"]) == (0, 0, 0)
    assert summary["hr_at_20"] > 0
    assert summary["baselines"].keys() == {"popularity", "markov"}
    assert 0 < summary["latency_ms_p50"] <= summary["latency_ms_p99"]
    assert not [topic for topic in asyncio.run(list_topics(kafka.bootstrap_servers)) if topic.startswith("replay-")]


@pytest.mark.kafka
@pytest.mark.faults
def test_a_worker_killed_halfway_loses_nothing_and_counts_nothing_twice(
    listening: RecordedPlays, environment: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    replay(plan_of(listening, num_workers=2, kill_halfway=True), environment)

    out, err = capsys.readouterr()
    summary = json.loads(out.splitlines()[-1])
    assert "worker 0 was killed" in err
    assert (summary["applied"], summary["lost"], summary["twice"]) == (NUM_PLAYS, 0, 0)


@pytest.mark.parametrize(
    ("streamed", "law"),
    [
        (streamed_of(0.47, lost=1), "1 play was lost and 0 counted twice: law 1"),
        (streamed_of(0.47, twice=2), "0 plays were lost and 2 counted twice: law 1"),
        (streamed_of(0.46), "law 3"),
    ],
)
def test_a_replay_that_breaks_a_law_fails(streamed: Streamed, law: str) -> None:
    with pytest.raises(ReplayError, match=law):
        reject_broken_laws(streamed, scores_of(0.47))


def test_a_replay_that_keeps_the_laws_passes() -> None:
    reject_broken_laws(streamed_of(0.47), scores_of(0.4702))


def test_too_few_plays_to_split_are_rejected(draw_listening: Callable[..., RecordedPlays]) -> None:
    alone = draw_listening(600).earliest(1)

    with pytest.raises(ReplayError, match="1 play cannot be split by time"):
        replay(plan_of(alone), {})
