"""One engine in this process, and training on this machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, Self

from videostar.engines.base import EngineProtocol
from videostar.stages.executor import Job, Window
from videostar.stages.ledger import Answer
from videostar.stages.windows import Running, WindowAnswerer


class LocalExecutor:
    """An executor with one engine."""

    cluster = None

    def __init__(self, engine: EngineProtocol) -> None:
        self._engine = engine

    @property
    def name(self) -> str:
        """The engine that answers."""
        return self._engine.name

    def answers(self, job: Job, windows: Iterable[Window]) -> Generator[list[Answer]]:
        """The answers of each window, in order; one more than the engine takes at once has its clips made."""
        if job.plan.needs_model:
            self._engine.use(job.lora)
        running: deque[Running] = deque()
        with (
            job.plan.judging.open(self._engine) as judge,
            WindowAnswerer(job.asked, job.questions.root, self._engine, job.plan, judge) as answerer,
        ):
            for window in windows:
                running.append(answerer.start(window))
                if len(running) > self._engine.windows:
                    yield answerer.answers(running.popleft())
            while running:
                yield answerer.answers(running.popleft())

    @property
    def launch(self) -> Callable[..., dict[str, Any]]:
        """`videostar.training.launch.launch`."""
        from videostar.training.launch import launch  # loads torch

        return launch

    def release(self) -> None:
        """Free the engine's memory."""
        self._engine.release()

    def __enter__(self) -> Self:
        self._engine.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._engine.__exit__(*error)
