"""Runs: a system's answers at the test anchors, kept on disk."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.plays.split import Lists
from streamer.runtime.files import replace_file, sync_directory, sync_file

_LISTS: Final = "lists.npz"
_ABOUT: Final = "run.json"


@dataclass(frozen=True, slots=True)
class SystemRun:
    """One system, fitted with one seed.

    Attributes:
        lists: its answers.
        settings: those it was fitted with, by name.
        losses: one per epoch; empty if nothing is trained in epochs.
        plays_per_s: training speed; None without training.
    """

    lists: Lists
    settings: dict[str, Any]
    losses: list[float] = field(default_factory=list)
    plays_per_s: float | None = None


def keep_run(folder: Path, key: dict[str, Any], run: SystemRun) -> None:
    """Keep a run in its own folder, with a key that identifies it."""
    folder.mkdir(parents=True, exist_ok=True)
    lists = {name: rows.astype(np.int32) for name, rows in asdict(run.lists).items()}
    with (folder / _LISTS).open("wb") as file:
        np.savez_compressed(file, **lists)
        sync_file(file)
    sync_directory(folder)
    about = {"key": key, "settings": run.settings, "losses": run.losses, "plays_per_s": run.plays_per_s}
    replace_file(folder / _ABOUT, f"{json.dumps(about, indent=1)}\n".encode())  # last: a run without it is incomplete


def kept_run(folder: Path, key: dict[str, Any]) -> SystemRun | None:
    """Load the run kept in a folder; None if there is none, or if its settings differ."""
    if not (folder / _ABOUT).exists():
        return None
    about = json.loads((folder / _ABOUT).read_text())
    if about.pop("key") != json.loads(json.dumps(key)):
        return None
    with np.load(folder / _LISTS) as kept:
        lists = Lists(kept["short_term"].astype(np.int64), kept["long_term"].astype(np.int64))
    return SystemRun(lists, **about)
