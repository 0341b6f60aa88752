"""The tables of `videostar compare`, on standard output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from videostar.runs.comparison import Comparison, Difference, Group, Method, Spread
from videostar.util.terminal import printable, warn

_PLOT = 21  # columns of the plot: every 5 %
_SCALE = f"0%{'100%':>{_PLOT - 2}}"
_METHODS: dict[Method, str] = {
    "paired by seed": "paired by seed (95 %, Student's t)",
    "Welch": "over independent runs (95 %, Welch's t)",
    "paired by question": "paired by question (95 %; only of these two runs, not over seeds)",
    "none": "without an interval",
}


def print_comparison(found: Comparison) -> None:
    """The settings that differ, accuracies by round with a plot, differences, and kept answers and seconds."""
    console = Console()
    settings = _settings(found, max(2, (console.width - 24) // 16))
    for table in (*settings, _accuracies(found), _differences(found), *_costs(found)):
        console.print(table)
        console.print()
    for note in found.notes:
        warn(note)


def _settings(found: Comparison, most: int) -> Iterator[Table]:
    """One row per setting; several tables if there are more than `most` groups."""
    seeds = [", ".join(str(run.seed) for run in group.runs) for group in found.groups]
    for start in range(0, len(found.groups), most):
        chosen = slice(start, start + most)
        table = _table("settings that differ", "setting", *(_named(group) for group in found.groups[chosen]))
        for name, values in {**found.settings, "seed": seeds}.items():
            table.add_row(_plain(name), *(_plain(_value(value)) for value in values[chosen]))
        yield table


def _accuracies(found: Comparison) -> Table:
    """One row per round and group; the best round of each run comes last."""
    title = "held-out accuracy: mean ± standard deviation (range); one run: (95 % interval)"
    table = _table(title, "round", "group", "runs", "accuracy", _SCALE)
    table.columns[-1].no_wrap = True
    rounds = sorted({one.round for figures in found.figures for one in figures.rounds})
    for number in rounds:
        spreads = [
            next((one.accuracy for one in figures.rounds if one.round == number), None) for figures in found.figures
        ]
        _add(table, str(number) if number else "base", found.groups, spreads)
    _add(table, "best", found.groups, [figures.best for figures in found.figures])
    return table


def _add(table: Table, name: str, groups: list[Group], spreads: list[Spread | None]) -> None:
    for group, spread in zip(groups, spreads, strict=True):
        cells = (str(spread.n), _spread(spread, "{:.1%}"), _plot(spread)) if spread else ("-", "-", "")
        table.add_row(name, _named(group), *cells, end_section=group is groups[-1])
        name = ""


def _differences(found: Comparison) -> Table:
    """The validation accuracy of each group, and its difference from the first, in a column for each method."""
    first = printable(found.groups[0].name)
    against = [figures.against for figures in found.figures]
    methods = [method for method in _METHODS if any(one and one.method == method for one in against)]
    headers = [f"points against {first}, {_METHODS[method]}" for method in methods]
    table = _table(f"the {found.measure} round of each run", "group", "validation", "held-out", *headers)
    for group, figures, difference in zip(found.groups, found.figures, against, strict=True):
        spread = figures.best if found.measure == "best" else figures.last
        cells = [_points(difference) if difference and difference.method == method else "" for method in methods]
        table.add_row(_named(group), *(_mean(one, "{:.1%}") for one in (figures.validation, spread)), *cells)
    return table


def _costs(found: Comparison) -> Iterator[Table]:
    """The answers that were kept by round, and the seconds by kind of stage."""
    rounds = sorted({one.round for figures in found.figures for one in figures.rounds if one.round})
    kept = _table("kept answers", "group", *(f"round {number}" for number in rounds))
    seconds = _table("seconds", "group", "all", "generate", "version", "train", "evaluate")
    for group, figures in zip(found.groups, found.figures, strict=True):
        by_round = {one.round: one.kept for one in figures.rounds}
        kept.add_row(_named(group), *(_spread(by_round.get(number), "{:.0f}") for number in rounds))
        names = (str(column.header) for column in seconds.columns[1:])
        seconds.add_row(_named(group), *(_mean(figures.seconds.get(name), "{:.0f}") for name in names))
    if rounds:
        yield kept
    yield seconds


def _table(title: str, *columns: str | Text) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _named(group: Group) -> Text:
    unfinished = sum(run.next is not None for run in group.runs)
    return _plain(f"{group.name} ({unfinished} unfinished)" if unfinished else group.name)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _spread(spread: Spread | None, form: str) -> str:
    if spread is None:
        return "-"
    interval = spread.ci95 if spread.n == 1 else (spread.min, spread.max)
    return _mean(spread, form) + (f" ({' to '.join(map(form.format, interval))})" if interval else "")


def _mean(spread: Spread | None, form: str) -> str:
    if spread is None:
        return "-"
    return form.format(spread.mean) + ("" if spread.sd is None else f" ± {form.format(spread.sd)}")


def _points(difference: Difference) -> str:
    points = f"{100 * difference.value:+.1f}"
    if difference.ci95 is None:
        return f"{points} (no interval)"
    low, high = (100 * bound for bound in difference.ci95)
    return f"{points} ({low:.1f} to {high:.1f}), n={difference.n}"


def _plot(spread: Spread) -> str:
    """The mean as a point, and the range or the interval as a line."""
    shares = (*(spread.ci95 or (spread.min, spread.max)), spread.mean)
    low, mean, high = sorted(round(share * (_PLOT - 1)) for share in shares)
    return f"{' ' * low}{'─' * (mean - low)}●{'─' * (high - mean)}"


def _plain(text: str) -> Text:
    """Text from files, without power over the terminal or the markup."""
    return Text(printable(text))
