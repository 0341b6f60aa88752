"""What changed between two dataset versions, question by question, and why.

Texts are read in batches. In memory are only the questions' ids and a 48-bit hash of their answers, so one change in
2**48 is missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from videostar.runs.manifest import open_run
from videostar.runs.stage_names import RoundFiles
from videostar.stages.versions import Version, read_version, version_files
from videostar.util.errors import UserError

Change = Literal["gained", "lost", "changed", "unchanged"]
CHANGES: tuple[Change, ...] = ("gained", "lost", "changed", "unchanged")
_EXAMPLES = 3  # of each change but `unchanged`
_MARK = 2**48 - 1
_QUESTIONS = pa.schema([("id", pa.string()), ("label", pa.string()), ("mark", pa.int64())])
_KEPT = ["question_id", "task", "label", "kind", "messages"]
_REJECTED = ["question_id", "kind", "answer", "reason"]


@dataclass(frozen=True)
class Side:
    """One of the two versions."""

    name: str  # as the user wrote it
    version: str  # its id
    rows: int
    data: str | None  # digest of its data


@dataclass(frozen=True)
class Response:
    """An answer with its verdict: `kept`, or the reason why it was rejected."""

    kind: str
    verdict: str
    text: str


@dataclass(frozen=True)
class Example:
    """A question, and in each version the kept answers to it, or else the rejected ones."""

    question_id: str
    video: str
    label: str
    question: str
    before: list[Response]
    after: list[Response]


@dataclass(frozen=True)
class Diff:
    """The change from one version to another, counted in questions with a kept answer, not in rows.

    A reason is that of the last rejected answer: in the old version for gained questions, in the new one for lost ones.
    """

    before: Side
    after: Side
    same_data: bool
    counts: dict[Change, int]
    by_label: dict[str, dict[Change, int]]  # by action, or by task for other labels; most changed first
    reasons: dict[Change, dict[str, int]]
    examples: dict[Change, list[Example]]


def diff(before: str, after: str) -> Diff:
    """Compare two versions, each given by its folder or as RUN:ROUND. Raises UserError if one cannot be read."""
    old, new = _Opened(before), _Opened(after)
    try:
        changes = _changes(old.questions(), new.questions())
        chosen = {change: _first_ids(_ids(changes, change)) for change in CHANGES[:3]}
        keys = [key for ids in chosen.values() for key in ids]
        was, is_ = old.examples(keys), new.examples(keys)
        return Diff(
            before=old.side,
            after=new.side,
            same_data=old.side.data == new.side.data,
            counts=_counts(changes),
            by_label=_by_label(changes),
            reasons={
                "gained": old.reasons(_ids(changes, "gained")),
                "lost": new.reasons(_ids(changes, "lost")),
            },
            examples={change: [_example(key, was, is_) for key in ids] for change, ids in chosen.items()},
        )
    except (pa.ArrowException, LookupError, TypeError, ValueError) as error:
        raise UserError(f"{before} or {after}: not written by videostar: {error}") from None


def find_version(name: str) -> Path:
    """The folder of the version called `name`: that folder, or RUN:ROUND. Raises UserError, with those that exist."""
    if (Path(name) / "version.json").is_file():
        return Path(name)
    run, colon, number = name.rpartition(":")
    if colon and number.isascii() and number.isdecimal():
        folder, manifest = open_run(Path(run))
        rounds = [n for n in range(1, manifest.settings.rounds + 1) if RoundFiles(folder, n).dataset.is_dir()]
        if int(number) not in rounds:
            there = ", ".join(map(str, rounds)) or "none yet"
            raise UserError(f"{name}: no dataset version of that round; there are: {there}")
        return RoundFiles(folder, int(number)).dataset
    folder, manifest = open_run(Path(name))
    raise UserError(f"{name}: is a run; add one of its rounds, such as {folder}:{manifest.settings.rounds}")


class _Opened:
    """A version with intact files."""

    def __init__(self, name: str) -> None:
        self.folder = find_version(name)
        self.version: Version = read_version(self.folder)
        self.side = Side(name, self.version.version, self.version.rows, self.version.lineage.data)
        self._kept, self._rejected = version_files(self.folder), version_files(self.folder, "rejected")

    def questions(self) -> pa.Table:
        """Per question with a kept answer: its `id`, its `label` and a `mark`, the order-free hash of its answers."""
        rows = pa.Table.from_batches(self._rows(), _QUESTIONS)
        found = rows.group_by("id", use_threads=False).aggregate([("label", "first"), ("mark", "sum")])
        return found.rename_columns(_QUESTIONS.names)

    def _rows(self) -> Iterator[pa.RecordBatch]:
        groups = pa.array(self.version.by_label, pa.string())
        for file in self._kept:
            for batch in pq.ParquetFile(file).iter_batches(8192, columns=_KEPT):
                content = pc.list_element(pc.struct_field(pc.list_element(batch["messages"], 1), "content"), 0)
                texts = pc.struct_field(content, "text").to_pylist()
                marks = [hash(pair) & _MARK for pair in zip(batch["kind"].to_pylist(), texts, strict=True)]
                label = pc.if_else(pc.is_in(batch["label"], groups), batch["label"], batch["task"])
                yield pa.record_batch([batch["question_id"], label, pa.array(marks, pa.int64())], schema=_QUESTIONS)

    def reasons(self, ids: pa.Table) -> dict[str, int]:
        """The number of questions by the reason why their last answer was rejected."""
        rows = pq.read_table(self._rejected, columns=["question_id", "kind", "reason"])
        reasons = pc.binary_join_element_wise(rows["kind"], rows["reason"], ": ")
        last = pa.table({"id": rows["question_id"], "reason": reasons}).group_by("id", use_threads=False)
        found = ids.join(last.aggregate([("reason", "last")]), "id")["reason_last"].fill_null("not asked")
        counts = {count["values"]: count["counts"] for count in found.value_counts().to_pylist()}
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def examples(self, ids: Sequence[str]) -> dict[str, tuple[dict[str, str], list[Response]]]:
        """By question: its video, label and text if it has a kept answer, and its answers."""
        wanted = pc.field("question_id").isin(pa.array(ids, pa.string()))
        rejected: dict[str, list[Response]] = {}
        for row in pq.read_table(self._rejected, columns=_REJECTED, filters=wanted).to_pylist():
            rejected.setdefault(row["question_id"], []).append(Response(row["kind"], row["reason"], row["answer"]))
        found: dict[str, tuple[dict[str, str], list[Response]]] = {
            key: ({}, answers) for key, answers in rejected.items()
        }
        kept: dict[str, list[Response]] = {}
        for row in pq.read_table(self._kept, filters=wanted).to_pylist():
            user, reply = (message["content"] for message in row["messages"])
            about = {"video": ", ".join(row["videos"]), "label": row["label"], "question": user[-1]["text"]}
            kept.setdefault(row["question_id"], []).append(Response(row["kind"], "kept", reply[0]["text"]))
            found[row["question_id"]] = about, kept[row["question_id"]]
        return found


def _changes(before: pa.Table, after: pa.Table) -> pa.Table:
    """One row per question with a kept answer in either version: `id`, `label`, `change`."""
    both = before.join(after, "id", join_type="full outer", right_suffix="_after")
    old, new = both["mark"], both["mark_after"]
    gained, lost = pc.is_null(old), pc.is_null(new)
    changed = pc.fill_null(pc.not_equal(old, new), False)
    change = pc.case_when(pc.make_struct(gained, lost, changed), *CHANGES)
    return pa.table({"id": both["id"], "label": pc.coalesce(both["label"], both["label_after"]), "change": change})


def _ids(changes: pa.Table, change: Change) -> pa.Table:
    return changes.filter(pc.equal(changes["change"], change)).select(["id"])


def _first_ids(ids: pa.Table) -> list[str]:
    """The first few by id. Ids are hashes, so this is a random choice."""
    found: list[str] = ids.take(pc.select_k_unstable(ids, _EXAMPLES, [("id", "ascending")]))["id"].to_pylist()
    return found


def _counts(changes: pa.Table) -> dict[Change, int]:
    counts = {item["values"]: item["counts"] for item in changes["change"].value_counts().to_pylist()}
    return {change: counts.get(change, 0) for change in CHANGES}


def _by_label(changes: pa.Table) -> dict[str, dict[Change, int]]:
    found: dict[str, dict[Change, int]] = {}
    for row in changes.group_by(["label", "change"]).aggregate([([], "count_all")]).to_pylist():
        found.setdefault(row["label"], dict.fromkeys(CHANGES, 0))[row["change"]] = row["count_all"]
    return dict(sorted(found.items(), key=lambda item: (item[1]["unchanged"] - sum(item[1].values()), item[0])))


def _example(key: str, before: dict[str, Any], after: dict[str, Any]) -> Example:
    (old, was), (new, is_) = before.get(key, ({}, [])), after.get(key, ({}, []))
    return Example(question_id=key, **(new or old), before=was, after=is_)
