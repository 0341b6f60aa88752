"""Tasks and questions: an adapter with its prompts, and one question about one sample."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from videostar.adapters import LabelAdapter, Row, adapter_folder
from videostar.adapters.final_line import lead_of, request_for, without_final_line
from videostar.adapters.kinds import MAIN
from videostar.adapters.prompts import Prompts, load_prompts
from videostar.config import AnswerSource, Video
from videostar.data.cells import is_missing
from videostar.data.samples import Sample
from videostar.labels import Action, Label, parse_label
from videostar.labels.choice import Choice
from videostar.labels.fields import Fields
from videostar.labels.interval import Interval
from videostar.labels.timestamp import Timestamp
from videostar.util.errors import UserError
from videostar.util.object_path import join
from videostar.video.sampling import Sampling

_KNOWN = 8192  # labels of a task that are kept parsed


class Words(NamedTuple):
    """The texts of a question."""

    text: str  # the question
    hinted: str  # the question with the label in it
    template_answer: str  # a fixed sentence with the label, and the final line if one is asked for
    request: str  # the sentence that asks for the final line, to be put after the question; may be empty


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one video, the same in every round.

    There may be a million, so texts are made on access. That may raise UserError, except for a question of `Questions`,
    which has been tried.
    """

    sample: Sample
    source: Task
    numbers: tuple[int, int]  # of its question and its hint in the prompt file
    order: tuple[int, ...] = ()  # of the options of a choice, as places in the label; empty: as they are there

    @property
    def id(self) -> str:
        """Its identity, independent of other questions and samples."""
        return hashlib.sha256(f"{self.sample.id}\0{self.source.name}".encode()).hexdigest()[:16]

    @property
    def task(self) -> str:
        """The adapter's name."""
        return self.source.name

    @property
    def group(self) -> str:
        """The name that it is counted under: an action's name, else that in a mapped column `group`, else the task."""
        label = self.label
        if isinstance(label, Action):
            return label.words()
        group = self.sample.values.get("group") if self.source.grouped else None
        return self.task if is_missing(group) else str(group)

    @property
    def label(self) -> Label:
        """The label that an answer must contain."""
        label = self.source.parsed(self.sample.values)
        return label.in_order(self.order) if self.order and isinstance(label, Choice) else label

    @property
    def text(self) -> str:
        """The question, without the sentence that asks for a final line."""
        return self.words().text

    @property
    def hinted(self) -> str:
        """The same with the label in it, for a rationalised answer."""
        return self.words().hinted

    @property
    def template_answer(self) -> str:
        """A fixed sentence with the label, and the final line if one is asked for."""
        return self.words().template_answer

    def files(self, root: Path, video: Video) -> list[tuple[Path, str, Sampling]]:
        """The file of each of its videos below `root`, the digest of the file, and the frames that are sampled."""
        sampling = self.sampling(video)
        return [(join(root, shown.video), shown.sha256, sampling) for shown in self.sample.videos]

    def sampling(self, video: Video) -> Sampling:
        """The frames that are sampled of each of its videos to answer it."""
        span = None
        start, end = self.sample.values.get("start"), self.sample.values.get("end")
        if (
            video.within == "label"
            and not self.sample.more
            and start is not None
            and end is not None
            and not _asks_for_time(self.label)
        ):
            span = (float(start) - video.margin, float(end) + video.margin)
        return video.sampling(span)

    def words(self) -> Words:
        """All its texts."""
        return self.source.words(self.sample.values, self.label, *self.numbers)

    def without_final_line(self, answer: str) -> str:
        """An answer without its final line, if one was asked for and is there."""
        line = self.source.final_line
        return answer if line is None else without_final_line(answer, lead_of(line))

    def template(self, kind: AnswerSource) -> str:
        """The place of its prompt template, such as "action.yaml questions[2]"."""
        question, hint = self.numbers
        place = {
            "direct": f"questions[{question}]",
            "rationalised": f"rationalise[{hint}] of questions[{question}]",
            "template": "template",
        }
        return f"{self.source.prompts.file} {place[kind]}"


