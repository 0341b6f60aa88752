"""Judges a file of cases line by line, for `videostar verify`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from videostar.labels import parse_label
from videostar.labels.hints import strip_hint
from videostar.util.errors import UserError
from videostar.util.files import sync_folder


def judge_file(cases: Path, out: Path) -> list[str]:
    """Judge every case of `cases`, one JSON object per line, and write one verdict per line to `out`, in that order.

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
                for verdict in _verdicts(source, cases, problems):
                    target.write(json.dumps(verdict) + "\n")
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


def _verdicts(lines: Iterable[bytes], cases: Path, problems: list[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _verdict(_case(line))
        except UserError as error:
            problems.append(f"{cases}:{number}: {error}")


def _verdict(case: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict on a case, as JSON. A rationalised answer is judged without its hint, as it would be stored."""
    label, prompt = parse_label(case["label"]), case.get("prompt")
    if not case.get("rationalised"):
        return {"id": case["id"], **label.judge(case["answer"], prompt).as_dict()}
    text = strip_hint(case["answer"])
    if text is None:
        return {"id": case["id"], "accepted": False, "score": 0.0, "reason": "hint", "parsed": None}
    return {"id": case["id"], **label.judge(text, prompt).as_dict(), "text": text}


def _case(line: bytes) -> Mapping[str, Any]:
    """The case in a line. Raises UserError if it is not a valid case."""
    try:
        case = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not JSON ({str(error)[:80]}); write one object a line") from None
    if not isinstance(case, dict):
        raise UserError(f"a {type(case).__name__}, not an object; a case has `id`, `label` and `answer`")
    missing = [key for key in ("id", "label", "answer") if key not in case]
    if missing:
        raise UserError(f"no `{missing[0]}`; a case has `id`, `label` and `answer`")
    if not isinstance(case["answer"], str):
        raise UserError("`answer` is not text; put it in quotes")
    if case.get("prompt") is not None and not isinstance(case["prompt"], str):
        raise UserError("`prompt` is not text; put it in quotes or omit it")
    if not isinstance(case.get("rationalised"), bool | None):
        raise UserError("`rationalised` is neither true nor false; write one of them, without quotes, or omit it")
    return case
