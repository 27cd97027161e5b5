"""Puts the address of the runbooks into the alerts and their tests: `make alerts URL=address`."""

import re
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_FILES: Final = ("k8s/alerts/refrain.yaml", "tests/k8s/alerts*.yaml")
_URL: Final = re.compile(r"(?<=runbook_url: )[^#\s]+(?=#)")


def set_address(root: Path, address: str) -> None:
    """Replace what is before the `#` of each `runbook_url`.

    Args:
        root: of the repository.
        address: of the page, e.g. `https://docs.example/runbooks.html`.
    """
    for path in (path for pattern in _FILES for path in root.glob(pattern)):
        path.write_text(_URL.sub(lambda _: address, path.read_text()))


if __name__ == "__main__":
    set_address(_ROOT, sys.argv[1])
