"""A fit's checkpoint on a disk: one file, replaced atomically, so that a kill leaves the old one or the new one."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from models.training.checkpoint import Fingerprint, InvalidCheckpoint, Snapshot, differences
from streamer.errors import RefrainError
from streamer.runtime.files import hold_directory, replace_file
from streamer.training.shards import remove_shards

_NAME: Final = "checkpoint.safetensors"
_MOST_DISK_SHARE: Final = 0.05  # of a fit's time, however large its weights


class CheckpointError(RefrainError):
    """Raised when a checkpoint is damaged, or belongs to another fit."""


class CheckpointFile:
    """Keeps the latest snapshot of a fit.

    Args:
        directory: created if absent; used by one fit only.
        shards_directory: of the fit's plays, if they are copied for it; by default below `directory`.
        period_s: how much of a fit a kill may cost; longer if writing takes more than a twentieth of it.
        clock: monotonic, seconds.
    """

    def __init__(
        self,
        directory: Path,
        *,
        shards_directory: Path | None = None,
        period_s: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._shards_directory = shards_directory or directory / "shards" / "fit"
        self._period_s = period_s
        self._clock = clock
        self._due_s = -float("inf")

    @property
    def path(self) -> Path:
        """The path of the checkpoint."""
        return self._directory / _NAME

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other fits out of the directory; the lock ends with this process, however that ends.

        Raises:
            InUseError: another process holds it.
            SettingsError: it cannot be created or written.
        """
        with hold_directory(self._directory, name="checkpoint directory", remedy="name another with --checkpoint"):
            yield

    @property
    def earlier(self) -> "CheckpointFile":
        """The checkpoint of the network of earlier plays, which a fit of two stages starts with."""
        return CheckpointFile(self._directory / "earlier", period_s=self._period_s, clock=self._clock)

    @property
    def shards_directory(self) -> Path:
        """The directory of the fit's plays, if they are copied for it."""
        return self._shards_directory

    def read(self, fingerprint: Fingerprint) -> Snapshot | None:
        """Read the latest snapshot; None if there is none.

        Raises:
            CheckpointError: it is damaged or belongs to another fit; the message says what differs.
        """
        try:
            snapshot = Snapshot.from_bytes(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except InvalidCheckpoint as exc:
            raise CheckpointError(f"{self.path} {exc}; remove it to start over") from exc
        if differing := differences(snapshot.fingerprint, fingerprint):
            raise CheckpointError(
                f"the checkpoint {self.path} belongs to another fit: {'; '.join(differing)}. Use the same plays and "
                "settings to finish that fit, name another directory, or remove the checkpoint to start over"
            )
        return snapshot

    def is_due(self, *, epoch_ended: bool) -> bool:
        """Check whether a snapshot is due: after an epoch, after the period, and at once if there is none."""
        return epoch_ended or self._clock() >= self._due_s

    def write(self, snapshot: Snapshot) -> None:
        """Replace the latest snapshot, and flush it to the disk.

        Raises:
            OSError: the directory cannot be written.
        """
        started_s = self._clock()
        self._directory.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, snapshot.to_bytes())
        ended_s = self._clock()
        self._due_s = ended_s + max(self._period_s, (ended_s - started_s) / _MOST_DISK_SHARE)

    def remove(self) -> None:
        """Delete the fit's checkpoints and the plays that were copied for it."""
        self.path.unlink(missing_ok=True)
        shutil.rmtree(self.earlier.path.parent, ignore_errors=True)
        remove_shards(self.shards_directory)
        remove_shards(self._directory / "shards")  # where earlier versions copied them

    def discard(self) -> None:
        """Delete the snapshots; a fit that is running writes new ones."""
        self.path.unlink(missing_ok=True)
        self.earlier.path.unlink(missing_ok=True)
