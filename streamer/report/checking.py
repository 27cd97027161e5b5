"""Checking: whether figures made anew agree with those that are written down."""

from collections.abc import Iterator
from typing import Final

from streamer.report.figures import Figures

#: What is counted agrees to rounding; it holds no chance.
TOLERANCE_OF_COUNTS: Final = 5e-4

#: What is trained is the same to the bit on the same machine, and about so on another: sums of floats differ, and a
#: training run magnifies it. Three seeds differ by as much.
TOLERANCE_OF_TRAINING: Final = 0.01

_CHECKED: Final = ("hr_at_20", "mrr_at_20", "lt_recall_at_100")


def disagreements(written: dict[str, Figures], anew: dict[str, Figures], seed: int) -> Iterator[str]:
    """Tell where figures made anew with one seed differ from those written down.

    Args:
        written: the systems' figures, of several seeds.
        anew: of some systems, made with one seed.
        seed: which.

    Yields:
        A line for each difference beyond the tolerance, and for each figure that is missing.
    """
    for name, figures in anew.items():
        is_seeded = bool(figures["seeds"])
        before, after = (_of_seed(each.get(name), seed) for each in (written, anew))
        if before is None or after is None:
            yield f"{name}: no figures of seed {seed} are written down"
            continue
        tolerance = TOLERANCE_OF_TRAINING if is_seeded else TOLERANCE_OF_COUNTS
        for metric in _CHECKED:
            if metric in after and abs(after[metric] - before.get(metric, float("inf"))) > tolerance:
                yield f"{name}: {metric} is {after[metric]:.5f} anew, {before.get(metric)} as written down"


def _of_seed(figures: Figures | None, seed: int) -> Figures | None:
    if figures is None or not figures["seeds"]:
        return figures
    of_seed: Figures | None = figures["of_seeds"].get(str(seed))
    return of_seed
