"""What is installed: the version of Refrain, the commit it was built from, and the version of torch."""

import contextlib
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

_UNKNOWN: Final = "unknown"

#: Written by setup.py into what it builds.
_NOTE: Final = Path(__file__).parents[1] / "commit.txt"

#: As setup.py asks: 12 digits, and `-dirty` behind them where files differ from the commit.
_GIT: Final = ("git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*")
_LIMIT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Build:
    """What is installed; `unknown` where nothing says.

    Attributes:
        version: of Refrain.
        commit: that was built: the one that pip was given, that setup.py noted, or that an editable checkout has now.
        torch: its version.
    """

    version: str
    commit: str
    torch: str


def find_build() -> Build:
    """Ask the installed packages; torch is not imported for it."""
    origin = _origin("refrain")
    commit = origin.get("vcs_info", {}).get("commit_id") or _noted() or _checked_out(origin)
    return Build(_version("refrain"), commit or _UNKNOWN, _version("torch"))


def _version(package: str) -> str:
    try:
        return distribution(package).version
    except PackageNotFoundError:
        return _UNKNOWN


def _origin(package: str) -> dict[str, Any]:
    """Read what pip notes of a package's origin (PEP 610)."""
    with contextlib.suppress(PackageNotFoundError, ValueError):
        return dict(msgspec.json.decode(distribution(package).read_text("direct_url.json") or "{}"))
    return {}


def _noted() -> str:
    with contextlib.suppress(OSError):
        return _NOTE.read_text().strip()
    return ""


def _checked_out(origin: dict[str, Any]) -> str:
    """Ask git for the commit of an editable checkout."""
    checkout = Path(unquote(urlsplit(str(origin.get("url", ""))).path))
    if not origin.get("dir_info", {}).get("editable") or not (checkout / ".git").exists():
        return ""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(  # noqa: S603  of fixed words
            _GIT, cwd=checkout, capture_output=True, text=True, check=True, timeout=_LIMIT_S
        ).stdout.strip()
    return ""
