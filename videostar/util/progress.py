"""Progress of long work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
    from rich import progress as rich
    from rich.console import Console

    from videostar.util import terminal

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
    )
    # What libraries print belongs above the bars, unless it goes to a log.
    above = not terminal.is_quiet()
    console = Console(file=terminal.stderr())
    shown = rich.Progress(*columns, console=console, redirect_stdout=above, redirect_stderr=above)

    def progress(title: str) -> Tick:
        tasks: list[rich.TaskID] = []
        shown_at = 0.0

        def tick(done: int, total: int) -> None:
            nonlocal shown_at
            if not tasks:
                shown.start()
                tasks.append(shown.add_task(title, total=total))
            if done == total or time.monotonic() - shown_at >= _OFTEN:
                shown_at = time.monotonic()
                shown.update(tasks[0], completed=done, total=total)

        return tick

    try:
        yield progress
    finally:
        if shown.live.is_started:  # else it would print an empty line
            shown.stop()
