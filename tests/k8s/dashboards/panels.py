"""Dashboards of Grafana as plain dictionaries, built from a few words for each panel and the register of metrics."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

from streamer.metrics import TrainerMetrics, WorkerMetrics
from streamer.metrics.register import Metric
from tests.k8s.promql import names_in

Object: TypeAlias = dict[str, Any]

#: What Grafana calls the units of the register; others are plain numbers.
_UNITS: Final = {"seconds": "s", "bytes": "bytes", "ratio": "percentunit"}

_COLUMNS: Final = 24
_HEIGHTS: Final = {"stat": 4, "timeseries": 8, "heatmap": 8, "state-timeline": 6}
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_SCHEMA_VERSION: Final = 39  # Grafana 10.2 and newer read it


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel.

    Attributes:
        title: what it shows.
        queries: by legend; `{{label}}` in a legend is the label's value.
        kind: of the panel, as Grafana names it.
        unit: as Grafana names it; empty: that of the first metric in the queries.
        width: of 24 columns.
        is_stacked: whether series are stacked.
    """

    title: str
    queries: Mapping[str, str]
    kind: str = "timeseries"
    unit: str = ""
    width: int = 8
    is_stacked: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard: panels from left to right, row by row.

    Attributes:
        name: of its file and in its address.
        title: in the list of dashboards.
        rows: panels under a heading.
    """

    name: str
    title: str
    rows: Mapping[str, Sequence[Panel]]


def stat(title: str, query: str, unit: str = "") -> Panel:
    """Return a panel with one number."""
    return Panel(title, {"": query}, "stat", unit, 4)


def render(dashboard: Dashboard) -> Object:
    """Return a dashboard as Grafana imports it; the same bytes whenever nothing has changed."""
    return {
        "uid": f"refrain-{dashboard.name}",
        "title": f"Refrain: {dashboard.title}",
        "tags": ["refrain"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": True,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [_source_variable()]},
        "annotations": {"list": [_releases()]},
        "links": [{"type": "dashboards", "tags": ["refrain"], "title": "Refrain", "asDropdown": True}],
        "panels": [panel | {"id": number} for number, panel in enumerate(_panels(dashboard), 1)],
    }


def _panels(dashboard: Dashboard) -> Iterator[Object]:
    top = 0
    for heading, panels in dashboard.rows.items():
        yield {"type": "row", "title": heading, "collapsed": False, "gridPos": _place(0, top, _COLUMNS, 1)}
        left, top, height = 0, top + 1, 0
        for panel in panels:
            if left + panel.width > _COLUMNS:
                left, top, height = 0, top + height, 0
            yield _render(panel) | {"gridPos": _place(left, top, panel.width, _HEIGHTS[panel.kind])}
            left, height = left + panel.width, max(height, _HEIGHTS[panel.kind])
        top += height


def _render(panel: Panel) -> Object:
    unit, is_heatmap = panel.unit or _unit(panel), panel.kind == "heatmap"
    custom = {"fillOpacity": 10, "showPoints": "never"} | (
        {"stacking": {"mode": "normal"}, "fillOpacity": 40} if panel.is_stacked else {}
    )
    defaults = {"unit": unit} | ({"min": 0, "custom": custom} if panel.kind == "timeseries" else {})
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": _description(panel),
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"calculate": False, "yAxis": {"unit": unit}} if is_heatmap else {},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": query,
                "legendFormat": legend,
                "format": "heatmap" if is_heatmap else "time_series",
            }
            for number, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _unit(panel: Panel) -> str:
    units = [metric.unit for metric in _metrics(panel)]
    return _UNITS.get(units[0], "short") if units else "short"


def _description(panel: Panel) -> str:
    """Say of each metric of a panel what it is, and what to do when it moves."""
    return "\n\n".join(f"**{each.exposed}** {each.meaning} {each.action}" for each in _metrics(panel))


def _metrics(panel: Panel) -> list[Metric]:
    found = (_declared().get(name) for query in panel.queries.values() for name in sorted(names_in(query)))
    return list(dict.fromkeys(metric for metric in found if metric is not None))


@cache
def _declared() -> Mapping[str, Metric]:
    processes = (WorkerMetrics(), TrainerMetrics())
    return {name: metric for each in processes for metric in each.register.metrics for name in metric.samples}


def _place(left: int, top: int, width: int, height: int) -> Object:
    return {"x": left, "y": top, "w": width, "h": height}


def _source_variable() -> Object:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _releases() -> Object:
    """Mark when workers take up a release: most curves bend there."""
    return {
        "name": "Release taken up",
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": "purple",
        "expr": "sum(changes(refrain_release_created_timestamp_seconds[2m])) > 0",
        "titleFormat": "Release taken up",
    }
