"""All questions of a data set: each adapter asks about each sample, in the same words in every round."""

from __future__ import annotations

import copy
import difflib
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from videostar.adapters import NoQuestion, load_adapter
from videostar.adapters.distractors import Distractors
from videostar.adapters.kinds import MAIN, KindAdapter
from videostar.adapters.question_table import Change, Numbers, QuestionList, QuestionTable
from videostar.adapters.task import Question, Task
from videostar.data.columns import COLUMNS
from videostar.data.rows import Skipped, Split
from videostar.data.sample_file import Indices
from videostar.data.samples import SLACK, Sample
from videostar.data.source import Data, DataSource
from videostar.labels.interval import Interval
from videostar.labels.timestamp import Timestamp
from videostar.util.errors import UserError


class Questions:
    """All questions of a data set, video by video, and the rows without one."""

    def __init__(self, data: Data, tasks: Sequence[Task], seed: int) -> None:
        self.root, self.tasks = data.root, tasks
        self.needed = data.source.needed
        self.frame_rate = data.source.frame_rate
        self.skipped: list[Skipped] = []  # rows that a task cannot read
        self.not_asked: Counter[str] = Counter()  # by task: rows that it has no question about
        self.why_not: dict[str, str] = {}  # by task: the reason of the first such row
        #: By task: columns that have names of label keys and are not read, since the user did not map them.
        self.unread = {task.name: columns for task in tasks if (columns := _unread(data.samples, task))}
        numbers, informed = Numbers(), [with_data(task, data.samples) for task in tasks]
        for number, task in enumerate(informed):
            self._add(numbers, number, task, data.samples, seed)
        self.table = QuestionTable(data.samples, informed, numbers.by_video())
        self._splits = {split: QuestionList(self.table, self.table.of_split(split)) for split in get_args(Split)}

    def split(self, split: Split) -> QuestionList:
        """The questions about one split's samples."""
        return self._splits[split]

    def all(self) -> QuestionList:
        """Every question of every split."""
        return QuestionList(self.table, np.arange(len(self.table), dtype=np.uint32))

    @property
    def about(self) -> Indices:
        """The place of each question's sample in the data."""
        return self.table.samples_of(np.arange(len(self.table), dtype=np.uint32))

    def some(self, split: Split, chosen: slice) -> Questions:
        """Some of one split's questions, and nothing else."""
        return self._only(split, self.split(split)[chosen])

    def changed(self, split: Split, change: Change, ids: Container[str]) -> Questions:
        """One split's questions with these ids as `change` returns them, without those for which it returns None."""
        asked = self.split(split)
        each = (question.id in ids and change(question) is not None for question in asked)
        kept = np.fromiter(each, bool, len(asked))
        return self._only(split, QuestionList(self.table, asked.indices[kept], change))

    def _only(self, split: Split, asked: QuestionList) -> Questions:
        some = copy.copy(self)
        nothing = QuestionList(self.table, asked.indices[:0])
        some._splits = {name: asked if name == split else nothing for name in self._splits}
        return some

    @property
    def digest(self) -> str:
        """The identity of all questions of the data set."""
        return self.table.digest

    def check(self) -> None:
        """Raises UserError if a task has no question about any video of the split that must have one."""
        for number, task in enumerate(self.tasks):
            if self.table.asks(number, self.needed):
                continue
            reasons = [row.detail for row in self.skipped[:50]] or [self.why_not.get(task.name, "no rows")]
            why = "; ".join(dict.fromkeys(reasons))[:400]
            if self.needed == "test":
                raise UserError(f"adapter {task.name}: no question about any video to evaluate on: {why}")
            raise UserError(f"adapter {task.name}: no question about any train video: {why}")

    def _add(self, numbers: Numbers, number: int, task: Task, samples: Sequence[Sample], seed: int) -> None:
        first = True
        for place, sample in enumerate(samples):
            try:
                phrasing = task.phrasing(sample, seed)
                # Of the first row all phrasings are tried, so that a wrong template shows now.
                for tried in task.phrasings if first else [task.phrasings[phrasing]]:
                    Question(sample, task, tried).words()
                after_end = _after_end(task, sample)
            except UserError as error:
                self._skip(sample, task, error)
                continue
            if after_end is not None:
                self.skipped.append(after_end)
            else:
                numbers.add(place, sample, number, phrasing)
                first = False

    def _skip(self, sample: Sample, task: Task, error: UserError) -> None:
        hint = _other_column(sample, task)
        if isinstance(error, NoQuestion):
            self.not_asked[task.name] += 1
            self.why_not.setdefault(task.name, str(error))
        else:
            self.skipped.append(Skipped(sample.row, sample.video, "no question", f"{task.name}: {error}{hint}"))


