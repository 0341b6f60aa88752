"""Does an adapter keep its promises? `videostar adapter check my_adapter.py:DiveScore`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from videostar.adapters.adapter import NoQuestion, Row
from videostar.adapters.find import load_adapter
from videostar.adapters.questions import Question, Task
from videostar.data.formats import read_rows
from videostar.data.manifest import load_manifest
from videostar.data.rows import Row as AnnotatedRow
from videostar.data.samples import Sample
from videostar.util.errors import UserError


@dataclass(frozen=True)
class Finding:
    """One promise, on how many rows it was tried, and where it is broken."""

    promise: str
    tried: int
    broken: list[str]  # row: why


_PROMISES: dict[str, Callable[[Question], bool]] = {
    # Read as a statement: a question says nothing, and gives it away all the same.
    "the question does not give its label away": lambda q: not q.label.judge(q.text.replace("?", ".")).accepted,
    "the hinted question says the label": lambda q: q.label.words() in q.hinted,
    "the template's answer contains the label": lambda q: q.label.judge(q.template_answer).accepted,
}


def check_adapter(name: str, data: str | None, root: Path | None, limit: int) -> list[Finding]:
    """Tries an adapter on the first `limit` rows of `data` (no video is opened), or on its own `example`.

    Raises UserError when the adapter or the data cannot be loaded, or there is no row to try it on.
    """
    named = load_manifest(data, root)[0].columns if data else {}
    task = Task.load(name, load_adapter(name, named=[column for column, of in named.items() if of is not None]))
    rows = list(islice(_rows(data, root), limit)) if data else _example(task)
    made: list[Question] = []
    broken: list[str] = []
    about_others = 0
    for sample in rows:
        try:
            asked = task.phrasings(sample)
            said, again = ([(q.words(), q.label) for q in asked] for _ in range(2))
        except NoQuestion:
            about_others += 1
        except UserError as error:
            broken.append(f"{sample.row}: {error}")
        else:
            made += asked
            if said != again:
                broken.append(f"{sample.row}: another question the second time; draw nothing at random")
    if not made and not broken:
        raise UserError(f"adapter {name}: none of the {about_others} rows is one that it asks about")
    found = [Finding("every row has a label and a question", len(rows) - about_others, broken)]
    for promise, holds in _PROMISES.items():
        wrong = {q.sample.row: f"{q.sample.row}: {q.label.words()!r}: {q.text!r}" for q in made if not holds(q)}
        found.append(Finding(promise, len(made), list(wrong.values())))
    return found


def _example(task: Task) -> list[Sample]:
    example = task.adapter.example
    if example is None:
        raise UserError(
            f"adapter {task.name}: nothing to try it on; add a row as `example = {{...}}`, or give --data DATA"
        )
    return [_sample("example", "example.mp4", example)]


def _rows(data: str, root: Path | None) -> Iterator[Sample]:
    manifest, folder, where = load_manifest(data, root)
    base = (folder / Path(manifest.root).expanduser()).absolute()
    for row in read_rows(manifest, base, where):
        if isinstance(row, AnnotatedRow):
            yield _sample(row.where, row.video[0], row.values)


def _sample(where: str, video: str, values: Row) -> Sample:
    identity = hashlib.sha256(where.encode()).hexdigest()[:16]
    return Sample(identity, video, str(values.get("label", "")), "train", "", 0.0, dict(values), where)
