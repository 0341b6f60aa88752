"""The origin of answers: lineage in dataset versions, and a small file beside those of a stage that runs alone.

Such a stage goes on with the answers that it finds. The file records the model, LoRA, data and settings that they come
from: it is written before the first answer, and a command with others is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from videostar.config import Pipeline
from videostar.config.settings import Settings
from videostar.runs.settings_diff import affecting, without_places
from videostar.stages.closed_question import PROMPT_DIGEST
from videostar.util.errors import UserError
from videostar.util.files import digest, digest_json, make_folder, write_json
from videostar.util.locks import Locked, lock_file
from videostar.util.resources import evidence_digest, model_digest
from videostar.util.yaml_files import validate

_SHOWN = 12  # digits of a digest
# Settings that came after the first versions, whose ids must stay.
_NEWER = {"generation.final_line", "generation.controls"}


class MadeBy(Settings):
    """`made_by.json`: digests, and the settings that affect the answers, by dotted name."""

    model: str
    lora: str | None
    data: str
    settings: dict[str, Any]

    @classmethod
    def of(cls, stage: str, settings: Pipeline, data: str, lora: Path | None, sets: str | None = None) -> MadeBy:
        """The origin of the answers of a stage, which has the name of the corresponding stage of a run."""
        from videostar.models.load import dtype_name  # loads torch

        found = {**affecting(settings, stage), "engine.dtype": dtype_name(settings.spec)}  # `auto` resolved
        if settings.verification.by_model:
            found["judge's prompt"] = PROMPT_DIGEST
        if settings.verification.evidence:
            found["evidence"] = evidence_digest(settings.verification.evidence.model)
        if sets is not None:
            found["data of evaluation.sets"] = sets
        return cls(model=model_digest(settings.model), lora=digest(lora) if lora else None, data=data, settings=found)

    def differences(self, other: MadeBy) -> list[str]:
        """`before -> after` of everything in which `other` differs."""
        before, after = (
            {"base model": one.model, "lora": one.lora, **one.settings, "data": one.data} for one in (self, other)
        )
        defaults = without_places(Pipeline())  # of settings that an older videostar did not have
        return [
            f"{name}: {_short(before.get(name))} -> {_short(after.get(name))}"
            for name in {**before, **after}
            if before.get(name, defaults.get(name)) != after.get(name)
        ]


@contextmanager
def bound(file: Path, made_by: MadeBy, made: Sequence[Path]) -> Iterator[None]:
    """Lock the files `made` for this process; `file` records their origin, and is written if there is none.

    Raises UserError if another process has locked them, or if they have another origin.
    """
    other = "give --out another name"
    for path in made:
        if path.exists() and not file.exists():
            raise UserError(f"{path}: exists without a {file.name} that records its origin; {other}")
    make_folder(file.parent)
    try:
        lock = lock_file(file.with_name(f".{file.stem}.lock"))
    except Locked:
        raise UserError(f"{file}: another process makes these answers; wait for it, or {other}") from None
    try:
        if not file.exists():
            write_json(file, made_by.model_dump(mode="json"))
        elif differences := _read(file).differences(made_by):
            raise UserError(f"{file}: these answers were made with other inputs: {', '.join(differences)}; {other}")
        yield
    finally:
        lock.release()


def _read(file: Path) -> MadeBy:
    try:
        return validate(json.loads(file.read_bytes()), MadeBy, str(file))
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read ({error}); give --out another name") from None


def _short(value: Any) -> str:
    if value is None:
        return "none"
    digits = isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
    return f"{value[:_SHOWN]}..." if digits else str(value)


def lineage(data: str, settings: Pipeline, lora: Path | None, engine: str) -> dict[str, Any]:
    """The origin of answers: digests of data, base model, settings and LoRA, and the engine.

    A version's id is made from it, so its keys stay: `adapter` is the LoRA. Settings of `_NEWER` are left out at their
    defaults, as if they did not exist.
    """
    from videostar.models.load import dtype_name  # loads torch

    defaults = without_places(Pipeline())
    settled = affecting(settings, "01/generate")  # the LoRA's digest covers all others
    settled = {name: value for name, value in settled.items() if name not in _NEWER or value != defaults[name]}
    return {
        "data": data,
        "model": model_digest(settings.model),
        "settings": digest_json(settled),
        "adapter": digest(lora) if lora else None,
        "engine": {"name": engine, "dtype": dtype_name(settings.spec)},
    }
