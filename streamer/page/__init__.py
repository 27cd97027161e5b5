"""The web page of Refrain, as built from `source/`: static files that a worker serves."""

from pathlib import Path
from typing import Final

#: index.html, and `assets/` with hashed names; beside each file its .br and .gz.
BUILT: Final = Path(__file__).parent / "built"
