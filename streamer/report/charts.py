"""Charts: figures as SVG, drawn here so that a page is self-contained.

Colours are variables of the page's style, `--c0` to `--c5`, so that the page reads well on light and dark screens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

Point = tuple[float, float]

_WIDTH: Final = 720
_HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 36, 12, 46


@dataclass(frozen=True, slots=True)
class Series:
    """A line with a band.

    Attributes:
        name: in the legend.
        colour: 0..5.
        xs: x values of its points.
        ys: y values of its points.
        bands: the interval of each point; empty: no band is drawn.
    """

    name: str
    colour: int
    xs: Sequence[float]
    ys: Sequence[float]
    bands: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True)
class Annotation:
    """A point on the axis at which something happened.

    Attributes:
        x: its place.
        name: a few letters, written above it.
        title: what happened; shown as a tooltip.
    """

    x: float
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Shade:
    """A stretch of the axis that differs from the rest.

    Attributes:
        begin: where it starts.
        end: where it ends.
        title: why it differs; shown as a tooltip.
    """

    begin: float
    end: float
    title: str


def line_chart(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    ticks: Sequence[tuple[float, str]],
    has_diagonal: bool = False,
    marks: Sequence[Annotation] = (),
    shades: Sequence[Shade] = (),
) -> str:
    """Draw lines over a common axis.

    Args:
        series: the lines.
        x_label: of the horizontal axis.
        y_label: of the vertical axis.
        ticks: places and labels on the horizontal axis.
        has_diagonal: draw the line on which both axes agree.
        marks: drawn as lines from top to bottom.
        shades: drawn behind everything else.
    """
    edges = [edge for each in series for band in each.bands for edge in band]
    heights = edges + [y for each in series for y in each.ys]
    low, high = min(0.0, *heights), max(heights) or 1.0
    x_low, x_high = min(x for x, _ in ticks), max(x for x, _ in ticks)
    to_x = _scale(x_low, x_high, _LEFT, _WIDTH - _RIGHT)
    to_y = _scale(low, high * 1.05, _HEIGHT - _BOTTOM, _TOP)
    parts = [_shade(shade, to_x) for shade in shades]
    parts += [_grid(to_y, low, high), _x_axis(to_x, ticks), _axis_labels(x_label, y_label)]
    parts += [_mark(mark, to_x) for mark in marks]
    if has_diagonal:
        end = min(x_high, high * 1.05)
        parts.append(f'<path class="diagonal" d="{_path([(to_x(0), to_y(0)), (to_x(end), to_y(end))])}"/>')
    parts += [_band(each, to_x, to_y) for each in series if each.bands]
    for each in series:
        points = [(to_x(x), to_y(y)) for x, y in zip(each.xs, each.ys, strict=True)]
        parts.append(f'<path class="line" style="stroke:var(--c{each.colour})" d="{_path(points)}"/>')
        parts += [
            f'<circle r="3" cx="{x:.1f}" cy="{y:.1f}" style="fill:var(--c{each.colour})">'
            f"<title>{escape(each.name)}: {height:.3f}</title></circle>"
            for (x, y), height in zip(points, each.ys, strict=True)
        ]
    return _svg(_WIDTH, _HEIGHT, parts) + legend([(each.name, each.colour) for each in series])


def interval_chart(rows: Sequence[tuple[str, int, float, float, float]], *, zero: bool = False) -> str:
    """Draw one row per mean, with its interval.

    Args:
        rows: name, colour, mean, low, high.
        zero: mark the place of no difference.
    """
    left, row_height = 190, 24
    height = row_height * len(rows) + 34
    low = min(0.0, *(row[3] for row in rows))
    high = max(row[4] for row in rows) * 1.05 or 1.0
    to_x = _scale(low, high, left, _WIDTH - 70)
    parts = [
        f'<path class="grid" d="M{to_x(tick):.1f} 6V{height - 28}"/>'
        f'<text class="tick" text-anchor="middle" x="{to_x(tick):.1f}" y="{height - 12}">{_number(tick)}</text>'
        for tick in _steps(low, high)
    ]
    if zero:
        parts.append(f'<path class="zero" d="M{to_x(0):.1f} 6V{height - 28}"/>')
    for place, (name, colour, mean, lowest, highest) in enumerate(rows):
        y = 18 + place * row_height
        parts.append(
            f'<text class="name" text-anchor="end" x="{left - 10}" y="{y + 4}">{escape(name)}</text>'
            f'<path class="whisker" style="stroke:var(--c{colour})" d="M{to_x(lowest):.1f} {y}H{to_x(highest):.1f}"/>'
            f'<circle r="4.5" cx="{to_x(mean):.1f}" cy="{y}" style="fill:var(--c{colour})"/>'
            f'<text class="value" x="{to_x(highest) + 8:.1f}" y="{y + 4}">{_number(mean, 3)}</text>'
        )
    return _svg(_WIDTH, height, parts)


def plane(tracks: Sequence[Point], sizes: Sequence[float], paths: Sequence[Sequence[Point]]) -> str:
    """Draw dots, and paths among them that start faint and end strong.

    Args:
        tracks: the dots.
        sizes: 0..1, of each.
        paths: each point of a path, the oldest first.
    """
    size = 560
    everything = [*tracks, *(point for path in paths for point in path)]
    (x_low, x_high), (y_low, y_high) = ((min(values), max(values)) for values in zip(*everything, strict=True))
    to_x, to_y = _scale(x_low, x_high, 14, size - 14), _scale(y_low, y_high, size - 14, 14)
    parts = [
        f'<circle class="track" r="{1.2 + 3.2 * share**0.5:.1f}" cx="{to_x(x):.0f}" cy="{to_y(y):.0f}"/>'
        for (x, y), share in zip(tracks, sizes, strict=True)
    ]
    for colour, path in enumerate(paths):
        points = [(to_x(x), to_y(y)) for x, y in path]
        for place, (begin, end) in enumerate(pairwise(points), start=1):
            opacity = 0.15 + 0.75 * place / len(points)
            parts.append(
                f'<path class="step" style="stroke:var(--c{colour});opacity:{opacity:.2f}" d="{_path([begin, end])}"/>'
            )
        x, y = points[-1]
        parts.append(f'<circle r="6" cx="{x:.1f}" cy="{y:.1f}" style="fill:var(--c{colour})"/>')
    return _svg(size, size, parts) + legend([(f"listener {number + 1}", number) for number in range(len(paths))])


def legend(entries: Sequence[tuple[str, int]]) -> str:
    """Say which colour is which."""
    items = [f'<span><i style="background:var(--c{colour})"></i>{escape(name)}</span>' for name, colour in entries]
    return f'<p class="legend">{"".join(items)}</p>'


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img">{"".join(parts)}</svg>'


def _scale(low: float, high: float, begin: float, end: float) -> Callable[[float], float]:
    factor = (end - begin) / ((high - low) or 1.0)
    return lambda value: begin + (value - low) * factor


def _steps(low: float, high: float) -> list[float]:
    """Choose about five round numbers from low to high."""
    size = next(
        step * 10.0**power for power in range(-4, 9) for step in (1, 2, 5) if (high - low) / (step * 10.0**power) <= 6
    )
    first = -int(-low / size) if low < 0 else int(low / size)
    return [number * size for number in range(first, int(high / size) + 1)]


def _grid(to_y: Callable[[float], float], low: float, high: float) -> str:
    return "".join(
        f'<path class="grid" d="M{_LEFT} {to_y(step):.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text class="tick" text-anchor="end" x="{_LEFT - 8}" y="{to_y(step) + 4:.1f}">{_number(step)}</text>'
        for step in _steps(low, high * 1.05)
    )


def _x_axis(to_x: Callable[[float], float], ticks: Sequence[tuple[float, str]]) -> str:
    return "".join(
        f'<text class="tick" text-anchor="middle" x="{to_x(x):.1f}" y="{_HEIGHT - _BOTTOM + 18}">{escape(text)}</text>'
        for x, text in ticks
    )


def _axis_labels(x_label: str, y_label: str) -> str:
    across, down = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    places = {x_label: f'x="{across}" y="{_HEIGHT - 6}"', y_label: f'transform="translate(12 {down}) rotate(-90)"'}
    return "".join(
        f'<text class="label" text-anchor="middle" {place}>{escape(label)}</text>' for label, place in places.items()
    )


def _mark(mark: Annotation, to_x: Callable[[float], float]) -> str:
    x = to_x(mark.x)
    return (
        f'<g><title>{escape(mark.title)}</title><path class="mark" d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>'
        f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{_TOP - 2}">{escape(mark.name)}</text></g>'
    )


def _shade(shade: Shade, to_x: Callable[[float], float]) -> str:
    begin, end = to_x(shade.begin), to_x(shade.end)
    return (
        f'<rect class="shade" x="{begin:.1f}" y="{_TOP}" width="{end - begin:.1f}" height="{_HEIGHT - _BOTTOM - _TOP}">'
        f"<title>{escape(shade.title)}</title></rect>"
    )


def _band(series: Series, to_x: Callable[[float], float], to_y: Callable[[float], float]) -> str:
    upper = [(to_x(x), to_y(high)) for x, (_, high) in zip(series.xs, series.bands, strict=True)]
    lower = [(to_x(x), to_y(low)) for x, (low, _) in zip(series.xs, series.bands, strict=True)]
    return f'<path class="band" style="fill:var(--c{series.colour})" d="{_path(upper + lower[::-1])}Z"/>'


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _number(value: float, digits: int = 2) -> str:
    """Write a number briefly: .25, -.05, 3."""
    if value == int(value):
        return str(int(value))
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text
