"""Which errors of a store mean that its files are damaged, and what to do about the others."""

import shutil
from pathlib import Path

#: Text of errors that only a damaged store raises. RocksDB has error codes, but they do not reach Python.
_DAMAGE = ("Corruption: ", "No such file or directory", "Is a directory", "File exists")

#: What to do about errors that do not mean damage, by their text.
_REMEDIES = {
    "lock hold by": "this process has opened it twice: report this bug",
    "While lock file": (
        "another process holds it: two workers share a state directory; give each its own REFRAIN_STATE_DIR"
    ),
    "Too many open files": "raise the limit of open files (ulimit -n)",
    "No space left on device": "the disk is full; make room and start again, nothing is lost",
    "Disk quota exceeded": "the disk quota is used up; raise it and start again, nothing is lost",
    "Read-only file system": "the file system is read-only; find out why, and mount it writable",
    "Input/output error": "the disk is failing; replace it, the states are rebuilt from the changelog",
    "Permission denied": "give the worker's user read and write access to the directory and its contents",
    "Operation not permitted": "give the worker's user read and write access to the directory and its contents",
}
_OTHERWISE = "check the disk; the directory may be deleted, it is rebuilt from the changelog"


def is_damage(exc: Exception) -> bool:
    """Whether an error means that the files of a store are damaged."""
    message = str(exc)
    return any(text in message for text in _DAMAGE) and not any(text in message for text in _REMEDIES)


def discard_damaged(path: Path, exc: Exception) -> str:
    """Discard a store if it is damaged; return what the operator has to do."""
    if not is_damage(exc):
        return next((remedy for text, remedy in _REMEDIES.items() if text in str(exc)), _OTHERWISE)
    try:
        discard(path)
    except OSError as refusal:
        return f"it is damaged and cannot be discarded ({refusal}); delete it, it is rebuilt from the changelog"
    return "it is damaged and was discarded; the next start rebuilds it from the changelog"


def discard(path: Path) -> None:
    """Delete a store. If interrupted, it leaves a damaged or an empty store."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
