"""From an engine's replies to judged answers (paper, section 3: verification)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

from videostar.adapters.task import Question
from videostar.config import AnswerSource
from videostar.models.cut_off import CutOff
from videostar.stages.judge import Case, Judge, Judged
from videostar.stages.ledger import Answer, Shown
from videostar.stages.plan import AnswerPlan
from videostar.stages.tries import select_tries
from videostar.video.clip import Clip


class Replied(NamedTuple):
    """A question with its clips, and the replies of the model."""

    question: Question
    clips: Sequence[Clip]
    replies: Sequence[str]


@dataclass(frozen=True)
class _Try:
    """One reply to a question, judged."""

    reply: str
    text: str | None  # as stored; None if the hint cannot be removed
    judged: Judged
    verify: bool

    @property
    def passed(self) -> bool:
        if not self.verify:
            return bool(self.text)
        return bool(self.text) and self.judged.verdict.accepted and not self._cut

    @property
    def reason(self) -> str:
        if self.text is None:
            return "hint"
        return "cut off" if self._cut and self.judged.verdict.accepted else self.judged.verdict.reason

    @property
    def _cut(self) -> bool:
        return isinstance(self.reply, CutOff)  # training on it would teach to stop half-way


def judge_replies(items: Sequence[Replied], kind: AnswerSource, plan: AnswerPlan, judge: Judge) -> list[list[Answer]]:
    """The ledger lines of each question, one for each reply: the text without the hint, judged by the label.

    All replies are judged together. Raises UserError if a model that judges cannot be asked.
    """
    from videostar.labels.hints import strip_hint  # takes long to load

    texts = [[strip_hint(reply) if kind == "rationalised" else reply for reply in item.replies] for item in items]
    cases = [
        Case(item.question.label, text or "", _prompt(item.question, kind) or None, item.question.text)
        for item, some in zip(items, texts, strict=True)
        for text in some
    ]
    verdicts = iter(judge.judge(cases))
    verify = plan.generation.verify
    return [
        _lines(
            item,
            kind,
            [_Try(reply, text, next(verdicts), verify) for reply, text in zip(item.replies, some, strict=True)],
            plan,
        )
        for item, some in zip(items, texts, strict=True)
    ]


def _prompt(question: Question, kind: AnswerSource) -> str:
    return {"rationalised": question.hinted, "direct": question.text, "template": ""}[kind]


def _lines(item: Replied, kind: AnswerSource, tries: Sequence[_Try], plan: AnswerPlan) -> list[Answer]:
    """Of the replies that pass, near-duplicates and those beyond `keep_per_question` are not kept."""
    question, clips = item.question, item.clips
    texts, passed = [one.text or "" for one in tries], [one.passed for one in tries]
    surplus = select_tries(texts, passed, plan.generation.keep_per_question)
    seeds = plan.seeds(question, kind) or repeat(None)
    times = [clip.times for clip in clips] if kind != "template" and clips else [()] * len(question.sample.videos)
    return [
        Answer(
            question_id=question.id,
            kind=kind,
            video=question.sample.video,
            task=question.task,
            group=question.group,
            label=question.label.words(),
            question=question.text,
            prompt=_prompt(question, kind),
            answer=one.reply,
            text=one.text or "",
            kept=one.passed and extra is None,
            accepted=one.judged.verdict.accepted,
            score=one.judged.verdict.score,
            reason=extra or one.reason,
            parsed=one.judged.verdict.parsed,
            number=number,
            pass_rate=sum(passed) / len(tries),
            video_sha256=question.sample.sha256,
            frame_times=times[0],
            span=question.sampling(plan.video).span or (),
            seed=seed,
            template=question.template(kind),
            more=_more(question, times[1:]),
            judge=one.judged.model,
            judge_prompt=one.judged.prompt,
        )
        for number, (one, extra, seed) in enumerate(zip(tries, surplus, seeds, strict=False))
    ]


def unanswered(question: Question, reason: str) -> Answer:
    """The ledger line of a question whose video cannot be shown or asked about."""
    return Answer(
        question_id=question.id,
        kind="video",
        video=question.sample.video,
        task=question.task,
        group=question.group,
        label=question.label.words(),
        question=question.text,
        prompt="",
        answer="",
        text="",
        kept=False,
        accepted=False,
        score=0.0,
        reason=reason,
        video_sha256=question.sample.sha256,
        more=_more(question, [()] * len(question.sample.more)),
    )


def _more(question: Question, times: Sequence[tuple[float, ...]]) -> tuple[Shown, ...]:
    """The videos of a question after the first, with the times of their frames."""
    return tuple(
        Shown(other.video, other.sha256, shown) for other, shown in zip(question.sample.more, times, strict=True)
    )
