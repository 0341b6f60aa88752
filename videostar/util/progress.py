"""How long work tells how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_OFTEN = 0.05  # seconds between updates: there may be a million

#: Called with (done, all) as work goes on.
Tick = Callable[[int, int], None]
#: A tick for the step of that title.
Progress = Callable[[str], Tick]


def silent(title: str) -> Tick:
    """Progress that no one sees."""
    return lambda done, total: None


@contextmanager
def bars() -> Iterator[Progress]:
    """Progress bars on standard error, one a step, as soon as the step begins."""
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=Console(stderr=True)) as shown:

        def progress(title: str) -> Tick:
            tasks: list[rich.TaskID] = []
            shown_at = 0.0

            def tick(done: int, total: int) -> None:
                nonlocal shown_at
                if not tasks:
                    tasks.append(shown.add_task(title, total=total))
                if done == total or time.monotonic() - shown_at >= _OFTEN:
                    shown_at = time.monotonic()
                    shown.update(tasks[0], completed=done, total=total)

            return tick

        yield progress
