"""Files of cases: answers with their labels, line by line, for `videostar verify` and `judge-check`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videostar.labels import Label, parse_label
from videostar.labels.hints import strip_hint
from videostar.util.errors import UserError
from videostar.util.files import sync_folder

#: The verdict on a rationalised answer whose hint cannot be removed.
HINT = {"accepted": False, "score": 0.0, "reason": "hint", "parsed": None}


@dataclass(frozen=True)
class LabelledAnswer:
    """A case."""

    line: Mapping[str, Any]  # as it is in the file
    label: Label
    text: str | None  # the answer, of a rationalised one what would be stored; None: its hint cannot be removed

    @property
    def prompt(self) -> str | None:
        """The prompt that was answered, if it is known."""
        return self.line.get("prompt")

    @property
    def kind(self) -> str:
        """The kind of its label."""
        return str(self.line["label"]["kind"])


def read_cases(
    lines: Iterable[bytes], file: Path, problems: list[str], *, truth: bool = False
) -> Iterator[LabelledAnswer]:
    """The cases in the lines of `file`, one JSON object each; with `truth`, each must have `accept`.

    A message, with its line number, is added to `problems` for each line that is not a valid case.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _case(line, truth=truth)
        except UserError as error:
            problems.append(f"{file}:{number}: {error}")


def judge_file(cases: Path, out: Path) -> list[str]:
    """Judge every case of `cases` by its label's rules and write one verdict per line to `out`, in that order.

    `out` is written in whole or not at all. Returns a message, with its line number, for each line that is not a valid
    case; such a line gets no verdict. Raises UserError if a file cannot be read or written.
    """
    problems: list[str] = []
    if out.exists() and not out.is_file():
        raise UserError(f"{out} is not an ordinary file; name a file to write the verdicts to")
    partial = out.with_name(f".partial-{out.name}")
    try:
        with cases.open("rb") as source:
            out.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("w", encoding="utf-8", newline="\n") as target:
                for case in read_cases(source, cases, problems):
                    target.write(json.dumps(_verdict(case)) + "\n")
                target.flush()
                os.fsync(target.fileno())
        os.replace(partial, out)
        sync_folder(out.parent)
    except OSError as error:
        raise UserError(
            f"{error.filename or out}: {error.strerror}; name cases that can be read and a file that can be written"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return problems


def _verdict(case: LabelledAnswer) -> dict[str, Any]:
    """The verdict on a case, as JSON."""
    name = {"id": case.line["id"]}
    if case.text is None:
        return {**name, **HINT}
    stored = {"text": case.text} if case.line.get("rationalised") else {}
    return {**name, **case.label.judge(case.text, case.prompt).as_dict(), **stored}


def _case(line: bytes, *, truth: bool) -> LabelledAnswer:
    """The case in a line. Raises UserError if it is not a valid case."""
    try:
        case = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not JSON ({str(error)[:80]}); write one object a line") from None
    keys = ["id", "label", "answer", *["accept"] * truth]
    has = f"a case has {', '.join(f'`{key}`' for key in keys[:-1])} and `{keys[-1]}`"
    if not isinstance(case, dict):
        raise UserError(f"a {type(case).__name__}, not an object; {has}")
    missing = [key for key in keys if key not in case]
    if missing:
        raise UserError(f"no `{missing[0]}`; {has}")
    if not isinstance(case["answer"], str):
        raise UserError("`answer` is not text; put it in quotes")
    if case.get("prompt") is not None and not isinstance(case["prompt"], str):
        raise UserError("`prompt` is not text; put it in quotes or omit it")
    if not isinstance(case.get("rationalised"), bool | None):
        raise UserError("`rationalised` is neither true nor false; write one of them, without quotes, or omit it")
    if truth and not isinstance(case["accept"], bool):
        raise UserError("`accept` is neither true nor false; write one of them, without quotes")
    answer: str = case["answer"]
    return LabelledAnswer(case, parse_label(case["label"]), strip_hint(answer) if case.get("rationalised") else answer)
