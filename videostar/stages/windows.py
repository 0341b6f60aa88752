"""Windows of questions, answered with one engine: answer, verify, rationalise, verify (paper, section 3)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice, tee
from pathlib import Path
from typing import Self, TypeAlias

from videostar.adapters.task import Question
from videostar.config import AnswerSource, ControlName
from videostar.engines.base import EngineDied, EngineProtocol, Refused, Reply, Request
from videostar.models.response import Response
from videostar.stages.executor import Window
from videostar.stages.judge import Judge
from videostar.stages.judging import Replied, judge_replies, unanswered
from videostar.stages.ledger import Answer, Key
from videostar.stages.plan import AnswerPlan
from videostar.stages.support import Support
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipPool, Prefetch

#: A question and its clips: none for templates, which need none, and BadVideo if one of its videos cannot be shown.
_Item: TypeAlias = tuple[Question, Sequence[Clip] | BadVideo]


class Running:
    """A window that is being answered."""

    def __init__(self, window: _Window, future: Future[list[Answer]]) -> None:
        self.window, self.future = window, future


class WindowAnswerer:
    """Answers windows: `engine.windows` at once; the clips of those that wait are made meanwhile."""

    def __init__(
        self, questions: Sequence[Question], root: Path, engine: EngineProtocol, plan: AnswerPlan, judge: Judge
    ) -> None:
        self._questions, self._root, self._engine, self._plan, self._judge = questions, root, engine, plan, judge
        self._clips, self._threads = ClipPool(plan.frames), ThreadPoolExecutor(engine.windows)
        self._support = Support(plan.evidence, questions, root, plan.video, self._clips) if plan.evidence else None
        self._running: set[Future[list[Answer]]] = set()
        self._alone = threading.Lock()

    def start(self, window: Window) -> Running:
        """Have a window answered once those before it leave room for it."""
        questions = list(self._questions[window.start : window.stop])
        files = [file for item in questions for file in item.files(self._root, self._plan.video)]
        prefetch = Prefetch(self._clips, files) if self._plan.needs_model else None
        work = _Window(questions, prefetch, self._engine, self._plan, self._judge, self._support, window.known)
        future = self._threads.submit(work.answers)
        self._running.add(future)
        return Running(work, future)

    def answers(self, running: Running) -> list[Answer]:
        """The answers of a window. If the engine died, it is asked again once no other window is in flight."""
        try:
            return running.future.result()
        except EngineDied:
            with self._alone:
                wait(list(self._running))
                return running.window.answers(again=True)
        finally:
            self._running.discard(running.future)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._clips.__exit__(*error)


@dataclass(frozen=True)
class _Window:
    """Questions that are answered together."""

    questions: Sequence[Question]
    clips: Prefetch | None  # None for templates
    engine: EngineProtocol
    plan: AnswerPlan
    judge: Judge
    support: Support | None
    known: Mapping[Key, bool]  # answers that the ledger holds already: were they kept?

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
            judged = judge_replies(replied, kind, self.plan, self.judge, self.support)
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
        kept = self.known.get(answer.key)
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
