"""Everything that a run holds about one video: questions, answers and verdicts of every round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rapidfuzz import fuzz, process

from videostar.config import ControlName
from videostar.runs.history import recorded_version
from videostar.runs.manifest import Manifest, open_run
from videostar.runs.stage_names import SET_LEDGERS, RoundFiles
from videostar.stages.ledger import Answer, Key, Shown, read_answers
from videostar.stages.versions import Lineage, Version
from videostar.util.errors import UserError

_CONTROLS = tuple(f"evaluation.{control}.jsonl" for control in get_args(ControlName))
_HELD_OUT = ("evaluation.jsonl", *_CONTROLS, "validation.jsonl")
_NEAR = 50.0  # of 100: similarity from which a name is suggested
_NAMED = 3  # names in a message


@dataclass(frozen=True)
class Outcome:
    """An answer, and whether it is a row of its round's dataset version (None: there is no version)."""

    answer: Answer
    in_version: bool | None


@dataclass(frozen=True)
class LedgerAnswers:
    """The answers about the video in one ledger."""

    round: int
    ledger: str  # its path below the run
    lora: str | None  # digest of the LoRA that answered; None: the base model alone
    version: str | None  # id of the dataset version that kept answers went into
    answers: list[Outcome]


@dataclass(frozen=True)
class Explanation:
    """A video's way through a run. Fields that an older run did not record are empty or None."""

    run: str
    video: str
    video_sha256: str
    frame_times: tuple[float, ...]  # seconds from the first picture
    engine: dict[str, str]  # name and dtype
    model: str  # digest of the base model's folder, or its hub id
    data: str  # digest of the data
    settings: str | None  # digest of the settings
    ledgers: list[LedgerAnswers]


def explain(name: str, run: Path) -> Explanation:
    """The video or question called `name` in a run. Raises UserError, with the nearest name, when there is none."""
    folder, manifest = open_run(run)
    ledgers = _ledgers(folder)
    video, question = _find(name, [path for _, path in ledgers], folder)
    versions = {number: recorded_version(folder, manifest, number) for number, _ in ledgers}
    found = []
    for number, path in ledgers:
        answers = [
            answer
            for answer in read_answers(path, question or video)
            if _shown(answer, video) and question in (None, answer.question_id)
        ]
        if answers:
            generated = path == RoundFiles(folder, number).answers
            version = versions[number] if generated else None
            rows = _rows(RoundFiles(folder, number).dataset, version, answers) if version else None
            found.append(
                LedgerAnswers(
                    round=number,
                    ledger=path.relative_to(folder).as_posix(),
                    lora=_lora(manifest, number - 1 if generated else number),
                    version=version.version if version else None,
                    answers=[Outcome(answer, None if rows is None else answer.key in rows) for answer in answers],
                )
            )
    all_shown = [shown for ledger in found for item in ledger.answers if (shown := _shown(item.answer, video))]
    lineage = next((version.lineage for version in versions.values() if version), Lineage())
    settings = manifest.settings.engine
    return Explanation(
        run=str(folder),
        video=video,
        video_sha256=next((shown.video_sha256 for shown in all_shown if shown.video_sha256), ""),
        frame_times=next((shown.frame_times for shown in all_shown if shown.frame_times), ()),
        engine=lineage.engine or {"name": settings.name, "dtype": settings.dtype},
        model=manifest.model,
        data=manifest.data,
        settings=lineage.settings,
        ledgers=found,
    )


def _shown(answer: Answer, video: str) -> Shown | None:
    """That video of an answer; None if the answer is about others."""
    return next((shown for shown in answer.videos if shown.video == video), None)


def _ledgers(folder: Path) -> list[tuple[int, Path]]:
    """The ledgers of a run with the number of their round, in the order of rounds and stages."""
    rounds = sorted((int(path.name), path) for path in (folder / "rounds").glob("[0-9]*") if path.name.isdecimal())
    own = [
        (number, ledger)
        for number, path in rounds
        for ledger in (RoundFiles(folder, number).answers, *(path / name for name in _HELD_OUT))
        if ledger.exists()
    ]
    sets = [(number, found) for number, path in rounds for found in sorted(path.glob(SET_LEDGERS))]
    return sorted([*own, *sets], key=lambda item: item[0])


def _find(name: str, ledgers: Sequence[Path], folder: Path) -> tuple[str, str | None]:
    """The video called `name` or ending with it, and the question if `name` is a question's id."""
    ends: set[str] = set()
    for answer in (answer for path in ledgers for answer in read_answers(path, name)):
        if _shown(answer, name):
            return name, None
        if answer.question_id == name:
            return answer.video, name
        ends |= {shown.video for shown in answer.videos if shown.video.endswith(name)}
    found = sorted(video for video in ends if video.endswith(f"/{name}")) or sorted(ends)
    if not found:
        raise UserError(f"{name}: no such video or question in {folder}; {_nearest(name, ledgers)}")
    if len(found) > 1:
        some = ", ".join(found[:_NAMED]) + (", ..." if len(found) > _NAMED else "")
        raise UserError(f"{name}: {len(found)} videos of {folder} end with it: {some}; give more of the path")
    return found[0], None


def _nearest(name: str, ledgers: Sequence[Path]) -> str:
    """The name to suggest: of a question, or of the video whose path has the most similar end."""
    parts = name.count("/") + 1
    names: dict[str, str] = {}
    for answer in (answer for path in ledgers for answer in read_answers(path)):
        names |= {shown.video: "/".join(shown.video.split("/")[-parts:]) for shown in answer.videos}
        names[answer.question_id] = answer.question_id
    near = process.extractOne(name, names, scorer=fuzz.ratio, score_cutoff=_NEAR)
    return (
        f"did you mean {near[2]}?" if near else "give a video's path as in its rows, the end of it, or a question's id"
    )


def _rows(dataset: Path, version: Version, answers: Sequence[Answer]) -> set[Key] | None:
    """The keys of the answers that are rows of a version; None if its files are gone. Raises UserError."""
    files = [dataset / name for name in version.files if name.startswith("data-")]
    if not all(file.is_file() for file in files):
        return None
    wanted = pc.field("question_id").isin(pa.array({answer.question_id for answer in answers}, pa.string()))
    try:
        rows = pq.read_table(files, columns=["question_id", "kind", "try"], filters=wanted).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{dataset}: cannot be read: {error}; `videostar versions` shows which file is damaged"
        ) from None
    return {(row["question_id"], row["kind"], row["try"]) for row in rows}


def _lora(manifest: Manifest, last: int) -> str | None:
    """The digest of the newest LoRA of the rounds up to `last`; a round that kept nothing has none."""
    for number in range(last, 0, -1):
        stage = manifest.stages.get(f"{number:02}/train")
        if stage is not None:
            return next(iter(stage.wrote.values()))
    return None
