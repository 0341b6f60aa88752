"""Does the answer contain the label? Agreement with judged cases, and speed: `python benchmarks/verification.py`.

A table for each set of cases has precision and recall by kind of label, with Wilson intervals of 95 %, as `videostar
judge-check` prints them.

For actions the comparison is with the rule in the authors' release (github.com/orrzohar/Video-STaR,
videostar/verifier.py): every word of the label that has more than two letters and is no stop word must resemble some
word of the answer (ratio above 85). It is reimplemented here with rapidfuzz, and with a regular expression in place of
spaCy's tokens, which makes it faster.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rapidfuzz import fuzz
from rich.console import Console
from rich.table import Table

from videostar.cli.tables import judge_table
from videostar.labels import KINDS, parse_label
from videostar.stages.judge import Judge
from videostar.stages.judge_check import ALL, check_judge, measure

DATA = Path(__file__).parent.parent / "tests" / "data"
_STOP = frozenset("the and for with from into onto over under out off his her its their that this are was".split())
_SENTENCE = (
    "The camera shows a wide room with two people near the table while music plays and light falls on the floor. "
)
_ANSWER = _SENTENCE * 2 + "A man in a red shirt is juggling balls in front of the crowd and smiles at them now. "
_HOSTILE = {
    "one word": "juggle ",
    "one letter": "a",
    "one sentence": "So the action is not juggling, or is it 7 of 12? ",
    "dashes": "- ",
    "digits": "7",
    "brackets": "[1, 2] ",
}
_EXAMPLES: dict[str, dict[str, Any]] = {
    "action": {"name": "juggling balls"},
    "labels": {"names": ["juggling balls", "smiling"]},
    "score": {"value": 61.2},
    "count": {"value": 4, "of": "throws"},
    "timestamp": {"seconds": 64.0},
    "interval": {"start": 3.0, "end": 7.5},
    "sequence": {"steps": ["juggling balls", "smiling"]},
    "choice": {"options": {"A": "The door.", "B": "The box."}, "answer": "B"},
    "boolean": {"value": True, "statement": "the man juggles balls"},
    "box": {"xyxy": [0.1, 0.2, 0.5, 0.6]},
    "text": {"reference": "A man juggles balls in front of a crowd."},
    "fields": {"fields": {"action": {"kind": "action", "name": "juggling balls"}}},
}


def authors_rule(name: str, answer: str) -> bool:
    """Whether the authors' rule accepts an answer."""
    words = _words(answer)
    return all(max((fuzz.ratio(word, other) for other in words), default=0.0) > 85 for word in _words(name))


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z']+", text.lower()) if len(word) > 2 and word not in _STOP}


def agreement(file: Path) -> Table:
    """Precision and recall of each kind, and of the authors' rule on actions."""
    report = check_judge(file, Judge())
    if report.problems:
        raise SystemExit("\n".join(report.problems))
    cases = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    actions = [case for case in cases if case["label"]["kind"] == "action"]
    theirs = measure(("action, authors' rule", _authors_accept(case), case["accept"]) for case in actions)
    return judge_table(file.name, {**{kind: theirs[kind] for kind in theirs if kind != ALL}, **report.figures})


def _authors_accept(case: dict[str, Any]) -> bool:
    names = (case["label"]["name"], *case["label"].get("aliases", ()))
    return any(authors_rule(name, case["answer"]) for name in names)


def rate(judge: Callable[[str], Any], answers: Iterable[str], seconds: float = 1.0) -> float:
    """Judgements per second on one core."""
    answers = list(answers)
    judge(answers[0])
    count, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        for answer in answers:
            judge(answer)
        count += len(answers)
    return count / (time.process_time() - started)


def cost(label_set: Path | None) -> Table:
    """Judgements per second on answers of 60 words, and their ratio to those of the authors' rule."""
    answers = [f"{_ANSWER} Clip {number}." for number in range(200)]
    table = Table(title=f"judgements a second, answers of {len(_ANSWER.split())} words, one core")
    for column in ("label", "a second", "times the authors' rule"):
        table.add_column(column, justify="left" if column == "label" else "right")
    peer = rate(lambda answer: authors_rule("juggling balls", answer), answers)
    table.add_row("authors' rule, action", f"{peer:,.0f}", "1.00")
    labels = {kind: {"kind": kind, **_EXAMPLES[kind]} for kind in KINDS}
    if label_set:
        names = label_set.read_text(encoding="utf-8").splitlines()
        labels[f"action among {len(names)}"] = {**labels["action"], "among": [*names, "juggling balls"]}
    for name, data in labels.items():
        own = rate(parse_label(data).judge, answers)
        table.add_row(name, f"{own:,.0f}", f"{own / peer:.2f}")
    return table


def hostile() -> Table:
    """Seconds to judge a megabyte of repeated text."""
    table = Table(title="seconds to judge 1 MB of repeated text")
    table.add_column("kind")
    for name in _HOSTILE:
        table.add_column(name, justify="right")
    for kind in KINDS:
        label = parse_label({"kind": kind, **_EXAMPLES[kind]})
        row = []
        for unit in _HOSTILE.values():
            text = unit * (1_000_000 // len(unit))
            started = time.process_time()
            label.judge(text)
            row.append(f"{time.process_time() - started:.2f}")
        table.add_row(kind, *row)
    return table


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, nargs="*", default=sorted(DATA.glob("verification_*.jsonl")))
    parser.add_argument("--tables-only", action="store_true", help="measure no speed")
    parser.add_argument("--labels", type=Path, help="a label set to judge actions among, one name per line")
    args = parser.parse_args()
    console = Console(width=120)
    for file in args.cases:
        console.print(agreement(file))
    if args.tables_only:
        return
    console.print(cost(args.labels))
    console.print(hostile())


if __name__ == "__main__":
    main()
