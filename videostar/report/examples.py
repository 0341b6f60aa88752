"""The gallery: every question with its answers, round by round, in files that the page loads when they are needed.

The page has an index of all questions and answers in columns (numbers only), which it filters; texts are in shards. A
shard is a script that calls `shard` with JSON, because a page that is opened from disk may load scripts but not data.
All text is ASCII with escapes, so that no character of an answer can end the script or change its meaning.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from videostar.report import marks
from videostar.runs.stage_names import RoundFiles
from videostar.stages.ledger import Answer, Shown, ledger_files, read_answers

SPLITS = ("train", "validation", "test")
KINDS = ("direct", "rationalised", "template", "video")
VERDICTS = ("kept", "right, not kept", "right", "wrong", "skipped")
_ANSWERS, _IN_ONE_FILE = 200_000, 20_000  # in a gallery: beyond it, a share of the questions is shown
_SHARD = 400_000  # characters of a shard, about
_LABELS = 1000  # different labels that can be chosen; beyond it only their groups


@dataclass(slots=True)
class Row:
    """An answer in the gallery."""

    run: int
    round: int
    kind: int
    number: int
    verdict: int
    reason: str
    parts: list[str]  # of the answer: every second one is where its label was found
    stored: str  # as stored for training, if that differs
    confidence: float | None
    right_under: list[str]  # the controls under which the model's answer is right as well
    evidence: float | None


@dataclass(slots=True)
class Item:
    """A question in the gallery."""

    question_id: str
    split: int
    label: str
    group: str
    question: str
    videos: tuple[Shown, ...]
    span: tuple[float, ...]
    rows: list[Row] = field(default_factory=list)
    media: list[dict[str, Any]] = field(default_factory=list)


class Gallery:
    """The questions of all runs, in the order of their ledgers."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.answers = 0  # that were read
        self.share = 1.0  # of the questions that are shown

    def add(self, run: int, number: int, split: int, answer: Answer) -> None:
        """Add an answer, unless its question is not among those shown."""
        self.answers += 1
        item = self.items.get(answer.question_id)
        if item is None:
            if self.share < 1 and _place(answer.question_id) >= self.share:
                return
            item = Item(
                answer.question_id,
                split,
                answer.label,
                answer.group,
                answer.question,
                answer.videos,
                answer.span,
            )
            self.items[answer.question_id] = item
        if any(shown.frame_times for shown in answer.videos) and not any(v.frame_times for v in item.videos):
            item.videos, item.span = answer.videos, answer.span
        item.rows.append(
            Row(
                run,
                number,
                KINDS.index(answer.kind),
                answer.number,
                VERDICTS.index(_verdict(answer, split)),
                answer.reason,
                marks.parts(answer),
                answer.text if answer.kept and answer.text != answer.answer else "",
                answer.confidence,
                [name for name, right in answer.controls.items() if right],
                answer.evidence,
            )
        )

    def sort(self) -> None:
        """Training questions first."""
        self.items = dict(sorted(self.items.items(), key=lambda pair: pair[1].split))

    def index(self) -> dict[str, Any]:
        """What the page filters by: names, and columns of numbers. `starts` has the first row of each question."""
        labels = dict.fromkeys(item.label for item in self.items.values())
        by_label = len(labels) <= _LABELS
        names = sorted(labels) if by_label else sorted({item.group for item in self.items.values()})
        place = {name: number for number, name in enumerate(names)}
        reasons: dict[str, int] = {}
        columns: dict[str, list[int]] = {name: [] for name in ("run", "round", "kind", "verdict", "reason")}
        starts = [0]
        for item in self.items.values():
            for row in item.rows:
                for name in ("run", "round", "kind", "verdict"):
                    columns[name].append(getattr(row, name))
                columns["reason"].append(reasons.setdefault(row.reason, len(reasons)))
            starts.append(starts[-1] + len(item.rows))
        evidence = [row.evidence for item in self.items.values() for row in item.rows]
        return {
            "ids": list(self.items),
            "labels": names,
            "label": [place[item.label if by_label else item.group] for item in self.items.values()],
            "split": [item.split for item in self.items.values()],
            "media": [int(bool(item.media)) for item in self.items.values()],
            "starts": starts,
            "reasons": list(reasons),
            "splits": SPLITS,
            "kinds": KINDS,
            "verdicts": VERDICTS,
            "evidence": evidence if any(score is not None for score in evidence) else [],
            **columns,
        }

    def size(self) -> int:
        """The characters of all shards."""
        return sum(len(text) for _, text in self.shards())

    def shards(self) -> Iterator[tuple[int, str]]:
        """The number of the first question of each shard, and its JSON."""
        first, size = 0, 0
        lines: list[str] = []
        for number, item in enumerate(self.items.values()):
            line = json.dumps(_as_list(item), separators=(",", ":"))
            if lines and size + len(line) > _SHARD:
                yield first, _safe(lines)
                first, size, lines = number, 0, []
            lines.append(line)
            size += len(line)
        if lines:
            yield first, _safe(lines)


