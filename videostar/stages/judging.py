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
    def judge(cls, question: Question, kind: AnswerSource, prompt: str, reply: str, *, verify: bool) -> _Try:
        from videostar.labels.hints import strip_hint  # takes long to load

        text = strip_hint(reply) if kind == "rationalised" else reply
        verdict = question.label.judge(text or "", prompt or None)
        cut = isinstance(reply, CutOff)  # training on it would teach to stop half-way
        passed = bool(text) and (not verify or (verdict.accepted and not cut))
        reason = "hint" if text is None else "cut off" if cut and verdict.accepted else verdict.reason
        return cls(reply, text or "", verdict, passed, reason)


def judge_replies(
    question: Question, clips: Sequence[Clip], kind: AnswerSource, replies: Sequence[str], plan: AnswerPlan
) -> list[Answer]:
    """The ledger lines of a question's replies, one for each: the text without the hint, judged by the label.

    Of the replies that pass, near-duplicates and those beyond `keep_per_question` are not kept.
    """
    options = plan.generation
    prompt = {"rationalised": question.hinted, "direct": question.text, "template": ""}[kind]
    tries = [_Try.judge(question, kind, prompt, reply, verify=options.verify) for reply in replies]
    surplus = select_tries([one.text for one in tries], [one.passed for one in tries], options.keep_per_question)
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
            prompt=prompt,
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