def _asks_for_time(label: Label) -> bool:
    parts = label.fields.values() if isinstance(label, Fields) else [label]
    return any(isinstance(part, Interval | Timestamp) for part in parts)


@dataclass(frozen=True)
class Task:
    """An adapter with its prompts."""

    name: str
    adapter: LabelAdapter
    prompts: Prompts
    among: tuple[str, ...] = ()  # all actions of the data, for action labels without `among`
    asks_final_line: bool = True  # if the prompts have one
    grouped: bool = False  # whether answers are counted under the values of the column `group`
    _known: dict[str, Label] = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def load(
        cls,
        name: str,
        adapter: LabelAdapter,
        prompts: str | None = None,
        *,
        asks_final_line: bool = True,
        grouped: bool = False,
    ) -> Task:
        """The task of an adapter, with the prompt file called `prompts` or its own."""
        file = prompts or adapter.prompts
        loaded = load_prompts(file, None if prompts else adapter_folder(adapter))
        return cls(name, adapter, loaded, asks_final_line=asks_final_line, grouped=grouped)

    @property
    def final_line(self) -> str | None:
        """The final line that is asked for, as a template; None if none is."""
        return self.prompts.final_line if self.asks_final_line else None

    def label(self, row: Row) -> Mapping[str, Any]:
        """The row's label object."""
        return self._call(self.adapter.label, row)

    def terms(self, row: Row) -> list[str]:
        """The parts of the row's label that its words do not show, such as a tolerance: empty, or one JSON object."""
        label = self.label(row)
        words = ("kind", MAIN.get(str(label.get("kind"))))
        terms = {name: value for name, value in label.items() if name not in words}
        return [json.dumps(terms, sort_keys=True, default=repr)] if terms else []

    def parsed(self, row: Row) -> Label:
        """The row's label, from a cache of equal ones: a million rows may share a few."""
        label = self.label(row)
        key = json.dumps(label, sort_keys=True, default=repr)
        found = self._known.get(key)  # read once: another thread may clear the cache
        if found is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            found = parse_label({"among": self.among, **label} if label.get("kind") == "action" else label)
            self._known[key] = found
        return found

    def phrasing(self, sample: Sample, seed: int) -> int:
        """Which of `phrasings` the question about a sample has. It is drawn from the seed and the sample's id."""
        draw = random.Random(f"{seed}/{sample.id}")
        question, hint = (draw.choice(range(len(forms))) for forms in self._forms)
        return question * len(self._forms[1]) + hint

    @cached_property
    def phrasings(self) -> list[tuple[int, int]]:
        """Every phrasing of a question: the numbers of its question and its hint in the prompt file."""
        questions, hints = (range(len(forms)) for forms in self._forms)
        return list(itertools.product(questions, hints))

    def words(self, row: Row, label: Label, question: int, hint: int) -> Words:
        """The texts about a row in that phrasing. Raises UserError for a template that cannot be filled in."""
        options = {"options": label.listing()} if isinstance(label, Choice) else {}
        values = {**row, **options, **self._call(self.adapter.values, row)}
        text = self.prompts.render(self.prompts.questions[question], values)
        line = self.final_line
        request = "" if line is None else request_for(self.prompts.render(line, values))
        values["label"] = label.words()
        template_answer = self.prompts.render(self.prompts.template, values)
        if line is not None:
            template_answer += f"\n{lead_of(line)} {label.words()}"
        values["question"] = text
        return Words(text, self.prompts.render(self.prompts.rationalise[hint], values), template_answer, request)

    @property
    def _forms(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.prompts.questions, self.prompts.rationalise

    def _call(self, method: Callable[[Row], Mapping[str, Any]], row: Row) -> Mapping[str, Any]:
        """The result of an adapter's method. Any exception of a user's adapter becomes a UserError that names it."""
        try:
            result = method(dict(row))  # a copy, which the adapter may change
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001  (a user's own code)
            raise UserError(f"{type(error).__name__}: {error}") from None
        if not isinstance(result, Mapping):
            raise UserError(f"{method.__name__}() gave {type(result).__name__}, not a mapping")
        return result