def read_ledgers(folder: Path, last: int) -> Iterator[tuple[int, int, Path]]:
    """The round, split and path of each ledger of a run, in order."""
    for number in range(last + 1):
        files = RoundFiles(folder, number)
        test = files.evaluation.with_suffix(".jsonl")
        paths = (files.answers, files.evaluation.with_name("validation.jsonl"), test)
        yield from ((number, split, path) for split, path in enumerate(paths) if path.exists())


def answers_of(ledgers: Iterable[tuple[int, int, Path]]) -> Iterator[tuple[int, int, Answer]]:
    """The round, split and answer of every line."""
    for number, split, path in ledgers:
        for answer in read_answers(path):
            yield number, split, answer


def count_lines(ledgers: Iterable[Path]) -> int:
    """The lines of ledgers."""
    total = 0
    for path in (file for ledger in ledgers for file in ledger_files(ledger)):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total += block.count(b"\n")
    return total


def shown_share(lines: int, *, single_file: bool) -> float:
    """The share of the questions that is shown if there are so many answers."""
    return min(1.0, (_IN_ONE_FILE if single_file else _ANSWERS) / max(1, lines))


def selected(items: Iterable[Item], count: int) -> list[Item]:
    """At most `count` questions, spread evenly over labels and verdicts: those with pictures."""
    groups: dict[tuple[str, int], list[Item]] = {}
    for item in items:
        if item.rows[-1].kind != KINDS.index("video"):
            groups.setdefault((item.label, item.rows[-1].verdict), []).append(item)
    for group in groups.values():
        group.sort(key=lambda item: _place(item.question_id))
    chosen: list[Item] = []
    depth = 0
    while len(chosen) < count and any(len(group) > depth for group in groups.values()):
        chosen += [group[depth] for group in groups.values() if len(group) > depth]
        depth += 1
    return chosen[:count]


def _verdict(answer: Answer, split: int) -> str:
    if answer.kind == "video":
        return "skipped"
    if split == SPLITS.index("train"):
        return "kept" if answer.kept else "right, not kept" if answer.accepted else "wrong"
    return "right" if answer.accepted else "wrong"


def _place(question_id: str) -> float:
    """A number from 0 to 1 that depends on the id alone, so that runs with the same questions show the same ones."""
    return zlib.crc32(question_id.encode("utf-8", "surrogatepass")) / 2**32


def _as_list(item: Item) -> list[Any]:
    rows: list[Sequence[Any]] = [
        (row.number, row.parts, row.stored, row.confidence, row.right_under) for row in item.rows
    ]
    return [item.label, item.question, [shown.video for shown in item.videos], item.media, rows]


def _safe(lines: Sequence[str]) -> str:
    """JSON that may stand in a script element, too."""
    return "[" + ",\n".join(lines).replace("<", "\\u003c") + "]"
