"""Samples to questions: every adapter of the data asks about every sample, in the same words in every round."""

from __future__ import annotations

import copy
import difflib
import hashlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from videostar.adapters import LabelAdapter, NoQuestion, Row, adapter_folder, load_adapter
from videostar.adapters.kinds import COLUMNS, MAIN, KindAdapter
from videostar.adapters.prompts import Prompts, load_prompts
from videostar.config import AnswerSource, Pipeline, Video
from videostar.data.manifest import load_manifest
from videostar.data.rows import Skipped, Split
from videostar.data.samples import Sample
from videostar.data.source import Data
from videostar.labels import Action, Label, parse_label
from videostar.labels.fields import Fields
from videostar.labels.interval import Interval
from videostar.labels.timestamp import Timestamp
from videostar.util.errors import UserError
from videostar.video.sampling import Sampling

_KNOWN = 8192  # labels of a task that are kept parsed


class Words(NamedTuple):
    """A question in words."""

    text: str
    hinted: str  # the same question with the label given away
    template_answer: str  # the label in a fixed sentence


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one video, the same in every round. There may be a million: what it says is made when asked.

    Whatever it says may raise UserError, unless it is one of `Questions`, which have been tried.
    """

    sample: Sample
    asker: Task
    numbers: tuple[int, int]  # of its question and its hint in the file of prompts

    @property
    def id(self) -> str:
        """The same whatever else is asked, of whichever other samples."""
        return hashlib.sha256(f"{self.sample.id}\0{self.asker.name}".encode()).hexdigest()[:16]

    @property
    def task(self) -> str:
        """The adapter's name."""
        return self.asker.name

    @property
    def group(self) -> str:
        """What it is counted under: an action's name, else the task."""
        label = self.label
        return label.words() if isinstance(label, Action) else self.task

    @property
    def label(self) -> Label:
        """What an answer must contain."""
        return self.asker.parsed(self.sample.values)

    @property
    def text(self) -> str:
        """As it is asked."""
        return self.words().text

    @property
    def hinted(self) -> str:
        """As it is asked with the label given away."""
        return self.words().hinted

    @property
    def template_answer(self) -> str:
        """The label in a fixed sentence."""
        return self.words().template_answer

    def sampling(self, video: Video) -> Sampling:
        """What is looked at to answer it."""
        span = None
        start, end = self.sample.values.get("start"), self.sample.values.get("end")
        if video.within == "label" and start is not None and end is not None and not _asks_for_time(self.label):
            span = (float(start) - video.margin, float(end) + video.margin)
        return Sampling(video.frames, video.max_pixels, video.fps, span)

    def words(self) -> Words:
        """The question in words."""
        return self.asker.words(self.sample.values, self.label, *self.numbers)

    def template(self, kind: AnswerSource) -> str:
        """Where the words come from that it is asked in, such as "action.yaml questions[2]"."""
        question, hint = self.numbers
        place = {
            "direct": f"questions[{question}]",
            "rationalised": f"rationalise[{hint}] of questions[{question}]",
            "template": "template",
        }
        return f"{self.asker.prompts.file} {place[kind]}"


def _asks_for_time(label: Label) -> bool:
    parts = label.fields.values() if isinstance(label, Fields) else [label]
    return any(isinstance(part, Interval | Timestamp) for part in parts)


