"""Answers saved against lists lost by REFRAIN_REPEAT_OVERLAP: `python -m tests.bench.repeats PLAYS RELEASE`.

PLAYS is a file of recorded plays, RELEASE the location of a release fitted on those before T1 (`refrain train` makes
one). Every anchor of the part is answered by the protocol of `models.evaluation`, each listener's in order. For each
share of overlap, the list in force at an anchor is the last one that was published; it is measured against the same
targets as the list that would have been published there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.evaluation.protocol import evaluate, rank_anchors
from models.plays.split import Lists, Part, Split, split_plays
from models.release import load_release
from streamer.recordings.plays import read_plays
from streamer.worker.saying import choose_lists

SHARES: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
FIGURES: Final = (("short-term/all", "HR@20"), ("short-term/all", "MRR@20"), ("long-term/all", "recall@100"))


@dataclass(frozen=True, slots=True)
class InForce:
    """What A readers have at hand.

    Attributes:
        rows: int64 (A, k), the last published list of each anchor's listener.
        published: share of the anchors whose own list was published.
    """

    rows: NDArray[np.int64]
    published: float


def in_force(rows: NDArray[np.int64], listeners: NDArray[np.int64], share: float) -> InForce:
    """Return what is in force at each anchor.

    Args:
        rows: int64 (A, k), the list of each anchor.
        listeners: int64 (A,), ascending; a listener's anchors are in order.
        share: of overlap from which a list is not published.
    """
    numbers = np.unique(listeners, return_inverse=True)[1]
    published = np.ones(len(rows), np.bool_)
    remembered = np.zeros((int(numbers.max()) + 1, rows.shape[1]), np.uint32)
    choose_lists(published, remembered, 0, rows.shape[1], numbers, rows.astype(np.uint32), share)
    latest = np.maximum.accumulate(np.where(published, np.arange(len(rows)), 0))
    return InForce(rows[latest], float(published.mean()))


def curve(split: Split, part: Part, lists: Lists) -> Iterator[str]:
    """Yield the rows of a table in Markdown, the first of them for publishing everything."""
    listeners = split.histories.listeners()[split.anchors(part)]
    yield "| overlap | short-term lists published | long-term | " + " | ".join(name for _, name in FIGURES) + " |"
    yield "| --- " * (3 + len(FIGURES)) + "|"
    for share in (None, *SHARES):
        short, long = (
            InForce(rows, 1.0) if share is None else in_force(rows, listeners, share)
            for rows in (lists.short_term, lists.long_term)
        )
        groups = evaluate(split, part, [Lists(short.rows, long.rows)]).groups
        figures = [f"{groups[group].metrics[name].mean:.4f}" for group, name in FIGURES]
        cells = [f"{share or 'off'}", f"{short.published:.1%}", f"{long.published:.1%}", *figures]
        yield "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plays", type=Path)
    parser.add_argument("release")
    parser.add_argument("--part", choices=["validation", "test"], default="test")
    arguments = parser.parse_args()
    split = split_plays(read_plays(arguments.plays).plays)
    lists = rank_anchors(load_release(arguments.release).recommender, split, arguments.part)
    for row in curve(split, arguments.part, lists):
        sys.stdout.write(row + "\n")


if __name__ == "__main__":
    main()
