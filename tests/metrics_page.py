"""docs/metrics.md: every metric with its unit, its meaning and what to do about it, as the processes declare it.

`python -m tests.metrics_page` (or `make public`) writes it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from streamer.metrics import TrainerMetrics, WorkerMetrics
from streamer.metrics.register import Metric

PAGE: Final = Path(__file__).parents[1] / "docs" / "metrics.md"

_HEAD: Final = """\
# Metrics

Written by `make public` from `streamer/metrics/`; a test fails when it differs. A worker serves its metrics on
`REFRAIN_WEB_PORT`, a trainer on `REFRAIN_TRAINER_WEB_PORT`, both at `/metrics`. What has not been measured yet is NaN,
not 0; what is counted by a label is 0 from the start for each value that is known. Labels `partition` are of the
partitions that a worker owns.

[Alerts](runbooks.md) and [dashboards](../k8s/dashboards) are built on these. A histogram is found under its name with
`_bucket`, `_sum` and `_count`.
"""


def render_page() -> str:
    """Return the whole page."""
    worker, trainer = (process.register.metrics for process in (WorkerMetrics(), TrainerMetrics()))
    of_both = {metric.name for metric in worker} & {metric.name for metric in trainer}
    ours = [metric for metric in worker if metric.name in of_both and metric.name.startswith("refrain_")]
    sections = {
        "Of worker and trainer": ours,
        "Of a worker": [metric for metric in worker if metric.name not in of_both],
        "Of a trainer": [metric for metric in trainer if metric.name not in of_both],
        "Of any process": [metric for metric in worker if not metric.name.startswith("refrain_")],
    }
    return _HEAD + "".join(f"\n## {title}\n\n{''.join(_lines(metrics))}" for title, metrics in sections.items())


def _lines(metrics: Sequence[Metric]) -> Iterator[str]:
    yield "| metric | type | labels | unit | meaning | when it moves |\n| --- | --- | --- | --- | --- | --- |\n"
    for metric in sorted(metrics, key=lambda metric: metric.exposed):
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        cells = (f"`{metric.exposed}`", metric.kind, labels, metric.unit, metric.meaning, metric.action)
        yield f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Write docs/metrics.md."""
    PAGE.write_text(render_page())


if __name__ == "__main__":
    main()
