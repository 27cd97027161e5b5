"""What reaches the disk, and in which order: every fsync, rename and removal below a directory."""

import os
from pathlib import Path

import pytest

#: ("sync" | "rename" | "unlink", path below the observed directory; "." is the directory; of a rename, the new name).
Step = tuple[str, str]


def observe_disk(directory: Path, monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """Record the steps below a directory from now on; the list returned grows with them."""
    steps: list[Step] = []
    fsync, rename, unlink = os.fsync, Path.rename, Path.unlink

    def observed_fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        path = next(path for path in (directory, *directory.rglob("*")) if os.path.samestat(path.stat(), status))
        fsync(descriptor)
        steps.append(("sync", str(path.relative_to(directory))))

    def observed_rename(path: Path, target: Path) -> Path:
        renamed = rename(path, target)
        steps.append(("rename", str(target.relative_to(directory))))
        return renamed

    def observed_unlink(path: Path, *arguments: bool, **options: bool) -> None:
        unlink(path, *arguments, **options)
        steps.append(("unlink", str(path.relative_to(directory))))

    monkeypatch.setattr(os, "fsync", observed_fsync)
    monkeypatch.setattr(Path, "rename", observed_rename)
    monkeypatch.setattr(Path, "unlink", observed_unlink)
    return steps
