"""Dataset versions: the kept answers of a round, immutable, in the form that trainers read.

dataset/
  data-00000.parquet   messages + videos, one row a kept answer
  rejected.parquet     the other answers, with the reason of each
  version.json         counts, lineage and digests
  README.md            the dataset card
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from videostar.errors import UserError
from videostar.files import digest, digest_json, new_folder, write_json, write_text
from videostar.ledger import Answer, Ledger
from videostar.terminal import warn
from videostar.yaml_files import validate

_PART = pa.struct([("type", pa.string()), ("text", pa.string())])
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.list_(_PART))])
_KEPT = pa.schema(
    [
        ("messages", pa.list_(_MESSAGE)),
        ("videos", pa.list_(pa.string())),
        ("span", pa.list_(pa.float64())),  # seconds from its first picture; empty: all of it
        ("task", pa.string()),
        ("label", pa.string()),
        ("kind", pa.string()),
        ("question_id", pa.string()),
        ("try", pa.int32()),
        ("pass_rate", pa.float64()),
    ]
)
_REJECTED = pa.schema(
    [(name, pa.string()) for name in ("question_id", "kind", "video", "task", "label", "prompt", "answer", "reason")]
)
_ROWS_AT_ONCE = 1024
_LEFT_OUT = "left out of the last round"


class Lineage(BaseModel):
    """What a version was made from, as far as it says: digests, and the name and dtype of the engine."""

    data: str | None = None
    settings: str | None = None
    engine: dict[str, str] | None = None


class Version(BaseModel):
    """What version.json says; other keys are let be."""

    version: str
    rows: int
    counts: dict[str, int]
    by_label: dict[str, dict[str, int]]
    lineage: Lineage
    files: dict[str, str]


def read_version(folder: Path) -> Version:
    """What the version in `folder` says of itself. Raises UserError when it is none or its files are others."""
    path = folder / "version.json"
    try:
        version = validate(json.loads(path.read_bytes()), Version, str(path))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); give the folder of a dataset version") from None
    for name, expected in version.files.items():
        if not (folder / name).is_file() or digest(folder / name) != expected:
            raise UserError(f"{folder / name}: is not what version.json says; restore it")
    return version


def build_version(answers: Path, out: Path, *, lineage: dict[str, Any], direct_only: bool) -> dict[str, Any]:
    """Write the version folder `out` from the ledger at `answers` and return what its version.json says.

    With `direct_only`, rationalised answers are left out wherever their action (or task) has a direct one
    (the paper's rule for the last round); those that would be left empty keep theirs and are listed.
    """
    ledger = Ledger(answers)
    without_direct: set[str] = set()
    if direct_only:
        kinds: dict[str, set[str]] = {}
        for answer in ledger:
            if answer.kept:
                kinds.setdefault(answer.group, set()).add(answer.kind)
        without_direct = {label for label, found in kinds.items() if "direct" not in found}

    counts: Counter[str] = Counter()
    by_label: dict[str, Counter[str]] = {}
    reasons: Counter[str] = Counter()

    def kept(answer: Answer) -> bool:
        return answer.kept and (not direct_only or answer.kind == "direct" or answer.group in without_direct)

    def sort() -> Iterator[tuple[bool, dict[str, Any]]]:
        for answer in ledger:
            if kept(answer):
                counts[answer.kind] += 1
                by_label.setdefault(answer.group, Counter())[answer.kind] += 1
                yield True, _kept_row(answer)
            else:
                reason = _LEFT_OUT if answer.kept else answer.reason
                counts["set_aside" if answer.kind == "video" else "rejected"] += 1
                reasons[f"{answer.kind}: {reason}"] += 1
                yield False, _rejected_row(answer, reason)

    with new_folder(out) as folder:
        _write_parquet(sort(), folder / "data-00000.parquet", folder / "rejected.parquet")
        files = {path.name: digest(path) for path in sorted(folder.glob("*.parquet"))}
        version = {
            "format": 1,
            "version": digest_json({"files": files, "lineage": lineage})[:16],
            "rows": (rows := counts["direct"] + counts["rationalised"] + counts["template"]),
            "counts": dict(sorted(counts.items())),
            "by_label": {label: dict(sorted(found.items())) for label, found in sorted(by_label.items())},
            "rejected": dict(reasons.most_common()),
            "labels_without_direct_answers": sorted(without_direct),
            "lineage": lineage,
            "files": files,
        }
        write_json(folder / "version.json", version)
        write_text(folder / "README.md", _card(version))
    if (left_out := reasons[f"rationalised: {_LEFT_OUT}"]) > rows:
        warn(
            f"{out}: trains on {rows} answers and leaves out {left_out} rationalised ones, as its action or "
            "task has direct ones (the paper's last round); --set training.final_round=all keeps them"
        )
    return version


def _kept_row(answer: Answer) -> dict[str, Any]:
    question = [{"type": "video", "text": None}, {"type": "text", "text": answer.question}]
    reply = [{"type": "text", "text": answer.text}]
    return {
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": reply}],
        "videos": [answer.video],
        "span": list(answer.span),
        "task": answer.task,
        "label": answer.label,
        "kind": answer.kind,
        "question_id": answer.question_id,
        "try": answer.number,
        "pass_rate": answer.pass_rate,
    }


def _rejected_row(answer: Answer, reason: str) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in _REJECTED.names if name != "reason"} | {"reason": reason}


def _write_parquet(rows: Iterable[tuple[bool, dict[str, Any]]], kept: Path, rejected: Path) -> None:
    with pq.ParquetWriter(kept, _KEPT) as kept_file, pq.ParquetWriter(rejected, _REJECTED) as rejected_file:
        files = {True: (kept_file, _KEPT), False: (rejected_file, _REJECTED)}
        pending: dict[bool, list[dict[str, Any]]] = {True: [], False: []}

        def flush(which: bool) -> None:
            file, schema = files[which]
            if pending[which]:
                file.write_table(pa.Table.from_pylist(pending[which], schema))
            pending[which] = []

        for which, row in rows:
            pending[which].append(row)
            if len(pending[which]) == _ROWS_AT_ONCE:
                flush(which)
        flush(True)
        flush(False)


def _card(version: dict[str, Any]) -> str:
    counts = version["counts"]
    lines = [
        "---",
        "configs:",
        "- config_name: default",
        "  data_files: data-*.parquet",
        "task_categories: [video-text-to-text]",
        "---",
        f"# Dataset version {version['version']}",
        "",
        "Answers of a video language model that contain their video's label (Video-STaR). No one wrote them;",
        "they may say things of the video that are not true: only the label in them was verified.",
        "",
        f"- rows: {version['rows']} ({counts.get('direct', 0)} direct, {counts.get('rationalised', 0)} rationalised, "
        f"{counts.get('template', 0)} from a template)",
        f"- rejected answers, with reasons, in `rejected.parquet`: {counts.get('rejected', 0)}",
        f"- labels: {len(version['by_label'])}",
        f"- lineage: `{json.dumps(version['lineage'], sort_keys=True)}`",
        "",
        "`messages` and `videos` (paths below the data's root) are the conversational form that trainers read:",
        '`datasets.load_dataset("parquet", data_files="data-*.parquet")`.',
    ]
    return "\n".join(lines) + "\n"
