"""Visual evidence for answers: which of them a second model supports, and how much support is enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from videostar.adapters.task import Question
from videostar.config import ModelSpec, Pipeline, Video
from videostar.stages.ledger import read_answers
from videostar.util.errors import UserError
from videostar.util.resources import evidence_digest
from videostar.util.terminal import warn
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipPool, ClipRequest, Prefetch

if TYPE_CHECKING:
    from videostar.evidence.encodings import Encodings

_OTHERS = 16  # clips of the same data that every answer is compared with
_FEWEST = 20  # scores from which a share is estimated
_MOST_FALSE = 0.5  # share of the answers: beyond, the model is rather blind than they are false
_FALSE = 0.9  # share of the foils that score no more than what counts as false


@dataclass(frozen=True)
class EvidencePlan:
    """Which model gives evidence, and the support that an answer needs."""

    model: str
    keep: float  # see `videostar.config.verification.Evidence`
    spec: ModelSpec  # for its device
    least: float | None = None  # None: all answers are scored, and none is rejected

    @classmethod
    def of(cls, settings: Pipeline) -> Self | None:
        """The plan of a run; None if it has no evidence."""
        evidence = settings.verification.evidence
        return cls(evidence.model, evidence.keep, settings.spec) if evidence else None

    def from_validation(self, ledger: Path) -> Self:
        """The plan with the least support that the validation answers in `ledger` set: see `least_support`.

        Warns if most answers score as false ones do. Raises UserError if no answer has a score.
        """
        scored: list[tuple[float, bool]] = []
        wrong: list[float] = []
        for answer in read_answers(ledger):
            if answer.evidence is not None:
                scored.append((answer.evidence, answer.accepted))
            if answer.foil_evidence is not None:
                wrong.append(answer.foil_evidence)
        if not scored:
            raise UserError(
                f"{ledger}: no answer describes its video, so the least evidence cannot be set; use prompts that ask "
                "for an explanation, or --set verification.evidence=null"
            )
        least, false = least_support(scored, wrong, self.keep)
        if false > _MOST_FALSE:
            warn(
                f"evidence model {self.model}: {false:.0%} of the validation answers score as false ones do, so it may "
                f"not see what they tell; only the lowest {1 - self.keep:.0%} are rejected: another model may tell more"
            )
        return replace(self, least=least)


def least_support(answers: Sequence[tuple[float, bool]], foils: Sequence[float], keep: float) -> tuple[float, float]:
    """The score that the share `keep` of the true answers has at least, as far as that can be known without the truth.

    Also the share of the false answers, which is estimated for it. Each answer is a score, and whether it has the
    label. Only those with the label count, if there are enough of them: they are like those that are kept. Some of them
    are false. A false answer scores about as a foil does, a text that was made wrong: so the share of the answers that
    score no more than nine of ten `foils`, divided by nine tenths, is that of the false ones (as in Storey, 2002). The
    rest are taken to be true, and to score higher. If most were false by this, the model rather does not see what they
    tell, and none is taken to be false.
    """
    right = [score for score, accepted in answers if accepted]
    scores = np.array(right if len(right) >= _FEWEST else [score for score, _ in answers])
    false = 0.0
    if len(foils) >= _FEWEST:
        false = min(1.0, float((scores <= np.quantile(foils, _FALSE)).mean()) / _FALSE)
    rejected = 1 - keep * (1 - (false if false <= _MOST_FALSE else 0.0))
    return float(np.quantile(scores, rejected, method="lower")), false


class Support:
    """Scores the answers to some questions. Any number of threads may share it."""

    def __init__(
        self, plan: EvidencePlan, questions: Sequence[Question], root: Path, video: Video, clips: ClipPool
    ) -> None:
        """Loads the model. Raises UserError if it cannot be read."""
        from videostar.evidence.load import load_evidence  # loads torch
        from videostar.evidence.scorer import Scorer
        from videostar.models.load import device

        model = load_evidence(plan.model, device(plan.spec))
        self.plan, self._root, self._clips = plan, root, clips
        self._video = video.model_copy(update={"max_pixels": model.max_pixels, "still": "keep"})
        step = max(1, len(questions) // _OTHERS)
        some = (questions[number] for number in range(0, len(questions), step)[:_OTHERS])
        others = [clip for clip in self._shown(list(some)) if clip is not None]
        self._scorer = Scorer(model, others, _encodings(evidence_digest(plan.model)))

    def scores(self, answers: Sequence[tuple[Question, str]], *, foils: bool = False) -> list[float | None]:
        """The support of each answer, from 0 to 1; None if it says nothing of its video, or has several.

        With `foils` that of a text that was made wrong in one fact; None if there is none.
        """
        from videostar.evidence.description import description
        from videostar.evidence.foils import one_foil
        from videostar.evidence.scorer import Described

        said = [description(text, question.label) for question, text in answers]
        said = [one_foil(text) for text in said] if foils else said
        told = [place for place, text in enumerate(said) if text]
        clips = zip(told, self._shown([answers[place][0] for place in told]), strict=True)
        described = {place: Described(clip, said[place]) for place, clip in clips if clip is not None}
        scores: list[float | None] = [None] * len(answers)
        for place, score in zip(described, self._scorer.scores(list(described.values())), strict=True):
            scores[place] = score
        return scores

    def _shown(self, questions: Sequence[Question]) -> list[Clip | None]:
        """The clip of each question; None if it has several, or one that cannot be shown."""
        single = [question for question in questions if not question.sample.more]
        files: list[ClipRequest] = [question.files(self._root, self._video)[0] for question in single]
        made = dict(zip((question.id for question in single), Prefetch(self._clips, files).get(), strict=True))
        clips = (made.get(question.id) for question in questions)
        return [None if clip is None or isinstance(clip, BadVideo) else clip for clip in clips]


@lru_cache(1)
def _encodings(digest: str) -> Encodings:
    """Those of the model with that digest, for all stages of a run."""
    from videostar.evidence.encodings import Encodings  # loads torch

    return Encodings()
