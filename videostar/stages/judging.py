"""From an engine's replies to judged answers (paper, section 3: verification)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import NamedTuple

from videostar.adapters.task import Question
from videostar.config import AnswerSource
from videostar.models.response import Response
from videostar.stages.judge import Case, Judge, Judged
from videostar.stages.ledger import Answer, Shown
from videostar.stages.plan import AnswerPlan
from videostar.stages.support import Support
from videostar.stages.tries import select_tries
from videostar.video.clip import Clip


class Replied(NamedTuple):
    """A question with its clips, and the replies of the model."""

    question: Question
    clips: Sequence[Clip]
    replies: Sequence[Response]


@dataclass(frozen=True)
class _Try:
    """One reply to a question, judged."""

    reply: Response
    text: str | None  # without the hint; None if it cannot be removed
    stored: str
    judged: Judged
    only_in_line: bool  # the stored text, without its final line, does not contain the label
    verify: bool
    evidence: float | None = None
    foil_evidence: float | None = None
    least: float | None = None  # evidence that it needs

    @property
    def verified(self) -> bool:
        """Whether it passes, but for its evidence."""
        # Training on an answer that is cut off would teach to stop half-way.
        good = self.judged.verdict.accepted and not self.reply.cut_off and not self.only_in_line
        return bool(self.stored) and (good or not self.verify)

    @property
    def unsupported(self) -> bool:
        return self.evidence is not None and self.least is not None and self.evidence < self.least

    @property
    def passed(self) -> bool:
        return self.verified and not self.unsupported

    @property
    def reason(self) -> str:
        if self.text is None:
            return "hint"
        if self.judged.verdict.accepted and self.reply.cut_off:
            return "cut off"
        if self.verified and self.unsupported:
            return "unsupported"
        only = self.judged.verdict.accepted and self.only_in_line
        return "only in the final line" if only else self.judged.verdict.reason


def judge_replies(
    items: Sequence[Replied], kind: AnswerSource, plan: AnswerPlan, judge: Judge, support: Support | None = None
) -> list[list[Answer]]:
    """The ledger lines of each question, one for each reply: the text without the hint, judged by the label.

    All replies are judged together, and scored together by `support`. Raises UserError if a model that judges cannot be
    asked.
    """
    from videostar.labels.hints import strip_hint  # takes long to load

    def case(question: Question, text: str) -> Case:
        return Case(question.label, text, plan.prompt(question, kind) or None, question.text)

    replies = [(item.question, reply) for item in items for reply in item.replies]
    texts = [strip_hint(reply.text) if kind == "rationalised" else reply.text for _, reply in replies]
    stored = [plan.stored_answer(question, text or "") for (question, _), text in zip(replies, texts, strict=True)]
    judged = judge.judge([case(question, text or "") for (question, _), text in zip(replies, texts, strict=True)])
    # Training data must contain the label, so an answer that loses its final line is judged without it too.
    shorter = [k for k, text in enumerate(texts) if stored[k] != (text or "")]
    rest = dict(zip(shorter, judge.judge([case(replies[k][0], stored[k]) for k in shorter]), strict=True))
    tries = [
        _Try(reply, text, stored[k], judged[k], k in rest and not rest[k].verdict.accepted, plan.generation.verify)
        for k, ((_, reply), text) in enumerate(zip(replies, texts, strict=True))
    ]
    if support is not None and kind != "template":
        least = support.plan.least
        scored = [k for k, one in enumerate(tries) if one.stored and (one.verified or least is None)]
        scores = support.scores([(replies[k][0], stored[k]) for k in scored])
        wrong = support.scores([(replies[k][0], stored[k]) for k in scored], foils=True) if least is None else scores
        for k, score, of_foil in zip(scored, scores, wrong, strict=True):
            tries[k] = replace(tries[k], evidence=score, foil_evidence=of_foil, least=least)
    left = iter(tries)
    return [_lines(item, kind, [next(left) for _ in item.replies], plan) for item in items]


def _lines(item: Replied, kind: AnswerSource, tries: Sequence[_Try], plan: AnswerPlan) -> list[Answer]:
    """Of the replies that pass, near-duplicates and those beyond `keep_per_question` are not kept.

    Those with more evidence come first.
    """
    question, clips = item.question, item.clips
    passed = [one.passed for one in tries]
    # Compared without their final lines: equal ones would make different answers alike.
    compared = [question.without_final_line(one.stored) for one in tries]
    best_first = sorted(range(len(tries)), key=lambda k: -(tries[k].evidence or 0.0))
    reasons = select_tries(
        [compared[k] for k in best_first], [passed[k] for k in best_first], plan.generation.keep_per_question
    )
    surplus = [reason for _, reason in sorted(zip(best_first, reasons, strict=True))]
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
            question=plan.stored_question(question),
            prompt=plan.prompt(question, kind),
            answer=one.reply.text,
            text=one.stored,
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
            confidence=one.reply.confidence,
            tokens=one.reply.tokens or None,
            evidence=one.evidence,
            foil_evidence=one.foil_evidence if one.least is None else None,
            trust=question.sample.values.get("trust"),
        )
        for number, (one, extra, seed) in enumerate(zip(tries, surplus, seeds, strict=False))
    ]


def unanswered(question: Question, reason: str, plan: AnswerPlan) -> Answer:
    """The ledger line of a question whose video cannot be shown or asked about."""
    return Answer(
        question_id=question.id,
        kind="video",
        video=question.sample.video,
        task=question.task,
        group=question.group,
        label=question.label.words(),
        question=plan.stored_question(question),
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
