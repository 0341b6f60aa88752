"""The judge of answers: the rules of their labels, or a model that is asked a closed question about each.

`verification` in the settings gives kinds of label to the model: the base model of the run, without the LoRA, or the
one on the server in `judge`. It sees label and answer, and no video.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

from videostar.config import ModelSpec, Pipeline
from videostar.config.verification import JudgeServer
from videostar.engines.base import EngineDied, EngineProtocol, Refused
from videostar.labels import KINDS, Label, Reason, Verdict
from videostar.labels.answer import answer_content
from videostar.labels.paraphrase import Paraphrase, judge_paraphrases
from videostar.stages.closed_question import MAX_NEW_TOKENS, PROMPT_DIGEST, fill_prompt, read_reply
from videostar.stages.reply_cache import ReplyCache
from videostar.util.resources import model_digest

_KIND = {label: kind for kind, label in KINDS.items()}


class Case(NamedTuple):
    """An answer to be judged."""

    label: Label
    answer: str  # without a hint
    prompt: str | None = None  # that was answered: an echo of it does not count
    question: str | None = None  # the prompt without a hint


class Judged(NamedTuple):
    """The verdict on an answer, and the model that gave it, with the digest of its prompt; empty: no model did."""

    verdict: Verdict
    model: str = ""
    prompt: str = ""


class ModelJudge:
    """A model that judges. Its replies are cached by content, so that nothing is asked twice."""

    def __init__(self, name: str, ask: Callable[[Sequence[str]], list[str | Refused]], replies: ReplyCache) -> None:
        self.name, self._ask, self._replies = name, ask, replies
        self._lock = threading.Lock()  # without it two threads might ask the same

    def judge(self, cases: Sequence[Case]) -> list[Judged]:
        """The verdicts on answers, in order. Raises UserError if the model cannot be asked."""
        contents = [answer_content(case.answer, case.prompt) for case in cases]
        prompts = [
            fill_prompt(case.label.words(), content, case.question) if content is not None else None
            for case, content in zip(cases, contents, strict=True)
        ]
        replies = self._replies_to(list(dict.fromkeys(prompt for prompt in prompts if prompt is not None)))
        return [
            Judged(read_reply(replies[prompt]), self.name, PROMPT_DIGEST)
            if prompt is not None
            else Judged(Verdict.no(Reason.DEGENERATE))
            for prompt in prompts
        ]

    def _replies_to(self, prompts: Sequence[str]) -> dict[str, str | Refused]:
        with self._lock:
            replies: dict[str, str | Refused] = dict(self._replies.get(prompts))
            new = [prompt for prompt in prompts if prompt not in replies]
            if new:
                replies |= zip(new, self._ask(new), strict=True)
                self._replies.put({prompt: reply for prompt in new if isinstance(reply := replies[prompt], str)})
            return replies


@dataclass(frozen=True)
class Judge:
    """Judges answers; any number of threads may share it. `kinds` of label are judged by `model`."""

    kinds: frozenset[str] = frozenset()
    model: ModelJudge | None = None

    def judge(self, cases: Sequence[Case]) -> list[Judged]:
        """The verdicts on answers, in order. Raises UserError if the model cannot be asked."""
        asks = [self.model is not None and _KIND[type(case.label)] in self.kinds for case in cases]
        asked = [case for case, by_model in zip(cases, asks, strict=True) if by_model]
        others = [case for case, by_model in zip(cases, asks, strict=True) if not by_model]
        by_model = iter(self.model.judge(asked) if self.model else ())
        by_rules = iter(judge_by_rules(others))
        return [next(by_model if one else by_rules) for one in asks]


def judge_by_rules(cases: Sequence[Case]) -> list[Judged]:
    """The verdicts of labels on answers. All sentences for labels of kind `text` are embedded together."""
    texts = [(case.label, case.answer, case.prompt) for case in cases if isinstance(case.label, Paraphrase)]
    paraphrases = iter(judge_paraphrases(texts))
    return [
        Judged(next(paraphrases) if isinstance(case.label, Paraphrase) else case.label.judge(case.answer, case.prompt))
        for case in cases
    ]


@dataclass(frozen=True)
class JudgePlan:
    """Which `kinds` of label a model judges, and which model."""

    kinds: frozenset[str]
    server: JudgeServer | None  # None: the base model
    spec: ModelSpec
    home: Path  # the cache folder

    @classmethod
    def of(cls, settings: Pipeline) -> Self:
        """The plan of a run."""
        return cls(settings.verification.by_model, settings.judge, settings.spec, settings.cache.home)

    @contextmanager
    def open(self, engine: EngineProtocol | None = None) -> Iterator[Judge]:
        """The judge. `engine` is that of the base model, if that judges."""
        if not self.kinds:
            yield Judge()
        elif self.server is not None:
            with _served(self.server, self.home) as model:
                yield Judge(self.kinds, model)
        elif engine is not None:
            with _base(engine, self.spec, self.home) as model:
                yield Judge(self.kinds, model)
        else:
            raise ValueError("the base model judges, and no engine has it")


@contextmanager
def _served(server: JudgeServer, home: Path) -> Iterator[ModelJudge]:
    from videostar.engines.openai.server import Server  # loads torch

    with ReplyCache(home, server.model) as replies:
        client = Server(server.base_url)
        try:
            yield ModelJudge(
                server.model, lambda prompts: client.replies(server.model, prompts, MAX_NEW_TOKENS), replies
            )
        finally:
            client.close()


@contextmanager
def _base(engine: EngineProtocol, spec: ModelSpec, home: Path) -> Iterator[ModelJudge]:
    from videostar.models.load import dtype_name  # loads torch

    def alone(prompt: str) -> str | Refused:
        engine.restart()
        try:
            return engine.ask_base([prompt], MAX_NEW_TOKENS)[0]
        except EngineDied:
            return Refused("the engine dies of it")

    def ask(prompts: Sequence[str]) -> list[str | Refused]:
        try:
            return engine.ask_base(prompts, MAX_NEW_TOKENS)
        except EngineDied:
            return [alone(prompt) for prompt in prompts]

    model = _digest(spec.name)
    with ReplyCache(home, model, engine.name, dtype_name(spec)) as replies:
        yield ModelJudge(model, ask, replies)


@cache
def _digest(name: str) -> str:
    """`model_digest`, which reads all of a model, once a process."""
    return model_digest(name)
