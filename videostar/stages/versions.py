"""Dataset versions: the kept answers of a round, immutable, in the format that trainers read.

dataset/
  data-00000.parquet   messages + videos, one row per kept answer
  rejected.parquet     the other answers, each with its reason
  version.json         counts, lineage and digests
  README.md            the dataset card

From a ledger in parts, there is a file of each for every part: `data-00000-of-00128.parquet` and so on.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from videostar.config import Generation
from videostar.stages.ledger import Answer, ledger_files, read_answers
from videostar.util.errors import UserError
from videostar.util.files import digest, digest_json, new_folder, write_json, write_text
from videostar.util.terminal import warn
from videostar.util.yaml_files import validate

_PART = pa.struct([("type", pa.string()), ("text", pa.string())])
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.list_(_PART))])
_KEPT = pa.schema(
    [
        ("messages", pa.list_(_MESSAGE)),
        ("videos", pa.list_(pa.string())),
        ("span", pa.list_(pa.float64())),  # seconds from the first picture; empty: the whole video
        ("task", pa.string()),
        ("label", pa.string()),
        ("kind", pa.string()),
        ("question_id", pa.string()),
        ("try", pa.int32()),
        ("pass_rate", pa.float64()),
    ]
)
# With `generation.controls`: the controls under which the model is right as well; null if it was asked under none.
_RIGHT_UNDER = pa.field("right_under", pa.list_(pa.string()))
# With `verification.evidence`; null if an answer says nothing of its video.
_EVIDENCE = pa.field("evidence", pa.float64())
# If any row of the data has one.
_TRUST = pa.field("trust", pa.float64())
_REJECTED = pa.schema(
    [
        *((name, pa.string()) for name in ("question_id", "kind", "video", "task", "label", "prompt", "answer")),
        ("text", pa.string()),  # the answer as a kept one would be stored
        ("accepted", pa.bool_()),  # whether it contains the label
        ("cut_off", pa.bool_()),  # whether it has as many tokens as an answer may have; null: not known
        ("reason", pa.string()),
    ]
)
_ROWS_AT_ONCE = 1024
_NOT_IN_LAST = "left out of the last round"  # a reason in files
_NO_VIDEO = "needs no video"  # a reason in files

#: What the Parquet files of a version have: kept or rejected answers.
Content = Literal["data", "rejected"]


class Lineage(BaseModel):
    """What a version was made from: digests, and the name and dtype of the engine. None: not recorded."""

    data: str | None = None
    settings: str | None = None
    engine: dict[str, str] | None = None


class Version(BaseModel):
    """The content of version.json; other keys are ignored."""

    version: str
    rows: int
    counts: dict[str, int]
    by_label: dict[str, dict[str, int]]
    lineage: Lineage
    files: dict[str, str]


def read_version(folder: Path) -> Version:
    """The version in `folder`. Raises UserError if there is none, or if a file differs from its digest."""
    path = folder / "version.json"
    try:
        version = validate(json.loads(path.read_bytes()), Version, str(path))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); give the folder of a dataset version") from None
    for name, expected in version.files.items():
        if not (folder / name).is_file() or digest(folder / name) != expected:
            raise UserError(f"{folder / name}: differs from its digest in version.json; restore it")
    return version


def version_files(folder: Path, content: Content = "data") -> list[Path]:
    """The files of the kept or of the rejected answers of a version, in order. Raises UserError if one is missing."""
    there = (re.fullmatch(rf"{content}-\d{{5}}-of-(\d{{5}})\.parquet", path.name) for path in sorted(folder.glob("*")))
    files = [folder / name for name in _names(content, next((int(match[1]) for match in there if match), None))]
    for file in files:
        if not file.is_file():
            raise UserError(f"{file}: is missing; give the whole folder of a dataset version")
    return files


def _names(content: Content, count: int | None) -> list[str]:
    """The names of that many files; None: of one that stands alone."""
    if count is None:
        return ["data-00000.parquet" if content == "data" else "rejected.parquet"]
    return [f"{content}-{number:05}-of-{count:05}.parquet" for number in range(count)]


def build_version(
    answers: Path,
    out: Path,
    *,
    lineage: dict[str, Any],
    direct_only: bool,
    generation: Generation | None = None,
    evidence: bool = False,
) -> dict[str, Any]:
    """Write the version folder `out` from the ledger at `answers`, and return the content of its version.json.

    A part of the ledger is read at a time; memory grows with the number of labels, not of answers.

    With `direct_only` (the paper's rule for the last round) rationalised answers are rejected for the labels of a task
    for which at least half of the questions have a kept direct answer. `keep_blind` of the settings `generation` may
    reject answers to questions that are also answered blind. With `evidence` rows have that of their answers; they have
    the `trust` of their data's rows if any of these has one.
    """
    generation = generation or Generation()
    covered = _covered(read_answers(answers), generation) if direct_only else set()
    counts: Counter[str] = Counter()
    by_label: dict[str, Counter[str]] = {}
    reasons: Counter[str] = Counter()
    dropped: dict[str, Counter[str]] = {}  # rationalised answers by task and label

    def sort(file: Path) -> Iterator[tuple[bool, dict[str, Any]]]:
        for answer in read_answers(file):
            if answer.kept and answer.kind == "rationalised" and hash((answer.task, answer.label)) in covered:
                dropped.setdefault(answer.task, Counter())[answer.label] += 1
                reason = _NOT_IN_LAST
            elif answer.kept and _needs_no_video(answer, generation.keep_blind):
                reason = _NO_VIDEO
            elif answer.kept:
                counts[answer.kind] += 1
                by_label.setdefault(answer.group, Counter())[answer.kind] += 1
                yield True, _kept_row(answer)
                continue
            else:
                reason = answer.reason
            counts["skipped" if answer.kind == "video" else "rejected"] += 1
            reasons[f"{answer.kind}: {reason}"] += 1
            yield False, _rejected_row(answer, reason, generation.max_new_tokens)

    with new_folder(out) as folder:
        schema = _KEPT.append(_RIGHT_UNDER) if generation.controls else _KEPT
        schema = schema.append(_EVIDENCE) if evidence else schema
        trusted = any(answer.trust is not None for answer in read_answers(answers, "trust"))
        schema = schema.append(_TRUST) if trusted else schema
        parts = ledger_files(answers)
        count = len(parts) if answers.is_dir() else None
        for part, kept, rejected in zip(parts, _names("data", count), _names("rejected", count), strict=True):
            _write_parquet(sort(part), folder / kept, folder / rejected, schema)
        files = {path.name: digest(path) for path in sorted(folder.glob("*.parquet"))}
        version = {
            "format": 1,
            "version": digest_json({"files": files, "lineage": lineage})[:16],
            "rows": counts["direct"] + counts["rationalised"] + counts["template"],
            "counts": dict(sorted(counts.items())),
            "by_label": {label: dict(sorted(found.items())) for label, found in sorted(by_label.items())},
            "rejected": dict(reasons.most_common()),
            "last_round": _last_round(dropped, counts["rationalised"]) if direct_only else None,
            "lineage": lineage,
            "files": files,
        }
        write_json(folder / "version.json", version)
        write_text(folder / "README.md", _card(version))
    if not version["rows"]:
        warn(f"{out}: no answer was kept, so nothing is trained; its rejected answers have the reasons")
    return version


def _covered(ledger: Iterable[Answer], generation: Generation) -> set[int]:
    """Hashes of (task, label) for which at least half of the questions have a direct answer in the version.

    Hashes, since there may be millions. Videos that cannot be shown do not count as questions.
    """
    asked: Counter[int] = Counter()
    direct: Counter[int] = Counter()
    first = ""  # the kind that every question is asked for
    last: dict[str, str] = {}  # by task, the question that was counted last: its tries are adjacent
    for answer in ledger:
        if answer.kind == "video":
            continue
        first = first or answer.kind
        about = hash((answer.task, answer.label))
        asked[about] += answer.kind == first and answer.number == 0
        used = answer.kept and answer.kind == "direct" and not _needs_no_video(answer, generation.keep_blind)
        if used and last.get(answer.task) != answer.question_id:
            last[answer.task] = answer.question_id
            direct[about] += 1
    return {about for about, count in direct.items() if 2 * count >= asked[about]}


def _last_round(dropped: Mapping[str, Mapping[str, int]], kept: int) -> dict[str, Any]:
    """The effect of the last round's rule on rationalised answers."""
    by_label = {task: dict(sorted(labels.items())) for task, labels in sorted(dropped.items())}
    count = sum(sum(labels.values()) for labels in by_label.values())
    return {"rationalised_kept": kept, "rationalised_left_out": count, "direct_only": by_label}


def _kept_row(answer: Answer) -> dict[str, Any]:
    videos = [shown.video for shown in answer.videos]
    question = [*({"type": "video", "text": None} for _ in videos), {"type": "text", "text": answer.question}]
    reply = [{"type": "text", "text": answer.text}]
    return {
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": reply}],
        "videos": videos,
        "span": list(answer.span),
        "task": answer.task,
        "label": answer.label,
        "kind": answer.kind,
        "question_id": answer.question_id,
        "try": answer.number,
        "pass_rate": answer.pass_rate,
        "evidence": answer.evidence,
        "trust": answer.trust,
        "right_under": [name for name, right in answer.controls.items() if right] if answer.controls else None,
    }


def _needs_no_video(answer: Answer, keep_blind: Literal["keep", "drop", "halve"]) -> bool:
    """Whether a kept answer is rejected because the model also answers its question blind."""
    if keep_blind == "keep" or not answer.controls.get("blind"):
        return False
    odd = hashlib.sha256(f"halve/{answer.question_id}".encode()).digest()[0] % 2 == 1
    return keep_blind == "drop" or odd


def _rejected_row(answer: Answer, reason: str, most: int) -> dict[str, Any]:
    """`most` is the number of tokens that an answer may have."""
    cut_off = None if answer.tokens is None else answer.tokens >= most
    own = {name: getattr(answer, name) for name in _REJECTED.names if name not in ("cut_off", "reason")}
    return own | {"cut_off": cut_off, "reason": reason}


def _write_parquet(rows: Iterable[tuple[bool, dict[str, Any]]], kept: Path, rejected: Path, schema: pa.Schema) -> None:
    """`schema` is that of kept rows."""
    with pq.ParquetWriter(kept, schema) as kept_file, pq.ParquetWriter(rejected, _REJECTED) as rejected_file:
        files = {True: (kept_file, schema), False: (rejected_file, _REJECTED)}
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
    rejected = "rejected.parquet" if "rejected.parquet" in version["files"] else "rejected-*.parquet"
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
        f"- rejected answers, with reasons, in `{rejected}`: {counts.get('rejected', 0)}",
        f"- labels: {len(version['by_label'])}",
        f"- lineage: `{json.dumps(version['lineage'], sort_keys=True)}`",
        "",
        "`messages` and `videos` (paths below the data's root) are the conversational form that trainers read:",
        '`datasets.load_dataset("parquet", data_files="data-*.parquet")`.',
    ]
    return "\n".join(lines) + "\n"
