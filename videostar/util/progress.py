"""Progress of long work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.progress

_OFTEN = 0.05  # seconds between updates of a bar: there may be a million steps

#: Called with (done, total) as work goes on.
Tick = Callable[[int, int], None]
#: Makes the tick of a step, given its title.
Progress = Callable[[str], Tick]


def silent(title: str) -> Tick:
    """No progress is shown."""
    return lambda done, total: None


@contextmanager
def bars() -> Iterator[Progress]:
    """Progress bars on standard error, one per step, shown once the step begins."""
    shown: list[rich.progress.Progress] = []  # empty until the first bar: rich takes long to load

    def progress(title: str) -> Tick:
        tasks: list[rich.progress.TaskID] = []
        shown_at = 0.0

        def tick(done: int, total: int) -> None:
            nonlocal shown_at
            if not tasks:
                if not shown:
                    shown.append(_start())
                tasks.append(shown[0].add_task(title, total=total))
            if done == total or time.monotonic() - shown_at >= _OFTEN:
                shown_at = time.monotonic()
                shown[0].update(tasks[0], completed=done, total=total)

        return tick

    try:
        yield progress
    finally:
        for one in shown:
            one.stop()


def _start() -> rich.progress.Progress:
    import rich.progress
    from rich.console import Console

    from videostar.util import terminal

    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    # What libraries print belongs above the bars, unless it goes to a log.
    above = not terminal.is_quiet()
    console = Console(file=terminal.stderr())
    shown = rich.progress.Progress(*columns, console=console, redirect_stdout=above, redirect_stderr=above)
    shown.start()
    return shown
