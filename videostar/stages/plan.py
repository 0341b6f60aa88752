"""How a split's questions are answered: kinds of answers, tries and seeds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Self

from videostar.adapters.task import Question
from videostar.config import AnswerSource, Generation, Pipeline, Video
from videostar.stages.controls import Control
from videostar.stages.judge import JudgePlan
from videostar.stages.support import EvidencePlan
from videostar.video.cache import FrameCache


@dataclass(frozen=True)
class AnswerPlan:
    """How the questions of a split are answered."""

    generation: Generation  # its `answers` are the kinds to try in order, until one is kept
    video: Video
    frames: FrameCache
    batch_size: int  # questions in a window
    judging: JudgePlan
    salt: str  # seeds are drawn from it, the question, the kind of answer and the number of the try
    asks_final_line: bool = True  # if the question has one
    under: Control | None = None  # all questions are asked under it
    controls: tuple[Control, ...] = ()  # questions with a kept direct answer are asked again under each
    evidence: EvidencePlan | None = None

    @classmethod
    def of(cls, settings: Pipeline, salt: str) -> Self:
        """The plan for the training split."""
        return cls(
            settings.generation,
            settings.video,
            settings.cache.frames(),
            settings.engine.batch_size,
            JudgePlan.of(settings),
            salt,
            controls=Control.each(settings.generation.controls, settings.seed),
            evidence=EvidencePlan.of(settings),
        )

    @classmethod
    def for_evaluation(cls, settings: Pipeline) -> Self:
        """The plan for held-out splits: one greedy direct answer per question, which is asked as it is trained on."""
        plan = cls.of(settings, "evaluation").greedy()
        return replace(plan, asks_final_line=plan.keeps_final_line)

    def greedy(self, under: Control | None = None) -> Self:
        """The plan with one greedy direct answer per question, under a control if one is given."""
        generation = self.generation.model_copy(update={"answers": ("direct",), "samples": 1})
        evidence = None if under else self.evidence
        return replace(self, generation=generation, under=under, controls=(), evidence=evidence)

    def at_rate(self, frame_rate: float | None) -> Self:
        """The same plan for videos of a data set whose folders of pictures and raw streams have that rate."""
        return replace(self, video=self.video.model_copy(update={"frame_rate": frame_rate}))

    @property
    def keeps_final_line(self) -> bool:
        """Whether questions and answers are stored with the final line."""
        return self.generation.final_line == "keep"

    def prompt(self, question: Question, kind: AnswerSource) -> str:
        """The prompt of an answer of that kind; empty for a template."""
        if kind == "template":
            return ""
        words = question.words()
        text = words.hinted if kind == "rationalised" else words.text
        return text + words.request if self.asks_final_line else text

    def stored_question(self, question: Question) -> str:
        """The question of an answer as it is stored: without a hint."""
        words = question.words()
        return words.text + words.request if self.keeps_final_line else words.text

    def stored_answer(self, question: Question, answer: str) -> str:
        """An answer as it is stored: without the final line if that was asked for and is dropped."""
        dropped = self.asks_final_line and not self.keeps_final_line
        return question.without_final_line(answer) if dropped else answer

    def seeds(self, question: Question, kind: AnswerSource) -> tuple[int, ...]:
        """A seed for each try; none for a single try, which is greedy, and for templates."""
        if self.generation.samples == 1 or kind == "template":
            return ()
        return tuple(_seed(self.salt, question.id, kind, number) for number in range(self.generation.samples))

    @property
    def needs_model(self) -> bool:
        """Whether anything but templates is to be answered."""
        return any(kind != "template" for kind in self.generation.answers)


def _seed(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:4], "big")
