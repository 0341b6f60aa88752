"""Answer, verify, rationalise, verify: window by window (paper, section 3).

A window is a fixed run of `engine.batch_size` questions, whatever was answered before a crash. With the transformers
engine every batch therefore holds the same requests as in an undisturbed run, and greedy answers are the same to the
bit. A window that is half written is answered again as a whole, and only its missing lines are added.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice, tee
from pathlib import Path
from typing import TypeAlias

from videostar.adapters.questions import Questions
from videostar.adapters.task import Question
from videostar.config import AnswerSource, ControlName
from videostar.data.rows import Split
from videostar.engines.base import EngineDied, EngineProtocol, Refused, Reply, Request
from videostar.models.response import Response
from videostar.stages.judge import Judge
from videostar.stages.judging import Replied, judge_replies, unanswered
from videostar.stages.ledger import Answer, Ledger, LedgerIndex
from videostar.stages.plan import AnswerPlan
from videostar.util.progress import Tick
from videostar.util.terminal import warn
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipPool, Prefetch

#: A question and its clips: none for templates, which need none, and BadVideo if one of its videos cannot be shown.
_Item: TypeAlias = tuple[Question, Sequence[Clip] | BadVideo]


def generate(
    questions: Questions,
    engine: EngineProtocol,
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
    wanted = questions.split(split)
    ledger = Ledger(out)
    if ledger.cut:
        warn(f"{out}: its last line was unfinished ({ledger.cut} bytes) and was removed; that question is asked again")
    index = LedgerIndex(ledger)
    windows = [wanted[start : start + plan.batch_size] for start in range(0, len(wanted), plan.batch_size)]
    open_windows = [window for window in windows if not all(_finished(item, plan, index) for item in window)]
    if open_windows:
        if plan.needs_model:
            engine.use(lora)
        done = len(wanted) - sum(map(len, open_windows))
        with plan.judging.open(engine) as judge:
            answered = _answer_windows(open_windows, questions.root, engine, plan, judge, index)
            for window, answers in zip(open_windows, answered, strict=True):
                ledger.append(answer for answer in answers if index.kept(answer.key) is None)
                done += len(window)
                tick(done, len(wanted))
    return _counts(ledger, len(wanted))


def _answer_windows(
    windows: Sequence[Sequence[Question]],
    root: Path,
    engine: EngineProtocol,
    plan: AnswerPlan,
    judge: Judge,
    index: LedgerIndex,
) -> Iterator[list[Answer]]:
    """The answers of each window, in order. `engine.windows` windows run at once; the next one is decoded meanwhile."""
    running: deque[tuple[Future[list[Answer]], _Window]] = deque()
    with ClipPool(plan.frames) as clips, ThreadPoolExecutor(engine.windows) as threads:
        try:
            for questions in windows:
                files = [file for item in questions for file in item.files(root, plan.video)]
                prefetch = Prefetch(clips, files) if plan.needs_model else None
                window = _Window(questions, prefetch, engine, plan, judge, index)
                running.append((threads.submit(window.answers), window))
                if len(running) > engine.windows:
                    yield _next(running)
            while running:
                yield _next(running)
        finally:
            threads.shutdown(cancel_futures=True)


def _next(running: deque[tuple[Future[list[Answer]], _Window]]) -> list[Answer]:
    """The answers of the oldest window. If the engine died, it is asked again once no other window is in flight."""
    future, window = running.popleft()
    try:
        return future.result()
    except EngineDied:
        wait([other for other, _ in running])
        return window.answers(again=True)


@dataclass(frozen=True)
class _Window:
    """Questions that are answered together."""

    questions: Sequence[Question]
    clips: Prefetch | None  # None for templates
    engine: EngineProtocol
    plan: AnswerPlan
    judge: Judge
    index: LedgerIndex

    def answers(self, *, again: bool = False) -> list[Answer]:
        """Its answers: each kind is tried only for the questions that no earlier kind settled.

        Raises EngineDied unless `again`: then a request that kills the engine is refused.
        """
        answers: list[Answer] = []
        items: Iterable[_Item] = self._items()
        for kind in self.plan.generation.answers:
            incoming, items = tee(items)  # the engine reads clips as they arrive
            replies = iter(self._replies(kind, incoming, again=again))
            replied: list[Replied] = []
            for question, clips in items:
                if isinstance(clips, BadVideo):
                    answers.append(unanswered(question, str(clips), self.plan))
                    continue
                reply = next(replies)
                if isinstance(reply, Refused):
                    answers.append(unanswered(question, reply.reason, self.plan))
                    continue
                replied.append(Replied(question, clips, reply))
            judged = judge_replies(replied, kind, self.plan, self.judge)
            settled: list[Replied] = []
            unsettled: list[_Item] = []
            of_kind: list[Answer] = []
            for item, lines in zip(replied, judged, strict=True):
                as_written = [self._as_written(answer) for answer in lines]
                of_kind += as_written
                if any(answer.kept for answer in as_written):
                    settled.append(item)
                else:
                    unsettled.append((item.question, item.clips))
            answers += self._with_controls(of_kind, settled, again=again) if kind == "direct" else of_kind
            items = unsettled
        # In the order of questions, not of kinds: rows of a dataset must not depend on the size of a window.
        places = {question.id: place for place, question in enumerate(self.questions)}
        return sorted(answers, key=lambda answer: places[answer.question_id])

    def _items(self) -> Iterator[_Item]:
        clips = self.clips.get() if self.clips else None
        for question in self.questions:
            shown = () if clips is None else _clips_of(question, clips)
            if self.plan.under and not isinstance(shown, BadVideo):
                shown = self.plan.under.clips(question, shown)
            yield question, shown

    def _with_controls(self, answers: Sequence[Answer], settled: Sequence[Replied], *, again: bool) -> list[Answer]:
        """The same answers, those that are kept with the result of asking their question under each control."""
        right: dict[str, dict[ControlName, bool]] = {item.question.id: {} for item in settled}
        for control in self.plan.controls:
            items = [
                (question, control.clips(question, item.clips))
                for item in settled
                if (question := control.question(item.question))
            ]
            replies = self._sent([Request(self.plan.prompt(item[0], "direct"), item[1]) for item in items], again=again)
            replied = [
                Replied(*item, reply)
                for item, reply in zip(items, replies, strict=True)
                if not isinstance(reply, Refused)
            ]
            for (answer,) in judge_replies(replied, "direct", self.plan.greedy(control), self.judge):
                right[answer.question_id][control.name] = answer.accepted
        return [replace(answer, controls=right[answer.question_id]) if answer.kept else answer for answer in answers]

    def _as_written(self, answer: Answer) -> Answer:
        """The answer with the decision that a ledger of before a crash holds."""
        kept = self.index.kept(answer.key)
        return answer if kept is None else replace(answer, kept=kept)

    def _replies(self, kind: AnswerSource, items: Iterable[_Item], *, again: bool) -> list[Reply]:
        """One reply for each item whose video can be shown."""
        if kind == "template":
            return [
                [Response(question.template_answer)] for question, clips in items if not isinstance(clips, BadVideo)
            ]
        requests = (
            Request(self.plan.prompt(question, kind), clips, self.plan.seeds(question, kind))
            for question, clips in items
            if not isinstance(clips, BadVideo)
        )
        return self._sent(requests, again=again)

    def _sent(self, requests: Iterable[Request], *, again: bool) -> list[Reply]:
        """The engine's replies."""
        if not again:
            return self.engine.answer(requests)
        self.engine.restart()
        same = list(requests)
        try:
            return self.engine.answer(same)
        except EngineDied:  # for the second time in this window: one of its videos is the cause
            return [self._alone(request) for request in same]

    def _alone(self, request: Request) -> Reply:
        self.engine.restart()
        try:
            return self.engine.answer([request])[0]
        except EngineDied:
            return Refused("the engine dies of it")


def _clips_of(question: Question, clips: Iterator[Clip | BadVideo]) -> Sequence[Clip] | BadVideo:
    """The next clips, which are those of `question`; BadVideo if one of them is."""
    videos = [video.video for video in question.sample.videos]
    found: list[Clip] = []
    bad: BadVideo | None = None
    for video, clip in zip(videos, islice(clips, len(videos)), strict=True):
        if isinstance(clip, Clip):
            found.append(clip)
        elif bad is None:
            bad = clip if len(videos) == 1 else BadVideo(clip.reason, f"{video}: {clip.detail}")
    return bad or found


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
