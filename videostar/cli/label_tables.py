"""The table of `videostar label`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from videostar.util.terminal import printable

_SHOWN = 20  # labels


def print_proposals(figures: Mapping[str, Any], labels: Path) -> None:
    """The most frequent labels with their mean probability, the calibration, and how to go on."""
    title = f"{figures['proposed']} of {figures['videos']} videos have a proposed label"
    table = Table(title=title, box=SIMPLE_HEAD, padding=0, show_edge=False)
    for column in ("label", "videos", "mean probability"):
        table.add_column(column, justify="left" if column == "label" else "right")
    for name, found in list(figures["labels"].items())[:_SHOWN]:
        score = "-" if found["score"] is None else f"{found['score']:.2f}"
        table.add_row(Text(printable(name)), str(found["videos"]), score)
    Console().print(table)
    if (more := len(figures["labels"]) - _SHOWN) > 0:
        print(f"and {more} more labels")
    if known := figures["calibration"]:
        ece = known["ece"]
        print(
            f"on {known['videos']} labelled videos: accuracy {known['accuracy']:.1%}, temperature "
            f"{known['temperature']:.3g}, calibration error {ece['before']:.3f} -> {ece['after']:.3f}"
        )
        if cut := known["cut"]:
            print(
                f"from probability {cut['score']} on, {cut['precision']:.1%} of {cut['videos']} labelled videos are "
                f"right; {figures['below']} videos are below: {printable(figures['files'][1])}"
            )
    out = printable(figures["files"][0])
    print(f"{out}: videostar cycle --data {out} --set data.classes={printable(str(labels))}")
