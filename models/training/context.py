"""The context of a fit: its device, the other processes, its progress report, and its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import torch

from models.training.checkpoint import Checkpoint, Fingerprint, Snapshot
from models.training.loop import Progress, ReportProgress, Stage
from models.training.ranks import ALONE, Ranks


def ignore_progress(_: Progress) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class FitContext:
    """What a fit needs besides plays and configs.

    Attributes:
        device: where to train; the network stays there.
        progress: called after every batch, and after every pass of word2vec if one process trains alone; an exception
            from it ends the fit, and the checkpoint keeps the batches that are done.
        checkpoint: where a fit records its progress and resumes from: it ends in the same weights as without the
            interruption, to the bit on a CPU.
        ranks: the processes that train together; each reads all the plays and ends with the same network.
    """

    device: torch.device | str = "cpu"
    progress: ReportProgress = ignore_progress
    checkpoint: Checkpoint | None = None
    ranks: Ranks = ALONE

    def of_stage(self, stage: Stage) -> FitContext:
        """Make the context of a stage: its own checkpoint, and progress reports with its name."""
        is_earlier = stage == "network of earlier plays"
        return replace(
            self,
            progress=lambda progress: self.progress(replace(progress, stage=stage)),
            checkpoint=self.checkpoint.earlier if self.checkpoint is not None and is_earlier else self.checkpoint,
        )

    def read_snapshot(self, fingerprint: Fingerprint) -> Snapshot | None:
        """Read the first rank's snapshot, on every rank."""
        snapshot = None
        if self.checkpoint is not None and self.ranks.rank == 0:
            snapshot = self.checkpoint.read(fingerprint)
        content = self.ranks.hand_out(b"" if snapshot is None else snapshot.to_bytes())
        return Snapshot.from_bytes(content) if content else None


DEFAULT_CONTEXT: Final = FitContext()
"""One process on the CPU, without reports or checkpoints."""
