"""The loss of a training as a small plot on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from plotille import Canvas
from rich.console import Console
from rich.text import Text

from videostar.runs.training_log import Pace, finite, smoothed
from videostar.training.log import padding, waiting

_LINES = 8
_MARGIN = 9  # columns: the numbers of the axis and the axis
_EMPTY = "\N{BRAILLE PATTERN BLANK}"


def print_training(number: int, steps: Sequence[dict[str, Any]], console: Console) -> None:
    """How far the training of round `number` is, and its loss: a dot a step, and a line through the means."""
    shown = finite(steps)
    if not shown:
        return
    pace, losses = Pace.of(steps), smoothed(shown)
    parts = [f"step {pace.step}" + (f" of {pace.steps}" if pace.steps else ""), f"loss {losses[-1]:.4g}"]
    if "padding" in steps[-1]:
        parts += [f"padding {padding(steps):.1%}", f"waiting {waiting(steps):.1%}"]
    if pace.tokens_per_second is not None:
        parts.append(f"{pace.tokens_per_second:,.0f} tokens/s")
    if pace.seconds_left:
        parts.append(f"{_duration(pace.seconds_left)} left")
    console.print(f"round {number}, training: {', '.join(parts)}", highlight=False, soft_wrap=True)
    plot = _plot(shown, losses, pace.steps or pace.step, console.width, ascii_only=console.options.ascii_only)
    console.print(Text.from_ansi(plot), no_wrap=True, overflow="crop")


def _plot(steps: Sequence[dict[str, Any]], means: Sequence[float], last: int, width: int, *, ascii_only: bool) -> str:
    """The lines of the plot, whose x axis ends at step `last`, with the terminal's codes for colours."""
    values = [step["loss"] for step in steps]
    low, high = min(values), max(values)
    columns = max(10, width - _MARGIN - 1)
    # A canvas excludes its upper limits.
    canvas = Canvas(
        columns, _LINES, 0, low, (last + 1) * 1.001, high + max((high - low) * 0.04, abs(high) * 1e-6, 1e-9)
    )
    for step in steps:
        canvas.point(step["step"], step["loss"], marker="." if ascii_only else None)
    points = [(step["step"], mean) for step, mean in zip(steps, means, strict=True)]
    for before, after in pairwise(points):
        if ascii_only:  # a line has dots only
            canvas.point(*after, marker="*")
        else:
            canvas.line(*before, *after, color="cyan")
    rows = canvas.plot("\n").replace(_EMPTY, " ").split("\n")
    side, corner, bottom = ("|", "+", "-") if ascii_only else ("│", "└", "─")
    labels = [f"{high:.3g}", *[""] * (_LINES - 2), f"{low:.3g}"]
    drawn = [f"{label:>{_MARGIN - 2}} {side}{row}" for label, row in zip(labels, rows, strict=True)]
    axis = f"{'':{_MARGIN - 1}}{corner}{bottom * columns}"
    return "\n".join([*drawn, axis, f"{'':{_MARGIN}}0{last:>{columns - 1}}"])


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
