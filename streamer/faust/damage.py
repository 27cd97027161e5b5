"""Damage: which errors of a store say that its files are damaged, and what there is to do about the others."""

import shutil
from pathlib import Path

#: What only a damaged store says. RocksDB has codes for its errors, but none of them reaches Python: words must do.
_DAMAGE = ("Corruption: ", "No such file or directory", "Is a directory", "File exists")

#: What to do about the errors that say nothing against the store itself.
_REMEDIES = {
    "lock hold by": "this process has opened it twice, which is a fault of the program",
    "While lock file": "another process holds it: two workers share a state directory; give each REFRAIN_STATE_DIR",
    "Too many open files": "raise the limit of open files (ulimit -n)",
    "No space left on device": "the disk is full; make room and start again, nothing is lost",
    "Disk quota exceeded": "the quota is used up; raise it and start again, nothing is lost",
    "Read-only file system": "the file system is read-only; see why, and mount it writable",
    "Input/output error": "the disk is failing; replace it, the states are rebuilt from the changelog",
    "Permission denied": "let the worker's user read and write the directory and all in it",
    "Operation not permitted": "let the worker's user read and write the directory and all in it",
}
_OTHERWISE = "check the disk; the directory may be deleted, it is rebuilt from the changelog"


def is_damage(exc: Exception) -> bool:
    """Whether an error says that the files of a store are damaged."""
    message = str(exc)
    return any(word in message for word in _DAMAGE) and not any(word in message for word in _REMEDIES)


def discard_damaged(path: Path, exc: Exception) -> str:
    """Discard a store if it is damaged; return what the operator has to do."""
    if not is_damage(exc):
        return next((remedy for word, remedy in _REMEDIES.items() if word in str(exc)), _OTHERWISE)
    try:
        discard(path)
    except OSError as refused:
        return f"it is damaged and cannot be discarded ({refused}); delete it, it is rebuilt from the changelog"
    return "it is damaged and was discarded; the next start rebuilds it from the changelog"


def discard(path: Path) -> None:
    """Delete a store. If this is interrupted, what remains is again a damaged store, or an empty one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
