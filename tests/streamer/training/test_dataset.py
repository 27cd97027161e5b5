import signal
from pathlib import Path

import numpy as np
import pytest

from models.plays.catalogue import track_keys
from models.plays.split import Plays
from models.release_files import DataWindow
from models.training.checkpoint import Snapshot
from streamer.archive.archive import Archive
from streamer.archive.plays import to_table
from streamer.recordings.plays import RecordedPlays
from streamer.training.checkpoints import CheckpointFile
from streamer.training.dataset import Dataset, TrainingError, read_archive, read_start, split_recording
from streamer.training.progress import FitStopped
from streamer.training.shards import ShardManifest, _write_all, forgetting, open_shards
from streamer.wire.plays import decode_records
from tests.builders import NOON_MS, TRACK_IDS, play, save_tiny_release
from tests.cases.observations import Observe


def archive_of(directory: Path, num_plays: int, *, next_offset: int = 0, forgotten: tuple[str, ...] = ()) -> None:
    """Ten listeners who play eleven tracks; each append has its own file or joins the previous one."""
    offsets = range(next_offset, next_offset + num_plays)
    records = [play(offset, f"u{offset % 10}", f"t{offset % 11}", NOON_MS + offset) for offset in offsets]
    decoded = decode_records(records)
    with Archive(directory) as archive:
        archive.append(to_table(decoded.plays, 0, np.array(offsets)), {0: offsets.stop}, forgotten)


def content_of(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


def trace_of(user: str) -> bytes:
    """Return what a shard holds of a listener."""
    return track_keys([user]).tobytes()


def as_lists(dataset: Dataset) -> list[list[int]]:
    return [shard.histories.track_keys.tolist() for shard in dataset.shards]


def test_a_fit_learns_from_the_first_four_fifths_of_a_recording() -> None:
    plays = Plays(np.arange(100) % 5, np.arange(100) // 10, [f"t{n}" for n in range(10)], np.arange(100) * 1000)

    dataset = split_recording(RecordedPlays(plays, [f"u{n}" for n in range(5)]))

    assert [shard.histories.num_plays for shard in dataset.shards] == [80]
    assert tuple(dataset.catalogue.track_ids) == tuple(f"t{n}" for n in range(8))


def test_a_fit_learns_from_the_archive_but_its_newest_plays_while_its_trainer_holds_it(tmp_path: Path) -> None:
    archive_of(tmp_path / "archive", 100)

    with Archive(tmp_path / "archive"):
        dataset = read_archive(tmp_path / "archive", CheckpointFile(tmp_path / "fit"), signals=[], shard_plays=40)

    assert len(dataset.shards) == 3
    assert sum(shard.histories.num_plays for shard in dataset.shards) == 90
    assert sum(shard.histories.num_listeners for shard in dataset.shards) == 10
    assert dataset.data_window == DataWindow(NOON_MS, NOON_MS + 89, 90, 10)
    assert tuple(dataset.catalogue.track_ids) == tuple(f"t{n}" for n in range(11))


def test_a_resumed_fit_learns_from_the_plays_it_started_with(tmp_path: Path) -> None:
    archive_of(tmp_path / "archive", 100)
    first = read_archive(tmp_path / "archive", CheckpointFile(tmp_path / "fit"), signals=[])
    archive_of(tmp_path / "archive", 50, next_offset=100)

    resumed = read_archive(tmp_path / "archive", CheckpointFile(tmp_path / "fit"), signals=[])

    assert as_lists(resumed) == as_lists(first)
    held_out = resumed.hold_out()
    assert held_out is not None
    assert (held_out.split.served.played_at_ms >= NOON_MS + 90).sum() == 60  # those held out, and those since


def test_an_archive_of_one_moment_is_learned_from_and_not_judged(tmp_path: Path) -> None:
    archive_of(tmp_path / "archive", 5)

    dataset = read_archive(tmp_path / "archive", CheckpointFile(tmp_path / "fit"), signals=[])

    assert dataset.data_window.num_plays == 5
    assert dataset.hold_out() is None


def test_no_fit_learns_from_a_forgotten_listener(tmp_path: Path) -> None:
    archive_of(tmp_path / "archive", 100)
    read_archive(tmp_path / "archive", CheckpointFile(tmp_path / "fit"), signals=[])
    archive_of(tmp_path / "archive", 1, next_offset=100, forgotten=("u3",))
    learned_from_all = CheckpointFile(tmp_path / "fit")
    learned_from_all.write(Snapshot({}, {}, {}))

    resumed = read_archive(tmp_path / "archive", CheckpointFile(tmp_path / "fit"), signals=[])

    assert resumed.data_window.num_listeners == 9
    assert resumed.data_window.num_plays == 82
    assert not learned_from_all.path.exists()


@pytest.mark.kind(22)
def test_shards_written_while_a_listener_is_forgotten_are_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, observe: Observe
) -> None:
    archive_of(tmp_path / "archive", 100)
    checkpoint, write_all = CheckpointFile(tmp_path / "fit", shards_directory=tmp_path / "archive/shards/a"), _write_all

    def forget_meanwhile(*arguments: object) -> ShardManifest:
        manifest = write_all(*arguments)  # type: ignore[arg-type]
        monkeypatch.undo()
        with forgetting(tmp_path / "archive" / "shards", ["u3"]):
            archive_of(tmp_path / "archive", 1, next_offset=100, forgotten=("u3",))
        return manifest

    monkeypatch.setattr("streamer.training.shards._write_all", forget_meanwhile)
    dataset = read_archive(tmp_path / "archive", checkpoint, signals=[])

    assert dataset.data_window.num_listeners == 9
    assert trace_of("u3") not in content_of(tmp_path / "archive")
    observe("shards that were being written when a listener was forgotten are written again without them")


def test_an_empty_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no plays"):
        read_archive(tmp_path, CheckpointFile(tmp_path / "fit"), signals=[])


def test_writing_shards_stops_at_a_signal_and_leaves_no_manifest(tmp_path: Path) -> None:
    archive_of(tmp_path / "archive", 100)

    with pytest.raises(FitStopped):
        read_archive(tmp_path / "archive", CheckpointFile(tmp_path / "fit"), signals=[signal.SIGTERM])

    assert open_shards(tmp_path / "fit" / "shards") is None


def test_a_fit_starts_from_a_release_if_one_is_named(tmp_path: Path) -> None:
    saved = save_tiny_release(tmp_path)

    start = read_start(saved.location)

    assert read_start(None) is None
    assert start is not None
    assert tuple(start.catalogue.track_ids) == TRACK_IDS


def test_a_release_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"cannot start a fit from .*gone"):
        read_start(str(tmp_path / "gone"))
