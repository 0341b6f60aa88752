"""Answer, verify, rationalise, verify: window by window (paper, section 3).

A window is a fixed run of `engine.batch_size` questions, whatever was answered before a crash. With the transformers
engine every batch therefore holds the same requests as in an undisturbed run, and greedy answers are the same to the
bit. A window that is half written is answered again as a whole, and only its missing lines are added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import tee
from pathlib import Path

from videostar.adapters.questions import Questions
from videostar.adapters.task import Question
from videostar.data.rows import Split
from videostar.stages.executor import ExecutorProtocol, Job, Window
from videostar.stages.ledger import LedgerIndex
from videostar.stages.ledger_parts import GrowingLedger
from videostar.stages.plan import AnswerPlan
from videostar.util.progress import Tick


def generate(
    questions: Questions,
    executor: ExecutorProtocol,
    plan: AnswerPlan,
    *,
    split: Split,
    lora: Path | None,
    out: Path,
    part_size: int | None = None,
    tick: Tick,
) -> dict[str, int]:
    """Answer every question of a split and write the answers, with their verdicts, to the ledger at `out`.

    That is one file if its name ends with .jsonl; else a folder of parts of `part_size` questions, a multiple of those
    of a window. Questions whose answers the ledger holds already are not answered again.

    Returns the numbers of questions and, for each kind of answer, how many questions were asked for it and got a kept
    one; for each control, how many were asked under it and answered right. Raises UserError for a model or ledger that
    cannot be read; a bad video costs only its own questions.
    """
    job = Job(questions, split, plan, lora)
    asked = job.asked
    ledger = GrowingLedger(out, len(asked), part_size)
    windows, sent = tee(_open_windows(asked, plan, ledger))
    with closing(executor.answers(job, sent)) as answered:
        for window in windows:
            ledger.append(window.start, (answer for answer in next(answered) if answer.key not in window.known))
            ledger.seal(window.stop)
            tick(window.stop, len(asked))
    return {"questions": len(asked), **ledger.finish()}


def _open_windows(asked: Sequence[Question], plan: AnswerPlan, ledger: GrowingLedger) -> Iterator[Window]:
    """The windows that are not answered, in order."""
    for numbers, index in ledger.open_parts():
        for start in numbers[:: plan.batch_size]:
            together = asked[start : min(start + plan.batch_size, numbers.stop)]
            if not all(_finished(item, plan, index) for item in together):
                known = {key: kept for item in together for key, kept in index.answers(item.id)}
                yield Window(start, start + len(together), known)


def _finished(question: Question, plan: AnswerPlan, index: LedgerIndex) -> bool:
    """Whether the ledger holds all answers to a question: a bad video, a kind with a kept try, or all tries of all."""
    if index.kept((question.id, "video", 0)) is not None:
        return True
    for kind in plan.generation.answers:
        tries = 1 if kind == "template" else plan.generation.samples
        kept = [index.kept((question.id, kind, number)) for number in range(tries)]
        if None in kept:
            return False
        if any(kept):
            return True
    return True
