"""`refrain train`, killed for real."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from models.networks.recurrent import RecurrentNetwork
from models.release import Release, load_release
from models.training.checkpoint import Snapshot
from streamer.__main__ import main
from streamer.archive.archive import Archive
from streamer.archive.plays import to_table
from streamer.runtime.statuses import Status
from streamer.training.checkpoints import CheckpointFile
from streamer.wire.plays import decode_records
from tests.builders import NOON_MS, play
from tests.until import wait_until

NUM_PLAYS = 5_000
_TORCHRUN = (sys.executable, *["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"],
             "--rdzv-endpoint", "127.0.0.1:0")  # fmt: skip


def write_plays(path: Path, num_plays: int) -> Path:
    """Eighty listeners who play a hundred tracks in order, with an occasional other track."""
    rng, plays = np.random.default_rng(5), np.arange(num_plays)
    tracks = np.where(
        rng.random(num_plays) < 0.2, rng.integers(0, 100, num_plays), (plays % 80 * 37 + plays // 80) % 100
    )
    rows = [f"u{play % 80},t{track},{1_700_000_000 + 200 * play}" for play, track in zip(plays, tracks, strict=True)]
    path.write_text("\n".join(["user,track,ts", *rows]))
    return path


def only_release(directory: Path) -> Release:
    (location,) = directory.iterdir()
    return load_release(str(location))


def weights(release: Release) -> dict[str, list[float]]:
    reranker = release.recommender.reranker
    assert reranker is not None
    return {name: tensor.tolist() for name, tensor in (release.network.state_dict() | reranker.state_dict()).items()}


def test_it_says_where_the_release_is_and_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFRAIN_RELEASES_URL", str(tmp_path / "releases"))
    plays = write_plays(tmp_path / "plays.csv", 600)

    main(["train", str(plays), "--epochs", "1", "--checkpoint", str(tmp_path / "checkpoint")])

    release_id = only_release(tmp_path / "releases").release_id
    output = capsys.readouterr().out
    assert f"release {release_id} saved at file://{tmp_path}/releases/{release_id}" in output
    assert f"refrain releases promote {release_id}" in output
    assert f"refrain evaluate {plays} --release" in output


@pytest.mark.long
def test_without_recorded_plays_it_learns_from_the_archive_and_keeps_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFRAIN_RELEASES_URL", str(tmp_path / "releases"))
    monkeypatch.setenv("REFRAIN_ARCHIVE_DIR", str(tmp_path / "archive"))
    records = [play(offset, f"u{offset % 7}", f"t{offset % 11}", NOON_MS + offset) for offset in range(200)]
    decoded = decode_records(records)
    with Archive(tmp_path / "archive") as archive:
        archive.append(to_table(decoded.plays, 0, np.arange(200)), {0: 200})

    main(["train", "--epochs", "1", "--checkpoint", str(tmp_path / "checkpoint")])

    release = only_release(tmp_path / "releases")
    assert release.data_window.num_plays == 180
    assert len(release.catalogue) == 11
    assert release.recommender.reranker is not None
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == ["lock"]
    assert "evaluate" not in capsys.readouterr().out


@pytest.mark.long
def test_it_trains_on_a_file_of_playlists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRAIN_RELEASES_URL", str(tmp_path / "releases"))
    plays, playlists = write_plays(tmp_path / "plays.csv", 600), tmp_path / "playlists.csv"
    rows = [f"p{place // 10},{place % 10},t{place}" for place in range(50)]
    playlists.write_text("\n".join(["playlist,position,track", *rows]))
    arguments = ["train", str(plays), "--recipe", "rP", "--epochs", "1", "--checkpoint", str(tmp_path / "checkpoint")]

    with pytest.raises(SystemExit):
        main(arguments)
    main([*arguments, "--playlists", str(playlists)])

    release = only_release(tmp_path / "releases")
    assert release.metrics["recipe"] == "rP"
    assert isinstance(release.network, RecurrentNetwork)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_fit_killed_in_every_stage_ends_in_the_same_weights(tmp_path: Path) -> None:
    plays, checkpoint = write_plays(tmp_path / "plays.csv", NUM_PLAYS), CheckpointFile(tmp_path / "checkpoint")
    _run_to_the_end(plays, tmp_path / "whole", tmp_path / "unused")

    for file, nth in ((checkpoint.earlier, 0), (checkpoint.earlier, 1), (checkpoint, 0), (checkpoint, 1)):
        written_at = _written_at(file.path)
        with _started(plays, tmp_path / "resumed", checkpoint.path.parent) as running:
            _until(lambda: _written_at(file.path) != written_at, "the checkpoint is written", running)  # noqa: B023
            running.kill()
        assert running.returncode == -signal.SIGKILL
        assert Snapshot.from_bytes(file.path.read_bytes()).position["batches_done"] == nth + 1
    _kill_in_the_second_stage(plays, tmp_path / "resumed", checkpoint.path.parent)
    _run_to_the_end(plays, tmp_path / "resumed", checkpoint.path.parent)

    assert weights(only_release(tmp_path / "resumed")) == weights(only_release(tmp_path / "whole"))


def test_a_fit_keeps_others_out_of_its_checkpoint_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFRAIN_RELEASES_URL", str(tmp_path / "releases"))
    plays = write_plays(tmp_path / "plays.csv", 600)

    with CheckpointFile(tmp_path / "checkpoint").held(), pytest.raises(SystemExit) as ended:
        main(["train", str(plays), "--checkpoint", str(tmp_path / "checkpoint")])

    assert ended.value.code == Status.REFUSED
    assert "is in use by process" in capsys.readouterr().err
    assert not (tmp_path / "releases").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigterm_ends_it_within_a_batch_and_it_resumes(tmp_path: Path) -> None:
    plays, checkpoint = write_plays(tmp_path / "plays.csv", NUM_PLAYS), CheckpointFile(tmp_path / "checkpoint")
    for file in (checkpoint.earlier, checkpoint):
        with _started(plays, tmp_path / "releases", checkpoint.path.parent) as running:
            _until(file.path.exists, "the checkpoint is written", running)
            running.terminate()

        assert running.returncode == 128 + signal.SIGTERM
    _run_to_the_end(plays, tmp_path / "releases", checkpoint.path.parent)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_of_torchrun_make_the_release_that_one_makes(tmp_path: Path) -> None:
    plays = write_plays(tmp_path / "plays.csv", 1500)
    _run_to_the_end(plays, tmp_path / "one", tmp_path / "unused")

    with _started(plays, tmp_path / "two", tmp_path / "checkpoint", _TORCHRUN) as running:
        assert running.wait(300) == 0

    one, two = (only_release(tmp_path / name).recommender for name in ("one", "two"))
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == ["lock"]
    for name, tensor in one.network.state_dict().items():
        torch.testing.assert_close(two.network.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)
    assert one.reranker is not None
    assert two.reranker is not None
    for name, counts in one.reranker.named_buffers():
        if not name.startswith("feature_"):
            assert torch.equal(dict(two.reranker.named_buffers())[name], counts)


def _kill_in_the_second_stage(plays: Path, releases: Path, checkpoint: Path) -> None:
    with _started(plays, releases, checkpoint, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        assert any(b"fit ended epoch=1 of=4" in line for line in running.stderr)
        running.kill()
    assert running.returncode == -signal.SIGKILL


def _started(
    plays: Path,
    releases: Path,
    checkpoint: Path,
    program: Sequence[str] = (sys.executable,),
    *,
    stderr: int | None = None,
) -> subprocess.Popen[bytes]:
    command = [*program, "-m", "streamer", "train", str(plays), "--epochs", "3", "--checkpoint", str(checkpoint)]
    return subprocess.Popen(command, env={**os.environ, "REFRAIN_RELEASES_URL": str(releases)}, stderr=stderr)


def _run_to_the_end(plays: Path, releases: Path, checkpoint: Path) -> None:
    with _started(plays, releases, checkpoint) as running:
        assert running.wait(300) == 0


def _written_at(file: Path) -> int:
    return file.stat().st_mtime_ns if file.exists() else 0


def _until(condition: Callable[[], bool], what: str, running: subprocess.Popen[bytes]) -> None:
    def holds_while_it_runs() -> bool:
        if condition():
            return True
        assert running.poll() is None, f"the fit ended with status {running.returncode} before {what}"
        return False

    wait_until(holds_while_it_runs, what, deadline_s=300, period_s=0.002)
