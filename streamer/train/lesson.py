"""What a command learns from: recorded plays, or the archive."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.catalogue import Catalogue
from models.histories import Histories
from models.recommender import Recommender
from models.release import InvalidRelease, load_release
from models.split import Plays, split_plays
from streamer.archive import Archive
from streamer.errors import RefrainError
from streamer.listening import Listening

_AFTER_ALL_MS: Final = 1 << 62


class TrainError(RefrainError):
    """Raised when there is nothing to train on."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned from.

    Attributes:
        histories: P plays.
        sessions: int64 (P,).
        catalogue: the tracks.
        playlists: as histories, where there are any.
    """

    histories: Histories
    sessions: NDArray[np.int64]
    catalogue: Catalogue
    playlists: Histories | None = None


def split_recording(listening: Listening) -> Lesson:
    """Take the first four fifths of recorded plays, in time."""
    split = split_plays(listening.plays)
    return Lesson(*split.training_histories(), split.catalogue)


def read_archive(directory: Path) -> Lesson:
    """Read everything the trainer has archived.

    Raises:
        ContractError: a trainer that runs holds the archive.
        TrainError: there are no plays.
    """
    with Archive(directory) as archive:
        plays = archive.read_newest(archive.num_plays)
    if not len(plays):
        raise TrainError(f"the archive {directory} holds no plays; let a trainer fill it, or name recorded plays")
    columns = Plays(plays.users, plays.tracks, plays.track_ids, plays.played_at_ms, plays.contexts)
    split = split_plays(columns, t1_ms=_AFTER_ALL_MS, t2_ms=_AFTER_ALL_MS)
    return Lesson(*split.training_histories(), split.catalogue)


def read_start(location: str | None) -> Recommender | None:
    """Load the release a fit starts from; none where none is named.

    Raises:
        TrainError: it cannot be loaded.
    """
    if location is None:
        return None
    try:
        return load_release(location).recommender
    except (InvalidRelease, OSError) as exc:
        raise TrainError(f"no fit can start from {location}: {exc}") from exc
