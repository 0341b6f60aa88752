"""Counts over the ledgers of a run, which are read once: the table of labels, and which labels are confused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from videostar.report.charts import sparkline
from videostar.stages.ledger import Answer

_CONFUSED = 24  # labels in the table of confusions, at most
_OTHER = "no label of the set"
_LONG = 300  # characters of an answer's end, in which another label is searched


@dataclass
class LabelRow:
    """A label in the table of labels: shares by round."""

    label: str
    asked: Counter[int] = field(default_factory=Counter)  # training questions by round
    kept: Counter[int] = field(default_factory=Counter)  # of them, those with a kept answer
    direct: Counter[int] = field(default_factory=Counter)
    accuracy: dict[int, float] = field(default_factory=dict)
    held_out: int = 0

    def kept_share(self, number: int) -> float | None:
        """The share of its questions with a kept answer in a round."""
        return self.kept[number] / self.asked[number] if self.asked[number] else None


class Tally:
    """Counts over the ledgers of a run, which are read once."""

    def __init__(self) -> None:
        self.labels: dict[str, LabelRow] = {}
        self.skipped: Counter[str] = Counter()  # reasons of videos that could not be shown
        self.wrong: dict[int, list[tuple[str, Any, str]]] = {}  # by round: label, parsed value, end of the answer
        self.right: dict[int, Counter[str]] = {}
        self.lines: Counter[tuple[int, int]] = Counter()  # by round and split
        self.tokens: Counter[tuple[int, str]] = Counter()  # of answers, by round and stage
        self._kept: set[int] = set()
        self._asked: set[int] = set()

    def add(self, number: int, split: int, answer: Answer) -> None:
        """Count a line of the ledger of a split (0: train)."""
        self.lines[number, split] += 1
        self.tokens[number, "evaluate" if split else "generate"] += answer.tokens or 0
        if answer.kind == "video":
            self.skipped[answer.reason] += 1
            return
        if split == 0:
            row = self.labels.setdefault(answer.group, LabelRow(answer.group))
            key = hash((number, answer.question_id))
            if key not in self._asked:
                self._asked.add(key)
                row.asked[number] += 1
            if answer.kept and key not in self._kept:
                self._kept.add(key)
                row.kept[number] += 1
                row.direct[number] += answer.kind == "direct"
        elif split == 2 and answer.group == answer.label:
            if answer.accepted:
                self.right.setdefault(number, Counter())[answer.label] += 1
            else:
                self.wrong.setdefault(number, []).append((answer.label, answer.parsed, answer.answer[-_LONG:]))


@dataclass(frozen=True)
class Confusion:
    """How often the held-out videos of a label (rows) were given another one (columns)."""

    round: int
    rows: Sequence[tuple[str, Sequence[tuple[int, int]]]]  # label; for each column its count and its shade, 0 to 9
    columns: Sequence[str]
    more: int  # labels that are not in the table


def label_rows(rounds: Sequence[Mapping[str, Any]], tally: Tally) -> list[dict[str, Any]]:
    """The rows of the table of labels, the worst first: by the last accuracy, then by the last yield."""
    rows = dict(tally.labels)
    for each in rounds:
        for label, figures in each["evaluate"].get("per_label", {}).items():
            row = rows.setdefault(label, LabelRow(label))
            row.accuracy[each["number"]] = figures["accuracy"]
            row.held_out = figures["n"]
    numbers = [each["number"] for each in rounds]
    answered = [number for number in numbers if any(row.asked[number] for row in rows.values())]
    last = answered[-1] if answered else 0
    table = [
        {
            "label": row.label,
            "asked": row.asked[last],
            "kept": row.kept[last],
            "direct": row.direct[last],
            "yield": row.kept_share(last),
            "accuracy": row.accuracy.get(max(row.accuracy)) if row.accuracy else None,
            "n": row.held_out,
            "line": sparkline([row.accuracy.get(number) for number in numbers]) if len(row.accuracy) > 1 else "",
        }
        for row in rows.values()
    ]
    return sorted(
        table,
        key=lambda row: (
            2.0 if row["accuracy"] is None else row["accuracy"],
            2.0 if row["yield"] is None else row["yield"],
            str(row["label"]),
        ),
    )


def confusion(tally: Tally) -> Confusion | None:
    """Of the last round with answers. Wrong answers count under the label that the verdict or the answer names."""
    number = max([*tally.right, *tally.wrong], default=None)
    if number is None:
        return None
    right, wrong = tally.right.get(number, Counter()), tally.wrong.get(number, [])
    names = sorted({*right, *(label for label, _, _ in wrong)})
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in longest_first), re.IGNORECASE)
    folded = {name.casefold(): name for name in names}
    table: Counter[tuple[str, str]] = Counter({(label, label): count for label, count in right.items()})
    for label, parsed, text in wrong:
        named = [folded.get(match[0].casefold(), _OTHER) for match in pattern.finditer(text)] if names else []
        found = parsed if isinstance(parsed, str) and parsed in names else named[-1] if named else _OTHER
        table[label, found if found != label else _OTHER] += 1
    total = Counter[str]()
    for (label, _), count in table.items():
        total[label] += count
    missed = {label: 1 - table[label, label] / total[label] for label in total}
    shown = sorted(sorted(missed, key=lambda label: -missed[label])[:_CONFUSED])
    columns = [*shown, *([_OTHER] if any(table[label, _OTHER] for label in shown) else [])]
    rows = [
        (label, [(table[label, column], min(9, round(9 * table[label, column] / total[label]))) for column in columns])
        for label in shown
    ]
    return Confusion(number, rows, columns, len(missed) - len(shown))
