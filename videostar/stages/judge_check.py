"""How far a judge can be trusted: its verdicts on answers whose truth is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from videostar.labels.cases import HINT, LabelledAnswer, read_cases
from videostar.stages.judge import Case, Judge
from videostar.stages.uncertainty import wilson
from videostar.util.errors import UserError
from videostar.util.progress import Tick

_AT_ONCE = 256  # cases that are judged together

#: The row of all kinds together.
ALL = "all kinds"


class Share(NamedTuple):
    """A share, and its Wilson interval of 95 %."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, part: int, whole: int) -> Share | None:
        """`part` of `whole`; None of nothing."""
        return cls(part / whole, *wilson(part / whole, whole)) if whole else None


@dataclass(frozen=True)
class Figures:
    """Verdicts beside the truth."""

    cases: int
    true: int  # answers that should be accepted
    accepted: int
    right: int  # accepted ones that should be

    @property
    def precision(self) -> Share | None:
        """The share of accepted answers that should be accepted."""
        return Share.of(self.right, self.accepted)

    @property
    def recall(self) -> Share | None:
        """The share of answers that should be accepted that are."""
        return Share.of(self.right, self.true)

    def as_dict(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        return {
            "cases": self.cases,
            "true": self.true,
            "accepted": self.accepted,
            "right": self.right,
            **_as_dict("precision", self.precision),
            **_as_dict("recall", self.recall),
        }


def _as_dict(name: str, share: Share | None) -> dict[str, Any]:
    return {name: share and share.value, f"{name}_ci95": share and [share.low, share.high]}


@dataclass(frozen=True)
class JudgeReport:
    """The result of a check."""

    model: str  # that judged; empty: none did
    figures: dict[str, Figures]  # by kind of label, and of all kinds together
    wrong: list[dict[str, Any]]  # cases with a wrong verdict, and the verdict
    skipped: int  # cases of kinds that the judge does not judge
    problems: list[str]  # of lines that are not valid cases


def measure(outcomes: Iterable[tuple[str, bool, bool]]) -> dict[str, Figures]:
    """The figures of verdicts: the kind of the label, whether the answer is accepted, and whether it should be."""
    by_kind: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for kind, accepted, accept in outcomes:
        by_kind[kind].append((accepted, accept))
        by_kind[ALL].append((accepted, accept))
    return {
        kind: Figures(
            len(pairs),
            sum(accept for _, accept in pairs),
            sum(accepted for accepted, _ in pairs),
            sum(accepted and accept for accepted, accept in pairs),
        )
        for kind, pairs in sorted(by_kind.items(), key=lambda item: (item[0] == ALL, item[0]))
    }


def check_judge(
    file: Path, judge: Judge, kinds: Collection[str] | None = None, tick: Tick | None = None
) -> JudgeReport:
    """Judge the cases in `file`, which have `accept`, the truth; of those `kinds` only, if they are given.

    Raises UserError if the file cannot be read, or if a model that judges cannot be asked.
    """
    problems: list[str] = []
    try:
        with file.open("rb") as lines:
            cases = list(read_cases(lines, file, problems, truth=True))
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; name a file of cases that can be read") from None
    chosen = [case for case in cases if kinds is None or case.kind in kinds]
    outcomes: list[tuple[str, bool, bool]] = []
    wrong: list[dict[str, Any]] = []
    for start in range(0, len(chosen), _AT_ONCE):
        chunk = chosen[start : start + _AT_ONCE]
        for case, verdict in zip(chunk, _verdicts(chunk, judge), strict=True):
            accept = bool(case.line["accept"])
            outcomes.append((case.kind, verdict["accepted"], accept))
            if verdict["accepted"] is not accept:
                wrong.append({**case.line, "verdict": verdict})
        if tick is not None:
            tick(start + len(chunk), len(chosen))
    model = judge.model.name if judge.model else ""
    return JudgeReport(model, measure(outcomes), wrong, len(cases) - len(chosen), problems)


def _verdicts(cases: Sequence[LabelledAnswer], judge: Judge) -> list[dict[str, Any]]:
    """The verdicts as JSON. An answer whose hint cannot be removed is rejected before any judge."""
    judged = iter(
        judge.judge([Case(case.label, case.text, case.prompt, case.prompt) for case in cases if case.text is not None])
    )
    return [next(judged).verdict.as_dict() if case.text is not None else HINT for case in cases]
