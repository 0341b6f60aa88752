"""Answer, verify, rationalise, verify: window by window (paper, section 3).

A window is a fixed run of questions, `engine.batch_size` of them, whatever was answered before a crash: with the
transformers engine every batch so holds the same requests as in an undisturbed run, and greedy answers come out the
same to the bit. A window that is half written is asked again whole and only its missing lines are added.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import repeat, tee
from pathlib import Path

from videostar.adapters.questions import Question, Questions
from videostar.config import AnswerSource, Pipeline
from videostar.data.rows import Split
from videostar.engines.base import EngineDied, EngineProtocol, Refused, Reply, Request
from videostar.labels import Verdict
from videostar.labels.hints import strip_hint
from videostar.models.chat import CutOff
from videostar.stages.ledger import Answer, Ledger, Written
from videostar.stages.tries import left_out
from videostar.util.progress import Tick
from videostar.util.terminal import warn
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipPool, Prefetch


@dataclass(frozen=True)
class Asking:
    """How a split is asked."""

    settings: Pipeline
    answers: tuple[AnswerSource, ...]  # the kinds to try, in order, until one is kept
    samples: int  # tries a question and kind
    salt: str  # what seeds are drawn from, beside question, kind and try


def generate(
    questions: Questions,
    engine: EngineProtocol,
    asking: Asking,
    *,
    split: Split,
    adapter: Path | None,
    out: Path,
    tick: Tick,
) -> dict[str, int]:
    """Ask every question of a split and write the answers, with their verdicts, to the ledger at `out`.

    What the ledger holds already is not asked again. Returns how many answers of each kind were asked for and
    kept. Raises UserError for a model or ledger that cannot be read; a bad video only costs its own questions.
    """
    asked = questions.split(split)
    ledger = Ledger(out)
    if ledger.cut:
        warn(
            f"{out}: its last line was unfinished, {ledger.cut} bytes of it were cut; what it was about is asked again"
        )
    written = Written(ledger)
    size = asking.settings.engine.batch_size
    windows = [asked[start : start + size] for start in range(0, len(asked), size)]
    todo = [window for window in windows if not all(_finished(item, asking, written) for item in window)]
    if todo:
        if any(kind != "template" for kind in asking.answers):
            engine.use(adapter)
        done = len(asked) - sum(map(len, todo))
        for window, lines in zip(todo, _answered(todo, questions.root, engine, asking, written), strict=True):
            ledger.append(line for line in lines if written.kept(line.key) is None)
            done += len(window)
            tick(done, len(asked))
    return _figures(ledger, len(asked))


def _answered(
    windows: Sequence[Sequence[Question]],
    root: Path,
    engine: EngineProtocol,
    asking: Asking,
    written: Written,
) -> Iterator[list[Answer]]:
    """The lines of each window in order. As many windows are asked at once as the engine wants; one more is decoded."""
    video, cache = asking.settings.video, asking.settings.cache.frames()
    running: deque[tuple[Future[list[Answer]], _Window]] = deque()
    shown = any(kind != "template" for kind in asking.answers)
    with ClipPool(cache) as clips, ThreadPoolExecutor(engine.windows) as threads:
        try:
            for questions in windows:
                files = [(root / item.sample.video, item.sample.sha256, item.sampling(video)) for item in questions]
                window = _Window(questions, Prefetch(clips, files) if shown else None, engine, asking, written)
                running.append((threads.submit(window.lines), window))
                if len(running) > engine.windows:
                    yield _next(running)
            while running:
                yield _next(running)
        finally:
            threads.shutdown(cancel_futures=True)


def _next(running: deque[tuple[Future[list[Answer]], _Window]]) -> list[Answer]:
    """The lines of the oldest window. If the engine died, it is asked again with nothing else in flight to blame."""
    future, window = running.popleft()
    try:
        return future.result()
    except EngineDied:
        wait([other for other, _ in running])
        return window.lines(again=True)


@dataclass(frozen=True)
class _Window:
    """Questions that are asked together."""

    questions: Sequence[Question]
    clips: Prefetch | None  # none for templates, which are filled in unseen
    engine: EngineProtocol
    asking: Asking
    written: Written

    def lines(self, *, again: bool = False) -> list[Answer]:
        """Its lines: each kind of answer is asked only of the questions that no earlier kind settled.

        Raises EngineDied, unless asked `again`: then a request that kills the engine is refused.
        """
        lines: list[Answer] = []
        open_items: Iterable[tuple[Question, Clip | None]] = self._shown(lines)
        for kind in self.asking.answers:
            asked, pairs = tee(open_items)
            left = []
            for pair, reply in zip(pairs, self._replies(kind, asked, again=again), strict=True):
                if isinstance(reply, Refused):
                    lines.append(_set_aside(pair[0], reply.reason))
                    continue
                # What a crash left of this window was decided then.
                made = [
                    line if (then := self.written.kept(line.key)) is None else replace(line, kept=then)
                    for line in _judged(*pair, kind, reply, self.asking)
                ]
                lines += made
                if not any(line.kept for line in made):
                    left.append(pair)
            open_items = left
        # Not kind by kind: rows, and so what is trained on them, are not to depend on how many questions a window has.
        places = {item.id: place for place, item in enumerate(self.questions)}
        return sorted(lines, key=lambda line: places[line.question_id])

    def _shown(self, lines: list[Answer]) -> Iterator[tuple[Question, Clip | None]]:
        """The questions whose videos can be shown, each as soon as its clip is there; of the others a line is added."""
        for item, clip in zip(self.questions, self.clips.get() if self.clips else repeat(None), strict=False):
            if isinstance(clip, BadVideo):
                lines.append(_set_aside(item, str(clip)))
            else:
                yield item, clip

    def _replies(
        self, kind: AnswerSource, items: Iterable[tuple[Question, Clip | None]], *, again: bool
    ) -> list[Reply]:
        if kind == "template":
            return [[item.template_answer] for item, _ in items]
        requests = (
            Request(item.hinted if kind == "rationalised" else item.text, clip, _seeds(item, kind, self.asking))
            for item, clip in items
            if clip is not None
        )
        if not again:
            return self.engine.answer(requests)
        self.engine.restart()
        same = list(requests)
        try:
            return self.engine.answer(same)
        except EngineDied:  # twice of this window: one of its videos is to blame
            return [self._alone(request) for request in same]

    def _alone(self, request: Request) -> Reply:
        self.engine.restart()
        try:
            return self.engine.answer([request])[0]
        except EngineDied:
            return Refused("the engine dies of it")


def _seeds(item: Question, kind: AnswerSource, asking: Asking) -> tuple[int, ...]:
    """Of each try; none when there is one try, which is greedy, or no model that draws."""
    if asking.samples == 1 or kind == "template":
        return ()
    return tuple(_seed(asking.salt, item.id, kind, number) for number in range(asking.samples))


def _seed(*about: object) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(map(str, about)).encode()).digest()[:4], "big")


def _judged(
    item: Question, clip: Clip | None, kind: AnswerSource, replies: Sequence[str], asking: Asking
) -> list[Answer]:
    """A line for each try: the reply without its hint, judged by the label."""
    prompt = {"rationalised": item.hinted, "direct": item.text, "template": ""}[kind]
    texts = [strip_hint(reply) if kind == "rationalised" else reply for reply in replies]
    verdicts = [item.label.judge(text or "", prompt or None) for text in texts]
    options = asking.settings.generation
    cut = [isinstance(reply, CutOff) for reply in replies]  # what would be learned from it is to stop half-way
    good = [
        bool(text) and (not options.verify or (verdict.accepted and not half))
        for text, verdict, half in zip(texts, verdicts, cut, strict=True)
    ]
    surplus = left_out([text or "" for text in texts], good, options.keep_per_question)
    seeds = _seeds(item, kind, asking)
    return [
        Answer(
            question_id=item.id,
            kind=kind,
            video=item.sample.video,
            task=item.task,
            group=item.group,
            label=item.label.words(),
            question=item.text,
            prompt=prompt,
            answer=reply,
            text=text or "",
            kept=good[number] and surplus[number] is None,
            accepted=verdict.accepted,
            score=verdict.score,
            reason=surplus[number] or _reason(text, verdict, cut[number]),
            parsed=verdict.parsed,
            number=number,
            pass_rate=sum(good) / len(good),
            video_sha256=item.sample.sha256,
            frame_times=clip.times if clip is not None and kind != "template" else (),
            span=item.sampling(asking.settings.video).span or (),
            seed=seeds[number] if seeds else None,
            template=item.template(kind),
        )
        for number, (reply, text, verdict) in enumerate(zip(replies, texts, verdicts, strict=True))
    ]


def _reason(text: str | None, verdict: Verdict, cut: bool) -> str:
    if text is None:
        return "hint"
    return "cut off" if cut and verdict.accepted else verdict.reason


def _set_aside(item: Question, reason: str) -> Answer:
    return Answer(
        question_id=item.id,
        kind="video",
        video=item.sample.video,
        task=item.task,
        group=item.group,
        label=item.label.words(),
        question=item.text,
        prompt="",
        answer="",
        text="",
        kept=False,
        accepted=False,
        score=0.0,
        reason=reason,
        video_sha256=item.sample.sha256,
    )


def _finished(item: Question, asking: Asking, written: Written) -> bool:
    """Whether nothing is left to be asked: a set-aside video, a kind with a kept try, or every kind with all tries."""
    if written.kept((item.id, "video", 0)) is not None:
        return True
    for kind in asking.answers:
        tries = 1 if kind == "template" else asking.samples
        found = [written.kept((item.id, kind, number)) for number in range(tries)]
        if None in found:
            return False
        if any(found):
            return True
    return True


def _figures(ledger: Ledger, questions: int) -> dict[str, int]:
    """Questions, and of each kind of answer how many were asked for and how many of them got one that is kept."""
    counts = Counter({"questions": questions})
    kept: set[int] = set()  # of numbers: there may be millions
    for answer in ledger:
        counts[f"{answer.kind}_asked"] += answer.number == 0
        if answer.kept and (one := hash((answer.question_id, answer.kind))) not in kept:
            kept.add(one)
            counts[f"{answer.kind}_kept"] += 1
    return dict(counts)
