"""From an engine's replies to judged answers (paper, section 3: verification)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

from videostar.adapters.task import Question
from videostar.config import AnswerSource
from videostar.labels import Verdict
from videostar.models.cut_off import CutOff
from videostar.stages.ledger import Answer, Shown
from videostar.stages.plan import AnswerPlan
from videostar.stages.tries import select_tries
from videostar.video.clip import Clip


@dataclass(frozen=True)
class _Try:
    """One reply to a question, judged."""

    reply: str
    text: str  # as stored; empty if the hint cannot be removed
    verdict: Verdict
    passed: bool
    reason: str

    @classmethod
    def judge(cls, question: Question, kind: AnswerSource, reply: str, plan: AnswerPlan) -> _Try:
        from videostar.labels.hints import strip_hint  # takes long to load

        prompt = plan.prompt(question, kind) or None
        stripped = strip_hint(reply) if kind == "rationalised" else reply
        answer = stripped or ""
        verdict = question.label.judge(answer, prompt)
        stored = plan.stored_answer(question, answer)
        # Training data must contain the label, so an answer that loses its final line is judged without it too.
        only_in_line = stored != answer and not question.label.judge(stored, prompt).accepted
        cut = isinstance(reply, CutOff)  # training on it would teach to stop half-way
        reason: str = verdict.reason
        if stripped is None:
            reason = "hint"
        elif verdict.accepted and cut:
            reason = "cut off"
        elif verdict.accepted and only_in_line:
            reason = "only in the final line"
        good = verdict.accepted and not cut and not only_in_line
        return cls(reply, stored, verdict, bool(stored) and (good or not plan.generation.verify), reason)


def judge_replies(
    question: Question, clips: Sequence[Clip], kind: AnswerSource, replies: Sequence[str], plan: AnswerPlan
) -> list[Answer]:
    """The ledger lines of a question's replies, one for each, judged by the label without the hint.

    Of the replies that pass, near-duplicates and those beyond `keep_per_question` are not kept.
    """
    tries = [_Try.judge(question, kind, reply, plan) for reply in replies]
    # Compared without their final lines: equal ones would make different answers alike.
    compared = [question.without_final_line(one.text) for one in tries]
    surplus = select_tries(compared, [one.passed for one in tries], plan.generation.keep_per_question)
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
            answer=one.reply,
            text=one.text,
            kept=one.passed and extra is None,
            accepted=one.verdict.accepted,
            score=one.verdict.score,
            reason=extra or one.reason,
            parsed=one.verdict.parsed,
            number=number,
            pass_rate=sum(other.passed for other in tries) / len(tries),
            video_sha256=question.sample.sha256,
            frame_times=times[0],
            span=question.sampling(plan.video).span or (),
            seed=seed,
            template=question.template(kind),
            more=_more(question, times[1:]),
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
