"""The metrics that an expression of PromQL names, and those that there are."""

import re
from typing import Final

from streamer.metrics import TrainerMetrics, WorkerMetrics

#: What Prometheus itself adds.
_OF_PROMETHEUS: Final = {"up", "ALERTS"}

_IN_STRINGS_AND_LABELS: Final = re.compile(r'"[^"]*"|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)')
_IN_SELECTORS: Final = re.compile(r"\{[^}]*\}|\[[^\]]*\]|#.*")
_NAME: Final = re.compile(r"(?<![\w:.])([a-zA-Z_][\w:]*)(?!\s*\()(?![\w:])")
_WORDS: Final = {"and", "or", "unless", "bool", "offset", "by", "on", "without", "ignoring"}


def known_samples() -> set[str]:
    """Return the names of all samples that a worker or a trainer serves, and of those that Prometheus adds."""
    processes = (WorkerMetrics(), TrainerMetrics())
    return _OF_PROMETHEUS | {name for each in processes for metric in each.register.metrics for name in metric.samples}


def names_in(expression: str) -> set[str]:
    """Return the names of the metrics in an expression: what is neither a function, a label nor a word of PromQL."""
    bare = _IN_SELECTORS.sub(" ", _IN_STRINGS_AND_LABELS.sub(" ", expression))
    return set(_NAME.findall(bare)) - _WORDS
