from pathlib import Path

import numpy as np
import pytest

from models.split import Plays
from streamer.archive import Archive
from streamer.archived_plays import to_table
from streamer.listening import Listening
from streamer.plays import decode
from streamer.train.lesson import TrainError, read_archive, read_start, split_recording
from tests.builders import NOON_MS, TRACK_IDS, play, save_tiny_release


def test_of_a_recording_the_first_four_fifths_are_learned() -> None:
    plays = Plays(np.arange(100) % 5, np.arange(100) // 10, [f"t{n}" for n in range(10)], np.arange(100) * 1000)

    lesson = split_recording(Listening(plays, [f"u{n}" for n in range(5)]))

    assert lesson.histories.num_plays == len(lesson.sessions) == 80
    assert lesson.catalogue.track_ids == tuple(f"t{n}" for n in range(8))


def test_of_an_archive_everything_is_learned(tmp_path: Path) -> None:
    records = [play(offset, f"u{offset % 2}", f"t{offset}", NOON_MS + offset) for offset in range(6)]
    decoded = decode([r.key for r in records], [r.value for r in records], [r.timestamp for r in records])
    with Archive(tmp_path) as archive:
        archive.append(to_table(decoded.plays, 0, np.arange(6)), {0: 6})

    lesson = read_archive(tmp_path)

    assert lesson.histories.num_plays == 6
    assert lesson.histories.num_listeners == 2
    assert len(lesson.catalogue) == 6


def test_an_empty_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="holds no plays"):
        read_archive(tmp_path)


def test_a_fit_starts_from_a_release_if_one_is_named(tmp_path: Path) -> None:
    saved = save_tiny_release(tmp_path)

    start = read_start(saved.location)

    assert read_start(None) is None
    assert start is not None
    assert start.catalogue.track_ids == TRACK_IDS


def test_a_release_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"no fit can start from .*gone"):
        read_start(str(tmp_path / "gone"))