@dataclass(frozen=True)
class Task:
    """An adapter with the prompts that it asks with."""

    name: str
    adapter: LabelAdapter
    prompts: Prompts
    among: tuple[str, ...] = ()  # all actions of the data, for labels that do not say among which they are
    _known: dict[str, Label] = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def load(cls, name: str, adapter: LabelAdapter, prompts: str | None = None) -> Task:
        """The task of an adapter, with its own prompts or those called `prompts`."""
        file = prompts or adapter.prompts
        return cls(name, adapter, load_prompts(file, None if prompts else adapter_folder(adapter)))

    def label(self, row: Row) -> Mapping[str, Any]:
        """The row's label object."""
        return self._own(self.adapter.label, row)

    def terms(self, row: Row) -> list[str]:
        """What of the row's label its words do not say, such as a tolerance: empty, or one JSON object."""
        label = self.label(row)
        words = ("kind", MAIN.get(str(label.get("kind"))))
        terms = {name: value for name, value in label.items() if name not in words}
        return [json.dumps(terms, sort_keys=True, default=repr)] if terms else []

    def parsed(self, row: Row) -> Label:
        """The row's label. Equal ones are one object, for a while: a million rows may share a few."""
        label = self.label(row)
        key = json.dumps(label, sort_keys=True, default=repr)
        found = self._known.get(key)  # once: another thread may clear them
        if found is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            found = parse_label({"among": self.among, **label} if label.get("kind") == "action" else label)
            self._known[key] = found
        return found

    def question(self, sample: Sample, seed: int) -> Question:
        """The question about a sample: its phrasing is drawn from the seed and the sample."""
        draw = random.Random(f"{seed}/{sample.id}")
        question, hint = (draw.choice(range(len(forms))) for forms in self._forms)
        return Question(sample, self, self._numbers[question, hint])

    def phrasings(self, sample: Sample) -> list[Question]:
        """The question in every phrasing that could be drawn."""
        return [Question(sample, self, numbers) for numbers in self._numbers]

    def words(self, row: Row, label: Label, question: int, hint: int) -> Words:
        """The question about a row in that phrasing. Raises UserError for a template that cannot be filled in."""
        said = label.words()
        values = {**row, **self._own(self.adapter.values, row)}
        text = self.prompts.render(self.prompts.questions[question], values)
        values["label"] = said
        template_answer = self.prompts.render(self.prompts.template, values)
        values["question"] = text
        return Words(text, self.prompts.render(self.prompts.rationalise[hint], values), template_answer)

    @property
    def _forms(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.prompts.questions, self.prompts.rationalise

    @cached_property
    def _numbers(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Every phrasing by itself, so that a million questions share them."""
        questions, hints = (range(len(forms)) for forms in self._forms)
        return {numbers: numbers for numbers in itertools.product(questions, hints)}

    def _own(self, ask: Callable[[Row], Mapping[str, Any]], row: Row) -> Mapping[str, Any]:
        """What the adapter says of a row. Whatever a user's adapter raises becomes a UserError that names it."""
        try:
            said = ask(dict(row))  # of its own, to do with as it likes
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
        self.root, self.tasks = data.root, tasks
        self.set_aside: list[Skipped] = []
        self.not_asked: Counter[str] = Counter()  # rows, by task, that are about something else
        self.why_not: dict[str, str] = {}  # of the first such row
        #: Columns, by task, that might be keys of its labels and are not read as such: no one named them.
        self.unread = {task.name: columns for task in tasks if (columns := _unread(data.samples, task))}
        self._asked: list[Question] = []
        for task in tasks:
            self._ask(replace(task, among=_actions(data.samples, task)), data.samples, seed)
        # All questions about a video stand together: an engine then has to see it once.
        if len({question.sample.video for question in self._asked}) < len(self._asked):
            first: dict[str, int] = {}
            self._asked.sort(key=lambda question: first.setdefault(question.sample.video, len(first)))

    def split(self, split: Split) -> list[Question]:
        """The questions about one split's samples."""
        return [question for question in self._asked if question.sample.split == split]

    def all(self) -> Sequence[Question]:
        """Every question of every split."""
        return self._asked

    def some(self, split: Split, chosen: slice) -> Questions:
        """Some of one split's questions, and nothing else."""
        some = copy.copy(self)
        some._asked = self.split(split)[chosen]
        return some

    @property
    def digest(self) -> str:
        """What identifies the questions: their words and how answers are judged.

        So a changed adapter or prompt is noticed.
        """
        found = hashlib.sha256()
        for question in self._asked:
            words = [
                question.id,
                *question.words(),
                question.label.words(),
                *question.asker.terms(question.sample.values),
            ]
            found.update("\0".join(words).encode("utf-8", "surrogatepass"))
        return found.hexdigest()

    def check(self) -> None:
        """Raises UserError when a task has no question about any training video."""
        for task in self.tasks:
            if any(q.task == task.name and q.sample.split == "train" for q in self._asked):
                continue
            reasons = [row.detail for row in self.set_aside[:50]] or [self.why_not.get(task.name, "no rows")]
            why = "; ".join(dict.fromkeys(reasons))[:400]
            raise UserError(f"adapter {task.name}: no question about any train video: {why}")

    def _ask(self, task: Task, samples: Sequence[Sample], seed: int) -> None:
        first = True
        for sample in samples:
            try:
                question = task.question(sample, seed)
                # A wrong template is told now, not when it is drawn.
                for tried in task.phrasings(sample) if first else [question]:
                    tried.words()
            except UserError as error:
                self._leave_out(sample, task, error)
            else:
                self._asked.append(question)
                first = False

    def _leave_out(self, sample: Sample, task: Task, error: UserError) -> None:
        hint = _other_column(sample, task)
        if isinstance(error, NoQuestion):
            self.not_asked[task.name] += 1
            self.why_not.setdefault(task.name, str(error))
        else:
            self.set_aside.append(Skipped(sample.row, sample.video, "no question", f"{task.name}: {error}{hint}"))


def _other_column(sample: Sample, task: Task) -> str:
    """What to do where `label` is not understood and a column with the name of the label's main key is there."""
    main = MAIN.get(task.adapter.kind) if isinstance(task.adapter, KindAdapter) else None
    if main not in sample.values or main == "name":
        return ""
    return f"; is it in the column {main!r}? --set columns.label={main}"


def _unread(samples: Sequence[Sample], task: Task) -> list[str]:
    """The columns of the first row that the task's adapter does not read, as their names do not tell enough."""
    adapter = task.adapter
    row = samples[0].values if samples else {}
    return [name for name in adapter.unread if name in row] if isinstance(adapter, KindAdapter) else []


def _actions(samples: Sequence[Sample], task: Task) -> tuple[str, ...]:
    """All actions that a task has labels of."""
    names: set[str] = set()
    for sample in samples:
        with suppress(UserError):
            label = task.label(sample.values)
            if label.get("kind") == "action" and isinstance(name := label.get("name"), str):
                names.add(name)
    return tuple(sorted(names))


def load_tasks(settings: Pipeline) -> list[Task]:
    """The tasks of a run: the pipeline's adapter, or those of the data manifest. Raises UserError, as loading does."""
    manifest, folder, _ = load_manifest(settings.data.name, columns=settings.columns)
    _check_names(manifest.columns)
    named = [name for name, column in manifest.columns.items() if column is not None]
    if settings.adapter is not None:
        return [Task.load(settings.adapter, load_adapter(settings.adapter, named=named), settings.prompts)]
    prompts = settings.prompts or manifest.prompts
    return [Task.load(name, load_adapter(name, folder, named), prompts) for name in manifest.adapters]


def _check_names(columns: Mapping[str, str | None]) -> None:
    """Raises UserError for a name that is nearly one that adapters read: one's own adapter may read any other."""
    for name in columns:
        near = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0.75)
        if near and name not in COLUMNS:
            raise UserError(f"columns.{name}: did you mean columns.{near[0]}?")
