"""What is installed: the version of Refrain, the commit it was built from, and the version of torch."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final

import msgspec

_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Build:
    """What is installed; `unknown` where the packages do not say.

    Attributes:
        version: of Refrain.
        commit: that pip installed, if it was given a repository.
        torch: its version.
    """

    version: str
    commit: str
    torch: str


def find_build() -> Build:
    """Ask the installed packages; torch is not imported for it."""
    return Build(_version("refrain"), _commit("refrain"), _version("torch"))


def _version(package: str) -> str:
    try:
        return distribution(package).version
    except PackageNotFoundError:
        return _UNKNOWN


def _commit(package: str) -> str:
    """Read what pip notes of a package's origin (PEP 610)."""
    try:
        origin = msgspec.json.decode(distribution(package).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return _UNKNOWN
    return str(origin.get("vcs_info", {}).get("commit_id", _UNKNOWN))