def _after_end(task: Task, sample: Sample) -> Skipped | None:
    """The skipped row if a time in its label is after the end of the video."""
    adapter = task.adapter
    if not isinstance(adapter, KindAdapter) or adapter.kind not in ("interval", "timestamp"):
        return None
    label = task.parsed(sample.values)
    last = label.end if isinstance(label, Interval) else label.seconds if isinstance(label, Timestamp) else 0.0
    if last <= sample.seconds + SLACK:
        return None
    detail = f"{last:g} s, and the video has {sample.seconds:.1f} s"
    return Skipped(sample.row, sample.video, "interval outside the video", detail)


def _other_column(sample: Sample, task: Task) -> str:
    """A hint for a row whose `label` is not understood while a column has the name of the label's main key."""
    main = MAIN.get(task.adapter.kind) if isinstance(task.adapter, KindAdapter) else None
    if main not in sample.values or main == "name":
        return ""
    return f"; is it in the column {main!r}? --set columns.label={main}"


def _unread(samples: Sequence[Sample], task: Task) -> list[str]:
    """The columns of the first row that the task's adapter does not read because their names are ambiguous."""
    adapter = task.adapter
    row = samples[0].values if samples else {}
    return [name for name in adapter.unread if name in row] if isinstance(adapter, KindAdapter) else []


def with_data(task: Task, samples: Sequence[Sample]) -> Task:
    """The task with what it must know of all samples: the actions, and from where the indices of options count."""
    adapter = task.adapter
    if isinstance(adapter, KindAdapter):
        adapter = adapter.for_rows(sample.values for sample in samples)
    task = replace(task, adapter=adapter)
    return replace(task, among=_actions(samples, task))


def _actions(samples: Sequence[Sample], task: Task) -> tuple[str, ...]:
    """All actions in a task's labels."""
    names: set[str] = set()
    for sample in samples:
        with suppress(UserError):
            label = task.label(sample.values)
            if label.get("kind") == "action" and isinstance(name := label.get("name"), str) and name.strip():
                names.add(name)
    return tuple(sorted(names))


def load_tasks(
    source: DataSource,
    adapter: str | None = None,
    prompts: str | None = None,
    model: str = "embedded",
    distractors: str | None = None,
) -> list[Task]:
    """The tasks of a run: of `adapter`, or of the adapters in the data manifest.

    `prompts` is a prompt file that replaces theirs, `distractors` are for choices without options. The embedded `model`
    is not asked for final lines, since it was trained on questions without them. Raises UserError if one of them cannot
    be loaded, or if a data manifest names Python code: code runs only if the user names it.
    """
    manifest = source.manifest
    _check_names(manifest.columns)
    named = [name for name, column in manifest.columns.items() if column is not None]

    def load(name: str, prompts: str | None) -> Task:
        asks, grouped = model != "embedded", "group" in named
        loaded = load_adapter(name, named, drawn if name == "choice" else None)
        return Task.load(name, loaded, prompts, asks_final_line=asks, grouped=grouped)

    drawn = Distractors.load(distractors) if distractors else None
    if drawn and "choice" not in ([adapter] if adapter else manifest.adapters):
        raise UserError("distractors: are options of the adapter `choice`; give --set adapter=choice")
    if adapter is not None:
        return [load(adapter, prompts)]
    for name in manifest.adapters:
        if ".py" in name:
            path = Path(source.where).parent / name
            raise UserError(
                f"{source.where}: adapters: {name} is Python code, which runs only if you name it yourself: read it, "
                f"then --set adapter={path}"
            )
    return [load(name, prompts or manifest.prompts) for name in manifest.adapters]


def _check_names(columns: Mapping[str, str | None]) -> None:
    """Raises UserError for a column name that is close to one that adapters read; other names are for own adapters."""
    for name in columns:
        near = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0.75)
        if near and name not in COLUMNS:
            raise UserError(f"columns.{name}: did you mean columns.{near[0]}?")
