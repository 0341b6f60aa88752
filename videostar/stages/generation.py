"""Answer, verify, rationalise, verify: window by window (paper, section 3).

A window is a fixed run of `engine.batch_size` questions, whatever was answered before a crash. With the transformers
engine every batch therefore holds the same requests as in an undisturbed run, and greedy answers are the same to the
bit. A window that is half written is answered again as a whole, and only its missing lines are added.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

from videostar.adapters.questions import Questions
from videostar.adapters.task import Question
from videostar.data.rows import Split
from videostar.stages.executor import ExecutorProtocol, Job, Window
from videostar.stages.ledger import Ledger, LedgerIndex
from videostar.stages.plan import AnswerPlan
from videostar.util.progress import Tick
from videostar.util.terminal import warn


def generate(
    questions: Questions,
    executor: ExecutorProtocol,
    plan: AnswerPlan,
    *,
    split: Split,
    lora: Path | None,
    out: Path,
    tick: Tick,
) -> dict[str, int]:
    """Answer every question of a split and write the answers, with their verdicts, to the ledger at `out`.

    Questions whose answers the ledger holds already are not answered again. Returns the numbers of questions and, for
    each kind of answer, how many questions were asked for it and got a kept one; for each control, how many were asked
    under it and answered right. Raises UserError for a model or ledger that cannot be read; a bad video costs only its
    own questions.
    """
    job = Job(questions, split, plan, lora)
    asked = job.asked
    ledger = Ledger(out)
    if ledger.cut:
        warn(f"{out}: its last line was unfinished ({ledger.cut} bytes) and was removed; that question is asked again")
    index = LedgerIndex(ledger)
    open_windows: list[Window] = []
    for start in range(0, len(asked), plan.batch_size):
        together = asked[start : start + plan.batch_size]
        if not all(_finished(item, plan, index) for item in together):
            known = {key: kept for item in together for key, kept in index.answers(item.id)}
            open_windows.append(Window(start, start + len(together), known))
    if open_windows:
        done = len(asked) - sum(window.stop - window.start for window in open_windows)
        with closing(executor.answers(job, open_windows)) as answered:
            for window, answers in zip(open_windows, answered, strict=True):
                ledger.append(answer for answer in answers if answer.key not in window.known)
                done += window.stop - window.start
                tick(done, len(asked))
    return _counts(ledger, len(asked))


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


def _counts(ledger: Ledger, questions: int) -> dict[str, int]:
    """The number of questions and, by kind of answer, of those that were asked for it and got a kept one.

    By control, the number of questions that were asked under it and of right answers.
    """
    counts = Counter({"questions": questions})
    kept: set[int] = set()  # hashes, since there may be millions
    for answer in ledger:
        counts[f"{answer.kind}_asked"] += answer.number == 0
        if answer.kept and (key := hash((answer.question_id, answer.kind))) not in kept:
            kept.add(key)
            counts[f"{answer.kind}_kept"] += 1
            for control, right in answer.controls.items():
                counts[f"{control}_asked"] += 1
                counts[f"{control}_right"] += right
    return dict(counts)
