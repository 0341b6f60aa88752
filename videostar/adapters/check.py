"""`videostar adapter check`: does an adapter keep its promises on real rows?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from videostar.adapters.adapter import NoQuestion, Row
from videostar.adapters.find import load_adapter
from videostar.adapters.questions import with_data
from videostar.adapters.task import Question, Task
from videostar.data.rows import Row as DataRow
from videostar.data.samples import Sample
from videostar.data.source import DataSource
from videostar.util.errors import UserError


@dataclass(frozen=True)
class Finding:
    """One promise, the number of rows that it was tried on, and the rows that break it."""

    promise: str
    tried: int
    broken: list[str]  # row: why


_PROMISES: dict[str, Callable[[Question], bool]] = {
    # Judged as a statement, since a question states nothing but can still give its label away.
    "the question does not give its label away": lambda q: (
        not any(q.label.judge(text.replace("?", ".")).accepted for text in (q.text, q.words().request))
    ),
    "the hinted question says the label": lambda q: q.label.words() in q.hinted,
    "the template's answer contains the label": lambda q: q.label.judge(q.template_answer).accepted,
}


def check_adapter(name: str, source: DataSource | None, limit: int) -> list[Finding]:
    """Try an adapter on the first `limit` rows of `source`, without opening a video, or on its own `example`.

    Raises UserError if the adapter or the rows cannot be loaded, or if the adapter has no question about any row.
    """
    columns = source.manifest.columns if source else {}
    named = [column for column, name_in_file in columns.items() if name_in_file is not None]
    task = Task.load(name, load_adapter(name, named=named))
    samples = list(islice(_samples(source), limit)) if source else _example(task)
    task = with_data(task, samples)
    questions: list[Question] = []
    broken: list[str] = []
    not_asked = 0
    for sample in samples:
        try:
            phrasings = [Question(sample, task, numbers) for numbers in task.phrasings]
            first, second = ([(q.words(), q.label) for q in phrasings] for _ in range(2))
        except NoQuestion:
            not_asked += 1
        except UserError as error:
            broken.append(f"{sample.row}: {error}")
        else:
            questions += phrasings
            if first != second:
                broken.append(f"{sample.row}: another question the second time; draw nothing at random")
    if not questions and not broken:
        raise UserError(f"adapter {name}: it has no question about any of the {not_asked} rows")
    findings = [Finding("every row has a label and a question", len(samples) - not_asked, broken)]
    for promise, holds in _PROMISES.items():
        wrong = {q.sample.row: f"{q.sample.row}: {q.label.words()!r}: {q.text!r}" for q in questions if not holds(q)}
        findings.append(Finding(promise, len(questions), list(wrong.values())))
    return findings


def _example(task: Task) -> list[Sample]:
    example = task.adapter.example
    if example is None:
        raise UserError(
            f"adapter {task.name}: nothing to try it on; add a row as `example = {{...}}`, or give --data DATA"
        )
    return [_sample("example", "example.mp4", example)]


def _samples(source: DataSource) -> Iterator[Sample]:
    for row in source.rows():
        if isinstance(row, DataRow):
            yield _sample(row.where, row.video[0], row.values)


def _sample(where: str, video: str, values: Row) -> Sample:
    identity = hashlib.sha256(where.encode()).hexdigest()[:16]
    return Sample(identity, video, str(values.get("label", "")), "train", "", 0.0, dict(values), where)
