"""The protocol of an executor: it answers windows of questions, and trains, wherever the engines and GPUs are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from videostar.adapters.question_table import QuestionList
from videostar.adapters.questions import Questions
from videostar.data.rows import Split
from videostar.stages.ledger import Answer, Key
from videostar.stages.plan import AnswerPlan
from videostar.video.cluster import VideoCluster


class Window(NamedTuple):
    """Questions that are answered together, by their numbers in their split: from `start` up to `stop`."""

    start: int
    stop: int
    known: Mapping[Key, bool]  # which of their answers the ledger holds already, and whether each was kept


@dataclass(frozen=True)
class Job:
    """What is asked of a split, and with which LoRA (None: the base model alone)."""

    questions: Questions
    split: Split
    plan: AnswerPlan
    lora: Path | None

    @property
    def asked(self) -> QuestionList:
        """The questions of the split."""
        return self.questions.split(self.split)


class ExecutorProtocol(Protocol):
    """What the cycle needs to have questions answered and a LoRA trained."""

    @property
    def name(self) -> str:
        """The engine that answers: another one than in the settings where that one does not serve the model."""
        ...

    def answers(self, job: Job, windows: Iterable[Window]) -> Generator[list[Answer]]:
        """The answers of each window, in order. Raises UserError for a model that cannot be used.

        Windows are taken as there is room for them: there may be millions.
        """
        ...

    @property
    def launch(self) -> Callable[..., dict[str, Any]]:
        """What starts the processes of a training: see `videostar.training.launch.launch`."""
        ...

    @property
    def cluster(self) -> VideoCluster | None:
        """The nodes that open videos; None: this machine does."""
        ...

    def release(self) -> None:
        """Free the memory that training needs."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
