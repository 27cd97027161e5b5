from pathlib import Path

import pytest
import torch

from models.training.checkpoint import Snapshot
from streamer.errors import InUseError, SettingsError
from streamer.training.checkpoints import CheckpointError, CheckpointFile

FINGERPRINT = {"plays": 3, "training": {"epochs": 6}}


class Clock:
    """A clock that a test sets; each reading takes `tick_s`."""

    def __init__(self, tick_s: float = 0.0) -> None:
        self.now_s, self.tick_s = 1000.0, tick_s

    def __call__(self) -> float:
        self.now_s += self.tick_s
        return self.now_s


def snapshot(epoch: int = 0) -> Snapshot:
    return Snapshot(FINGERPRINT, {"epoch": epoch}, {"weight": torch.ones(2)})


def test_the_latest_snapshot_is_read(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "new" / "folder")
    assert file.read(FINGERPRINT) is None

    file.write(snapshot(1))
    file.write(snapshot(2))

    latest = CheckpointFile(tmp_path / "new" / "folder").read(FINGERPRINT)
    assert latest is not None
    assert latest.position == {"epoch": 2}
    assert [path.name for path in file.path.parent.iterdir()] == [file.path.name]


def test_a_checkpoint_of_another_fit_is_refused_with_what_differs(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path)
    file.write(snapshot())

    with pytest.raises(CheckpointError, match=r"belongs to another fit: training.epochs 6, not 3\. Use the same"):
        file.read({"plays": 3, "training": {"epochs": 3}})


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path)
    file.write(snapshot())
    file.path.write_bytes(file.path.read_bytes()[:-1])

    with pytest.raises(CheckpointError, match=r"is not a checkpoint .* remove it to start over"):
        file.read(FINGERPRINT)


def test_an_interrupted_write_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path)
    file.write(snapshot(1))
    (tmp_path / "checkpoint.safetensors.new").write_bytes(b"half")

    latest = file.read(FINGERPRINT)

    assert latest is not None
    assert latest.position == {"epoch": 1}


def test_it_is_due_at_once_then_after_a_while_and_when_an_epoch_ends(tmp_path: Path) -> None:
    clock = Clock()
    file = CheckpointFile(tmp_path, period_s=20, clock=clock)
    assert file.is_due(epoch_ended=False)

    file.write(snapshot())

    assert not file.is_due(epoch_ended=False)
    assert file.is_due(epoch_ended=True)
    clock.now_s += 20
    assert file.is_due(epoch_ended=False)


def test_a_checkpoint_that_is_slow_to_write_is_written_less_often(tmp_path: Path) -> None:
    clock = Clock(tick_s=3.0)
    file = CheckpointFile(tmp_path, period_s=20, clock=clock)

    file.write(snapshot())

    clock.tick_s = 0.0
    clock.now_s += 59
    assert not file.is_due(epoch_ended=False)
    clock.now_s += 1
    assert file.is_due(epoch_ended=False)


def test_a_finished_fit_leaves_nothing(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path)
    file.write(snapshot())
    file.earlier.write(snapshot())

    file.remove()
    file.remove()

    assert list(tmp_path.iterdir()) == []


def test_the_earlier_network_has_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path)
    file.write(snapshot(1))
    file.earlier.write(snapshot(2))

    both = [each.read(FINGERPRINT) for each in (file, file.earlier)]

    assert [each.position for each in both if each is not None] == [{"epoch": 1}, {"epoch": 2}]


def test_a_directory_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match="cannot be used"), CheckpointFile(tmp_path / "file" / "below").held():
        pass


def test_one_fit_at_a_time_holds_a_directory(tmp_path: Path) -> None:
    first, second = CheckpointFile(tmp_path), CheckpointFile(tmp_path)

    with first.held(), pytest.raises(InUseError, match=f"{tmp_path} is in use by process"), second.held():
        pass

    with second.held():
        pass
