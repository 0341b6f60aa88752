"""What made the answers of a stage that runs alone, in a small file beside them.

Answers are never asked twice, so a stage that finds some goes on with them. That they are of the same model, LoRA, data
and settings is known by this file alone: it is written before the first answer, and any other command is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from videostar.config import Pipeline, Settings
from videostar.runs.changes import acting
from videostar.util.errors import UserError
from videostar.util.files import digest, make_folder, write_json
from videostar.util.resources import model_digest
from videostar.util.yaml_files import validate

_SHOWN = 12  # digits of a digest


class MadeBy(Settings):
    """`made_by.json`: digests, and the settings that have a say in the answers, by dotted name."""

    model: str
    lora: str | None
    data: str
    settings: dict[str, Any]

    @classmethod
    def of(cls, stage: str, settings: Pipeline, data: str, adapter: Path | None) -> MadeBy:
        """Of a stage as a run's is called (`01/generate`), which it would be the first of."""
        from videostar.models.load import dtype_name  # loads torch

        return cls(
            model=model_digest(settings.model),
            lora=digest(adapter) if adapter else None,
            data=data,
            settings={**acting(settings, stage), "engine.dtype": dtype_name(settings)},  # what `auto` is here
        )

    def differences(self, other: MadeBy) -> list[str]:
        """`before -> after` of all in which `other` differs, the plainest first."""
        before, after = (
            {"base model": one.model, "lora": one.lora, **one.settings, "data": one.data} for one in (self, other)
        )
        return [
            f"{name}: {_short(before.get(name))} -> {_short(after.get(name))}"
            for name in {**before, **after}
            if before.get(name) != after.get(name)
        ]


@contextmanager
def bound(file: Path, made_by: MadeBy, made: Sequence[Path]) -> Iterator[None]:
    """Hold the files `made` for this process, as made by what the file says, which is written if there is none.

    Raises UserError when another process holds them, or when they were made otherwise.
    """
    other = "give --out another name"
    for path in made:
        if path.exists() and not file.exists():
            raise UserError(f"{path}: is there, and no {file.name} says what made it; {other}")
    make_folder(file.parent)
    lock = filelock.FileLock(file.with_name(f".{file.stem}.lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(f"{file}: another process makes these answers; wait for it, or {other}") from None
    try:
        if not file.exists():
            write_json(file, made_by.model_dump(mode="json"))
        elif differences := _read(file).differences(made_by):
            raise UserError(f"{file}: these answers were made otherwise: {', '.join(differences)}; {other}")
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
