"""A quadtree of places on a plane, with which far places push as one: Barnes and Hut's approximation of t-SNE.

Places are sorted along a Z-order curve, so that those of a node are a range of them. Nodes are in depth-first order,
and each knows the first node that is not below it: whoever need not look into a node jumps there.

Source: van der Maaten 2014, Accelerating t-SNE using Tree-Based Algorithms.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, compiled_sums, inlined

_LEVELS: Final = 16  # of halving: the codes of places have 2 bits for each
_CELLS: Final = np.float32(1 << _LEVELS)
_LEAF: Final = 8  # places, at most, that are looked at one by one; nodes of fewer would cost more than they save
_MOST_WAITING: Final = 4 * (_LEVELS + 1)  # nodes that wait to be split
_ONE: Final = np.float32(1)


class Quadtree(NamedTuple):
    """Q nodes over N sorted places.

    Attributes:
        begins: int32 (Q,), the first place of each node.
        ends: int32 (Q,), behind the last one.
        skips: int32 (Q,), the first node that is not below it.
        is_leaf: bool (Q,).
        centres: float32 (Q, 2), the mean of its places.
        widths: float32 (Q,), of its square.
    """

    begins: NDArray[np.int32]
    ends: NDArray[np.int32]
    skips: NDArray[np.int32]
    is_leaf: NDArray[np.bool_]
    centres: NDArray[np.float32]
    widths: NDArray[np.float32]


def push_apart(places: NDArray[np.float32], angle: float) -> tuple[NDArray[np.float32], float]:
    """Compute how all places push each other away, with q = 1 / (1 + distance squared).

    Args:
        places: float32 (N, 2), of any order.
        angle: the largest width of a node that pushes as one, in distances to it; 0: every place pushes by itself.

    Returns:
        The sum over the others of q^2 (place - other), float32 (N, 2), and the sum of q over all pairs.
    """
    low = places.min(axis=0)
    width = np.float32(max(float((places.max(axis=0) - low).max()), float(np.finfo(np.float32).tiny)))
    codes = codes_of(places, low, width)
    order = np.argsort(codes, kind="stable")
    ordered = places[order]
    pushes = np.empty_like(places)
    sums = _push(ordered, grow(codes[order], ordered, width), np.float32(angle), pushes)
    back = np.empty_like(pushes)
    back[order] = pushes
    return back, float(sums.sum(dtype=np.float64))


@compiled
def codes_of(places: NDArray[np.float32], low: NDArray[np.float32], width: np.float32) -> NDArray[np.uint32]:
    """Number places, float32 (N, 2), along a Z-order curve through their square: uint32 (N,)."""
    codes = np.empty(len(places), np.uint32)
    for place in range(len(places)):
        code = np.uint32(0)
        for axis in range(2):
            cell = np.uint32(min(_CELLS - _ONE, (places[place, axis] - low[axis]) / width * _CELLS))
            code |= _spread(cell) << np.uint32(axis)
        codes[place] = code
    return codes


@inlined
def _spread(cell: np.uint32) -> np.uint32:
    """Put a 0 before each of 16 bits."""
    cell = (cell | (cell << np.uint32(8))) & np.uint32(0x00FF00FF)
    cell = (cell | (cell << np.uint32(4))) & np.uint32(0x0F0F0F0F)
    cell = (cell | (cell << np.uint32(2))) & np.uint32(0x33333333)
    return (cell | (cell << np.uint32(1))) & np.uint32(0x55555555)


@compiled
def grow(codes: NDArray[np.uint32], places: NDArray[np.float32], width: np.float32) -> Quadtree:
    """Build the tree of places, sorted by their codes, in a square of a width.

    A node with all its places in one quarter shrinks to it, so that inner nodes have two children or more.
    """
    most = 2 * len(codes)
    begins, ends, depths = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int32)
    is_leaf, centres = np.empty(most, np.bool_), np.empty((most, 2), np.float32)
    widths = np.empty(most, np.float32)
    waiting = np.empty((_MOST_WAITING, 3), np.int32)  # begin, end, depth
    waiting[0] = 0, len(codes), 0
    node, num_waiting = 0, 1
    while num_waiting:
        num_waiting -= 1
        begin, end, depth = waiting[num_waiting]
        level = _level_of(codes[begin], codes[end - 1])
        begins[node], ends[node], depths[node] = begin, end, depth
        centres[node, 0], centres[node, 1] = places[begin:end, 0].mean(), places[begin:end, 1].mean()
        widths[node] = width / np.float32(1 << level)
        is_leaf[node] = end - begin <= _LEAF or level == _LEVELS
        if not is_leaf[node]:
            num_waiting = _split(codes, (begin, end, depth, level), waiting, num_waiting)
        node += 1
    skips = _skips_of(depths[:node])
    return Quadtree(begins[:node], ends[:node], skips, is_leaf[:node], centres[:node], widths[:node])


@inlined
def _level_of(first: np.uint32, last: np.uint32) -> int:
    """Count the halvings after which two places are still in one square."""
    level = 0
    while level < _LEVELS and first >> np.uint32(30 - 2 * level) == last >> np.uint32(30 - 2 * level):
        level += 1
    return level


@inlined
def _split(
    codes: NDArray[np.uint32], node: tuple[int, int, int, int], waiting: NDArray[np.int32], num_waiting: int
) -> int:
    """Let the quarters of a node wait that have places, the first of them last, so that it is next."""
    begin, end, depth, level = node
    for quarter in range(3, -1, -1):
        first = begin
        behind = end
        while first < behind:  # where codes of this quarter begin
            middle = (first + behind) // 2
            if (codes[middle] >> np.uint32(30 - 2 * level)) & np.uint32(3) < quarter:
                first = middle + 1
            else:
                behind = middle
        if first < end:
            waiting[num_waiting] = first, end, depth + 1
            num_waiting += 1
        end = first
    return num_waiting


@inlined
def _skips_of(depths: NDArray[np.int32]) -> NDArray[np.int32]:
    skips = np.empty(len(depths), np.int32)
    for node in range(len(depths) - 1, -1, -1):
        other = node + 1
        while other < len(depths) and depths[other] > depths[node]:
            other = skips[other]
        skips[node] = other
    return skips


@compiled_sums
def _push(
    places: NDArray[np.float32], tree: Quadtree, angle: np.float32, pushes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Fill in the pushes of all places, float32 (N, 2); return the sum of q for each, float32 (N,)."""
    sums = np.empty(len(places), np.float32)
    for place in range(len(places)):
        x, y = places[place, 0], places[place, 1]
        push_x = push_y = total = np.float32(0)
        node = 0
        while node < len(tree.skips):
            way_x, way_y = x - tree.centres[node, 0], y - tree.centres[node, 1]
            square = way_x * way_x + way_y * way_y
            if tree.widths[node] * tree.widths[node] < angle * angle * square:
                closeness = _ONE / (_ONE + square)
                weight = np.float32(tree.ends[node] - tree.begins[node]) * closeness
                total += weight
                push_x += weight * closeness * way_x
                push_y += weight * closeness * way_y
            elif tree.is_leaf[node]:
                for other in range(tree.begins[node], tree.ends[node]):
                    way_x, way_y = x - places[other, 0], y - places[other, 1]
                    closeness = _ONE / (_ONE + way_x * way_x + way_y * way_y)
                    total += closeness
                    push_x += closeness * closeness * way_x
                    push_y += closeness * closeness * way_y
            else:
                node += 1
                continue
            node = tree.skips[node]
        pushes[place, 0], pushes[place, 1] = push_x, push_y
        sums[place] = total - _ONE  # a place is no pair with itself
    return sums
