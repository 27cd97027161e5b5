"""The files of the dashboards, as Grafana imports or provisions them."""

import json
from pathlib import Path
from typing import Final

from tests.k8s.dashboards.contents import DASHBOARDS
from tests.k8s.dashboards.panels import render

FOLDER: Final = Path(__file__).parents[3] / "k8s" / "dashboards"


def files() -> dict[Path, str]:
    """Return what is in each file."""
    return {
        FOLDER / f"{dashboard.name}.json": json.dumps(render(dashboard), indent=2, ensure_ascii=False) + "\n"
        for dashboard in DASHBOARDS
    }
