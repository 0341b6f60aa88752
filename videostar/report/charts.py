"""The geometry of charts, which `templates/charts.html` draws as SVG. Lengths are in units of the picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 20.0, 12.0, 38.0  # around the area of a line chart
_COLOURS = 8  # classes c0 to c7 of the style sheet
_POINTS = 400  # of a line, at most: more cannot be told apart


@dataclass(frozen=True)
class Point:
    """A value with its interval, if it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Dot:
    """A drawn point."""

    x: float
    y: float
    title: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A drawn line."""

    name: str
    colour: int
    path: str
    dots: Sequence[Dot]  # none if the line has many points


@dataclass(frozen=True)
class LineChart:
    """Lines over a numeric axis."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    width: float
    height: float
    left: float = _LEFT
    diagonal: str = ""  # a line for comparison
    bottom: float = field(init=False)
    right: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bottom", self.height - _BOTTOM)
        object.__setattr__(self, "right", self.width - _RIGHT)


@dataclass(frozen=True)
class Part:
    """A part of a bar."""

    name: str
    colour: int
    x: float
    width: float
    title: str


@dataclass(frozen=True)
class Bar:
    """A bar of parts."""

    name: str
    parts: Sequence[Part]
    text: str


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars of stacked parts."""

    title: str
    bars: Sequence[Bar]
    legend: Sequence[tuple[str, int]]
    width: float = 640.0
    left: float = 120.0
    row: float = 26.0

    @property
    def height(self) -> float:
        """Of the picture."""
        return self.row * len(self.bars) + 6


def line_chart(
    title: str,
    series: Mapping[str, Sequence[Point]],
    *,
    x_label: str,
    y_label: str,
    percent: bool = False,
    whole: bool = True,
    diagonal: bool = False,
    width: float = 640.0,
    height: float = 260.0,
) -> LineChart | None:
    """A chart of one line per series; None without a point.

    `percent`: y is a share, from 0 to 1. `whole`: x has only whole numbers. `diagonal`: draw the line y = x.
    """
    points = [point for line in series.values() for point in line if math.isfinite(point.y)]
    if not points:
        return None
    xs = [point.x for point in points]
    ys = [value for point in points for value in (point.y, point.low, point.high) if value is not None]
    wide = max(xs) - min(xs) > 1e-9 * max(1.0, abs(min(xs)))  # a narrower range has no round numbers
    x_range = (0.0, 1.0) if diagonal else (min(xs), max(xs) if wide else min(xs) + 1)
    y_range = (0.0, 1.0) if percent else (min(0.0, *ys), max(*ys, 1e-9))

    def x(value: float) -> float:
        return round(_LEFT + (value - x_range[0]) / (x_range[1] - x_range[0]) * (width - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(_TOP + (y_range[1] - value) / (y_range[1] - y_range[0]) * (height - _TOP - _BOTTOM), 1)

    def text(value: float) -> str:
        return f"{value:.1%}" if percent else f"{value:.4g}"

    lines = []
    for number, (name, line) in enumerate(series.items()):
        shown = [point for point in _thinned(line) if math.isfinite(point.y)]
        few = len(shown) <= 40
        dots = [
            Dot(
                x(point.x),
                y(point.y),
                f"{name}, {x_label} {point.x:g}: {text(point.y)}"
                + ("" if point.low is None or point.high is None else f" ({text(point.low)} to {text(point.high)})"),
                None if point.low is None else y(point.low),
                None if point.high is None else y(point.high),
            )
            for point in shown
        ]
        path = " ".join(f"{'M' if place == 0 else 'L'}{dot.x} {dot.y}" for place, dot in enumerate(dots))
        lines.append(Line(name, number % _COLOURS, path, dots if few else []))
    return LineChart(
        title=title,
        x_label=x_label,
        y_label=y_label,
        lines=lines,
        x_ticks=[Tick(x(at), f"{at:.0%}" if diagonal else f"{at:g}") for at in _ticks(*x_range, whole=whole)],
        y_ticks=[Tick(y(at), f"{at:.0%}" if percent else f"{at:g}") for at in _ticks(*y_range)],
        width=width,
        height=height,
        diagonal=f"M{x(0)} {y(0)} L{x(1)} {y(1)}" if diagonal else "",
    )


def bar_chart(
    title: str, rows: Mapping[str, Mapping[str, float]], *, unit: str = "", colours: Sequence[int] = ()
) -> BarChart | None:
    """A bar per row, of its parts by name, all on one scale; None if all are zero. `colours`: of the parts in order."""
    names = list(dict.fromkeys(name for parts in rows.values() for name in parts))
    used = {name for parts in rows.values() for name, value in parts.items() if value > 0}
    palette = list(colours) or [number % _COLOURS for number in range(len(names))]
    longest = max((sum(parts.values()) for parts in rows.values()), default=0.0)
    if longest <= 0:
        return None
    scale = 430.0 / longest
    bars = []
    for row, parts in rows.items():
        at, drawn = 0.0, []
        for name, value in parts.items():
            if value > 0:
                title_ = f"{row}, {name}: {value:,.6g}{unit}"
                drawn.append(Part(name, palette[names.index(name)], round(at, 1), round(value * scale, 1), title_))
                at += value * scale
        bars.append(Bar(row, drawn, f"{sum(parts.values()):,.4g}{unit}"))
    return BarChart(title, bars, [(name, palette[place]) for place, name in enumerate(names) if name in used])


def sparkline(values: Sequence[float | None], width: float = 72.0, height: float = 18.0) -> str:
    """The path of a small line of shares from 0 to 1; a missing one is a gap."""
    step = width / max(1, len(values) - 1)
    path, pen = [], "M"
    for place, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{place * step:.1f} {1 + (1 - value) * (height - 2):.1f}")
        pen = "L"
    return " ".join(path)


def _thinned(line: Sequence[Point]) -> list[Point]:
    """At most `_POINTS` points: the mean of each group of neighbours."""
    if len(line) <= _POINTS:
        return list(line)
    cuts = [round(k * len(line) / _POINTS) for k in range(_POINTS + 1)]
    groups = (line[first:stop] for first, stop in pairwise(cuts))
    return [Point(group[len(group) // 2].x, sum(point.y for point in group) / len(group)) for group in groups]


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Round numbers from `low` to `high`, three to seven of them."""
    rough = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    if whole:
        step = max(1.0, round(step))
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]
