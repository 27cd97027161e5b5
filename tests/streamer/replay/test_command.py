"""The arguments of `replay` and `evaluate`."""

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet
import pytest
from aiokafka.errors import KafkaConnectionError

from streamer.errors import RecordingError, ReleaseError
from streamer.local.ports import free_port
from streamer.recordings.plays import RecordedPlays
from streamer.replay import run as running
from streamer.replay.command import replay
from streamer.replay.run import ReplayPlan
from streamer.report.command import evaluate
from streamer.settings import Settings
from tests.builders import save_tiny_release
from tests.commands import run_here

Run = Callable[[Sequence[str]], None]
Replayed = list[tuple[ReplayPlan, dict[str, str]]]


@pytest.fixture
def run() -> Iterator[Run]:
    """Run the command line, as streamer.__main__ does; restore the signal handler that a replay replaces."""
    handler = signal.getsignal(signal.SIGTERM)

    def parse_and_run(arguments: Sequence[str]) -> None:
        command = {"replay": replay, "evaluate": evaluate}[arguments[0]]
        environment = {"PATH": "/bin", "REFRAIN_MAX_BATCH_PLAYS": "7"}
        run_here(command, Settings(), *arguments[1:], environment=environment)

    yield parse_and_run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def data(tmp_path: Path) -> str:
    columns = {"user": [1, 1, 2], "track": [1, 2, 3], "song": [9, 9, 9], "ts": [1_400_000_000 + i for i in (2, 1, 0)]}
    pa.parquet.write_table(pa.table(columns), tmp_path / "events.parquet")
    return str(tmp_path)


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> Replayed:
    """Collect the plans of replays without running them; test_run.py runs them."""
    calls: Replayed = []
    monkeypatch.setattr(running, "replay", lambda plan, environment: calls.append((plan, dict(environment))))
    return calls


def test_a_kafka_that_is_named_is_asked_before_the_file_is_read(tmp_path: Path) -> None:
    nowhere = {"REFRAIN_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    (file := tmp_path / "no-plays.csv").touch()

    with pytest.raises(KafkaConnectionError, match="no broker answers"):
        run_here(replay, Settings(), str(file), environment=nowhere)
    with pytest.raises(RecordingError, match="No such file"):  # which needs no Kafka
        run_here(replay, Settings(), str(tmp_path / "missing.csv"), environment=nowhere)


def test_a_replay_needs_only_data(run: Run, data: str, replayed: list[tuple[ReplayPlan, dict[str, str]]]) -> None:
    run(["replay", data])

    ((plan, environment),) = replayed
    assert (plan.num_workers, plan.kill_halfway, plan.release, plan.recipe.training.epochs) == (2, False, None, 6)
    assert plan.recorded.plays.track_ids == ("1", "2", "3")
    assert environment == {"PATH": "/bin", "REFRAIN_MAX_BATCH_PLAYS": "7"}


def test_every_argument_of_a_replay_can_be_given(run: Run, data: str, replayed: Replayed) -> None:
    run(["replay", data, "--workers", "3", "--kill-halfway", "--max-batch-plays", "500", "--under-way", "99",
         "--limit", "2", "--track", "song", "--release", "r", "--epochs", "1"])  # fmt: skip

    ((plan, environment),) = replayed
    assert (plan.num_workers, plan.kill_halfway, plan.release, plan.recipe.training.epochs) == (3, True, "r", 1)
    assert plan.max_under_way == 99
    assert plan.recorded.plays.track_ids == ("9",)
    assert plan.recorded.plays.played_at_ms.tolist() == [1_400_000_001_000, 1_400_000_000_000]
    assert environment["REFRAIN_MAX_BATCH_PLAYS"] == "500"


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_counts_are_above_zero(run: Run, data: str, count: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        run(["replay", data, "--workers", count])

    assert "'--workers'" in refused.value.format_message()


def test_evaluation_needs_a_release(run: Run, data: str, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"has no manifest\.json"):
        run(["evaluate", data, "--release", str(tmp_path)])


def test_an_evaluation_can_be_read_by_programs(
    run: Run, tmp_path: Path, draw_listening: Callable[..., RecordedPlays], capsys: pytest.CaptureFixture[str]
) -> None:
    plays = draw_listening(600).plays
    columns = {"user": plays.listeners, "track": plays.tracks, "ts": plays.played_at_ms}
    pa.parquet.write_table(pa.table(columns), tmp_path / "plays.parquet")
    release = save_tiny_release(tmp_path / "releases").location

    run(["evaluate", str(tmp_path / "plays.parquet"), "--release", release, "--baselines", "markov", "--json"])

    assert list(json.loads(capsys.readouterr().out)) == ["by protocol", "as served", "markov"]


def test_missing_data_is_an_error_in_one_line(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read"):
        run(["replay", str(tmp_path / "absent.csv")])
