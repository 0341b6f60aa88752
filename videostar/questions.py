"""Samples to questions: every adapter of the data asks about every sample, in the same words in every round."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videostar.adapters import LabelAdapter, NoQuestion, Row, adapter_folder, load_adapter
from videostar.annotations import SetAside, Split
from videostar.config import AnswerSource, Pipeline
from videostar.errors import UserError
from videostar.labels import Action, Label, parse_label
from videostar.prompts import Prompts, load_prompts
from videostar.samples import Data, Sample, load_manifest


@dataclass(frozen=True)
class Question:
    """One question about one video, the same in every round."""

    id: str
    sample: Sample
    task: str  # the adapter's name
    group: str  # what it is counted under: an action's name, else the task
    text: str
    hinted: str  # the same question with the label given away
    template_answer: str  # the label in a fixed sentence
    label: Label
    phrasing: tuple[str, int, int]  # file of prompts, and the numbers of its question and hint

    def template(self, kind: AnswerSource) -> str:
        """Where the words come from that it is asked in, such as "action.yaml questions[2]"."""
        file, question, hint = self.phrasing
        place = {
            "direct": f"questions[{question}]",
            "rationalised": f"rationalise[{hint}] of questions[{question}]",
            "template": "template",
        }
        return f"{file} {place[kind]}"


@dataclass(frozen=True)
class Task:
    """An adapter with the prompts that it asks with."""

    name: str
    adapter: LabelAdapter
    prompts: Prompts

    @classmethod
    def load(cls, name: str, adapter: LabelAdapter, prompts: str | None = None) -> Task:
        """The task of an adapter, with its own prompts or those called `prompts`."""
        file = prompts or adapter.prompts
        return cls(name, adapter, load_prompts(file, None if prompts else adapter_folder(adapter)))

    def label(self, row: Row) -> Mapping[str, Any]:
        """The row's label object."""
        return self._own(self.adapter.label, row)

    def question(self, sample: Sample, label: Label, seed: int) -> Question:
        """The question about a sample: its phrasing is drawn from the seed and the sample."""
        draw = random.Random(f"{seed}/{sample.id}")
        return self._phrased(sample, label, *(draw.choice(range(len(forms))) for forms in self._forms))

    def phrasings(self, sample: Sample, label: Label) -> list[Question]:
        """The question in every phrasing that could be drawn."""
        numbers = itertools.product(*(range(len(forms)) for forms in self._forms))
        return [self._phrased(sample, label, question, hint) for question, hint in numbers]

    @property
    def _forms(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.prompts.questions, self.prompts.rationalise

    def _identity(self, sample: Sample) -> str:
        return hashlib.sha256(f"{sample.id}\0{self.name}".encode()).hexdigest()[:16]

    def _phrased(self, sample: Sample, label: Label, question: int, hint: int) -> Question:
        said = label.words()
        values = {**sample.values, **self._own(self.adapter.values, sample.values)}
        text = self.prompts.render(self.prompts.questions[question], **values)
        return Question(
            id=self._identity(sample),
            sample=sample,
            task=self.name,
            group=said if isinstance(label, Action) else self.name,
            text=text,
            hinted=self.prompts.render(self.prompts.rationalise[hint], **{**values, "question": text, "label": said}),
            template_answer=self.prompts.render(self.prompts.template, **{**values, "label": said}),
            label=label,
            phrasing=(self.prompts.file, question, hint),
        )

    def _own(self, ask: Callable[[Row], Mapping[str, Any]], row: Row) -> Mapping[str, Any]:
        """What the adapter says of a row. Whatever a user's adapter raises becomes a UserError that names it."""
        try:
            said = ask(row)
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001  (a user's own code)
            raise UserError(f"{type(error).__name__}: {error}") from None
        if not isinstance(said, Mapping):
            raise UserError(f"{ask.__name__}() gave {type(said).__name__}, not a mapping")
        return said


class Questions:
    """All questions of a data set, video by video, and the rows that none could be made for."""

    def __init__(self, data: Data, tasks: Sequence[Task], seed: int) -> None:
        """Raises UserError when a task can ask nothing at all of a split."""
        self.root = data.root
        self.set_aside: list[SetAside] = []
        self.not_asked: Counter[str] = Counter()  # rows, by task, that are about something else
        self._why_not: dict[str, str] = {}
        self._asked: list[Question] = []
        for task in tasks:
            objects = self._objects(data.samples, task)
            read = _reader([label for _, label in objects])
            for sample, label in objects:
                try:
                    parsed = read(label)
                    if not self._asked or self._asked[-1].task != task.name:
                        task.phrasings(sample, parsed)  # a wrong template is told now, not when it is drawn
                    self._asked.append(task.question(sample, parsed, seed))
                except UserError as error:
                    self._leave_out(sample, task, error)
            self._check(task)
        # All questions about a video stand together: an engine then has to see it once.
        first: dict[str, int] = {}
        self._asked.sort(key=lambda question: first.setdefault(question.sample.video, len(first)))

    def split(self, split: Split) -> list[Question]:
        """The questions about one split's samples."""
        return [question for question in self._asked if question.sample.split == split]

    def some(self, split: Split, chosen: slice) -> Questions:
        """Some of one split's questions, and nothing else."""
        some = copy.copy(self)
        some._asked = self.split(split)[chosen]
        return some

    @property
    def digest(self) -> str:
        """What identifies the questions: their words, so that a changed adapter or prompt is noticed."""
        found = hashlib.sha256()
        for question in self._asked:
            said = (question.id, question.text, question.hinted, question.template_answer, question.label.words())
            found.update("\0".join(said).encode("utf-8", "surrogatepass"))
        return found.hexdigest()

    def _objects(self, samples: Sequence[Sample], task: Task) -> list[tuple[Sample, Mapping[str, Any]]]:
        objects = []
        for sample in samples:
            try:
                objects.append((sample, task.label(sample.values)))
            except UserError as error:
                self._leave_out(sample, task, error)
        return objects

    def _leave_out(self, sample: Sample, task: Task, error: UserError) -> None:
        if isinstance(error, NoQuestion):
            self.not_asked[task.name] += 1
            self._why_not.setdefault(task.name, str(error))
        else:
            self.set_aside.append(SetAside(sample.row, sample.video, "no question", f"{task.name}: {error}"))

    def _check(self, task: Task) -> None:
        for split in ("train", "test"):
            if not any(q.task == task.name and q.sample.split == split for q in self._asked):
                reasons = [item.mend for item in self.set_aside[:50]] or [self._why_not.get(task.name, "no rows")]
                said = "; ".join(dict.fromkeys(reasons))[:400]
                raise UserError(f"adapter {task.name}: no question about any {split} video: {said}")


def _reader(objects: Sequence[Mapping[str, Any]]) -> Callable[[Mapping[str, Any]], Label]:
    """Label objects to labels, each made once; an action is among all actions of `objects` if it does not say."""
    names = (label.get("name") for label in objects if label.get("kind") == "action")
    among = tuple(sorted({name for name in names if isinstance(name, str)}))
    known: dict[str, Label] = {}

    def read(label: Mapping[str, Any]) -> Label:
        key = json.dumps(label, sort_keys=True, default=repr)
        if key not in known:
            known[key] = parse_label({"among": among, **label} if label.get("kind") == "action" else label)
        return known[key]

    return read


def load_tasks(settings: Pipeline) -> list[Task]:
    """The tasks of a run: the pipeline's adapter, or those of the data manifest. Raises UserError, as loading does."""
    manifest, folder, _ = load_manifest(settings.data)
    if settings.adapter is not None:
        return [Task.load(settings.adapter, load_adapter(settings.adapter), settings.prompts)]
    prompts = settings.prompts or manifest.prompts
    return [Task.load(name, load_adapter(name, folder), prompts) for name in manifest.adapters]
