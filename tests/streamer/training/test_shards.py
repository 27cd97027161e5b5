import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from models.plays.catalogue import track_keys
from models.plays.histories import gather_histories
from streamer.training.shards import COLUMNS, ShardFolder, forgetting, open_shards, remove_shards, write_shards
from tests.cases.observations import Observe
from tests.durability import observe_disk


def batches(num_plays: int = 300, size: int = 50) -> list[pa.RecordBatch]:
    """Plays of 23 listeners, late ones among them, in small batches."""
    rng = np.random.default_rng(3)
    table = pa.table(
        {
            "user_id": [f"u{user}" for user in rng.integers(0, 23, num_plays)],
            "track_id": [f"t{track}" for track in rng.integers(0, 40, num_plays)],
            "played_at_ms": np.arange(num_plays) + rng.integers(-5, 5, num_plays) // 2 * 2,
            "context": rng.integers(0, 3, num_plays).astype(np.uint8),
        }
    )
    record_batches: list[pa.RecordBatch] = table.select(COLUMNS).to_batches(max_chunksize=size)
    return record_batches


def write(directory: Path, *, num_shards: int) -> ShardFolder:
    folder = write_shards(batches(), directory, num_shards=num_shards, num_forgotten=2)
    assert folder is not None
    return folder


def listeners_of(folder: ShardFolder) -> list[tuple[list[int], list[int], list[int], list[bool]]]:
    """Every listener's plays, in an order of listeners that does not depend on the shards."""
    plays = []
    for shard in folder:
        histories = shard.histories
        for begin, end in zip(histories.bounds[:-1], histories.bounds[1:], strict=True):
            columns = (histories.track_keys, histories.played_at_ms, histories.contexts, histories.repeats)
            plays.append(tuple(column[begin:end].tolist() for column in columns))
    return sorted(plays)


@pytest.mark.parametrize("num_shards", [1, 7, 60])
def test_every_listeners_plays_are_together_in_order_for_any_number_of_shards(tmp_path: Path, num_shards: int) -> None:
    plays = pa.Table.from_batches(batches()).to_pydict()
    numbers = {user: number for number, user in enumerate(sorted(set(plays["user_id"])))}
    listeners = np.array([numbers[user] for user in plays["user_id"]])
    order = np.lexsort((plays["played_at_ms"], listeners))
    expected = gather_histories(
        listeners[order], track_keys(plays["track_id"])[order],
        np.array(plays["played_at_ms"])[order], np.array(plays["context"], np.uint8)[order],
    )  # fmt: skip

    folder = write(tmp_path / "shards", num_shards=num_shards)

    assert len(folder) == num_shards
    listeners_read = listeners_of(folder)
    assert len(listeners_read) == expected.num_listeners == folder.manifest.num_listeners
    columns = (expected.track_keys, expected.played_at_ms, expected.contexts, expected.repeats)
    bounds = zip(expected.bounds[:-1], expected.bounds[1:], strict=True)
    assert listeners_read == sorted(tuple(column[begin:end].tolist() for column in columns) for begin, end in bounds)


@pytest.mark.kind(22)
def test_forgotten_listeners_leave_every_shard_and_the_others_stay(tmp_path: Path, observe: Observe) -> None:
    directories = [tmp_path / "shards" / name for name in ("a", "b")]
    folders = [write(directory, num_shards=num) for directory, num in zip(directories, (1, 7), strict=True)]
    unfinished = tmp_path / "shards" / "c"
    write(unfinished, num_shards=1)
    (unfinished / "shards.json").unlink()
    users = sorted({user for batch in batches() for user in batch.column("user_id").to_pylist()})
    gone, stays = (track_keys([user]).tobytes() for user in users[:2])

    with forgetting(tmp_path / "shards", [users[0], "nobody"]):
        contents = [b"".join(path.read_bytes() for path in directory.glob("*.plays")) for directory in directories]

    for folder, content in zip(folders, contents, strict=True):
        assert gone not in content
        assert stays in content
        assert sum(shard.histories.num_listeners for shard in folder) == len(users) - 1
    assert not unfinished.exists()
    observe("a forgotten listener leaves the shards of every fit on the archive, also of one that died; others stay")


def test_the_manifest_describes_the_shards(tmp_path: Path) -> None:
    plays = pa.Table.from_batches(batches()).to_pydict()

    manifest = write(tmp_path / "shards", num_shards=3).manifest

    assert manifest.track_ids == list(dict.fromkeys(plays["track_id"]))
    assert (manifest.num_plays, manifest.num_forgotten) == (300, 2)
    assert (manifest.from_ms, manifest.until_ms) == (min(plays["played_at_ms"]), max(plays["played_at_ms"]))


def test_an_interrupted_folder_of_shards_is_not_opened(tmp_path: Path) -> None:
    def cut_off() -> Iterator[pa.RecordBatch]:
        yield batches()[0]
        raise KeyboardInterrupt

    write_shards(batches(), tmp_path / "shards", num_shards=3, num_forgotten=0)
    with pytest.raises(KeyboardInterrupt):
        write_shards(cut_off(), tmp_path / "shards", num_shards=3, num_forgotten=0)

    assert open_shards(tmp_path / "shards") is None


def test_shards_are_flushed_before_the_manifest_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "shards"
    steps = observe_disk(directory, monkeypatch)

    write_shards(batches(), directory, num_shards=3, num_forgotten=0)

    assert sorted(steps[:3]) == [("sync", f"{number:05d}.plays") for number in range(3)]
    assert steps[3:] == [("sync", "."), ("sync", "shards.json.new"), ("rename", "shards.json"), ("sync", ".")]


@pytest.mark.parametrize("remove", [remove_shards, lambda into: write_shards([], into, num_shards=1, num_forgotten=0)])
def test_a_manifest_goes_before_the_shards_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remove: Callable[[Path], object]
) -> None:
    def cut_off(directory: Path, **_: object) -> None:
        assert (directory / "00000.plays").exists()
        raise KeyboardInterrupt

    directory = tmp_path / "shards"
    write_shards(batches(), directory, num_shards=3, num_forgotten=0)
    steps = observe_disk(directory, monkeypatch)
    monkeypatch.setattr(shutil, "rmtree", cut_off)

    with pytest.raises(KeyboardInterrupt):
        remove(directory)

    assert steps == [("unlink", "shards.json"), ("sync", ".")]
    assert open_shards(directory) is None


def test_removing_missing_shards_is_no_error(tmp_path: Path) -> None:
    remove_shards(tmp_path / "shards")


def test_an_index_past_the_last_shard_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path / "shards", num_shards=3)

    with pytest.raises(IndexError):
        folder[3]
