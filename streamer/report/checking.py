"""Checking: whether reproduced figures agree with the published ones."""

from collections.abc import Iterator
from typing import Final

from streamer.report.figures import Figures

#: Counts involve no chance: they agree up to rounding.
TOLERANCE_OF_COUNTS: Final = 5e-4

#: Training gives the same bits on the same machine. On another one, sums of floats differ and training magnifies the
#: difference, up to about what three seeds differ by.
TOLERANCE_OF_TRAINING: Final = 0.01

_CHECKED: Final = ("hr_at_20", "mrr_at_20", "lt_recall_at_100")


def disagreements(published: dict[str, Figures], reproduced: dict[str, Figures], seed: int) -> Iterator[str]:
    """Describe where the reproduced figures of one seed differ from the published ones.

    Args:
        published: the systems' figures, of several seeds.
        reproduced: those of some systems, with one seed.
        seed: the one.

    Yields:
        A line for each difference beyond the tolerance, and for each figure that is missing.
    """
    for name, figures in reproduced.items():
        is_seeded = bool(figures["seeds"])
        before, after = (_of_seed(each.get(name), seed) for each in (published, reproduced))
        if before is None or after is None:
            yield f"{name}: no figures are published for seed {seed}"
            continue
        tolerance = TOLERANCE_OF_TRAINING if is_seeded else TOLERANCE_OF_COUNTS
        for metric in _CHECKED:
            if metric in after and abs(after[metric] - before.get(metric, float("inf"))) > tolerance:
                yield f"{name}: {metric} is {after[metric]:.5f}, published as {before.get(metric)}"


def _of_seed(figures: Figures | None, seed: int) -> Figures | None:
    if figures is None or not figures["seeds"]:
        return figures
    of_seed: Figures | None = figures["of_seeds"].get(str(seed))
    return of_seed
