"""What a release says about the judgement passed on it, in its metrics."""

from collections.abc import Mapping
from enum import StrEnum

from models.release_files import Json


class Standing(StrEnum):
    """How a release stands with the gate."""

    PASSED = "passed"
    REFUSED = "refused"
    UNJUDGED = "unjudged"


def standing_of(metrics: Mapping[str, Json]) -> Standing:
    """Return how a release stands with the gate; before `passed` was kept, only the verdict's first word said it."""
    passed, verdict = metrics.get("passed"), metrics.get("verdict")
    if isinstance(passed, bool):
        return Standing.PASSED if passed else Standing.REFUSED
    if isinstance(verdict, str) and verdict.startswith(("Published:", "Refused:")):
        return Standing.PASSED if verdict.startswith("Published:") else Standing.REFUSED
    return Standing.UNJUDGED


def verdict_of(metrics: Mapping[str, Json]) -> str | None:
    """Return the gate's paragraph; None if there is none."""
    verdict = metrics.get("verdict")
    return verdict if isinstance(verdict, str) else None


def first_sentence(metrics: Mapping[str, Json]) -> str:
    """Return the verdict in short; empty if there is none."""
    return (verdict_of(metrics) or "").split(". ")[0].rstrip(".")


def measured_hit_rate(metrics: Mapping[str, Json]) -> float | None:
    """Return the hit rate that the gate measured; None if it measured none."""
    value: Json = dict(metrics)
    for name in ("gate", "candidate", "HR@20", "mean"):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, float) else None
