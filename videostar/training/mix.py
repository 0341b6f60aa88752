"""Instruction sets that are mixed into training: the rows that the model can be trained on, and a choice of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from videostar.config import ModelSpec, Pipeline, Video
from videostar.config.training import MixSource
from videostar.data.rows import Skipped
from videostar.models.chat import Chat, Turn
from videostar.models.families import family
from videostar.models.load import load_config
from videostar.models.refusals import Refusals
from videostar.models.sizes import context_length, video_tokens
from videostar.training.instructions import read_instructions
from videostar.training.rows import Row, RowClips, shown_as
from videostar.util.errors import UserError
from videostar.util.terminal import warn


def read_mix(name: str, source: MixSource, spec: ModelSpec, chat: Chat) -> tuple[list[Row], list[Skipped]]:
    """The rows of a source, and those that are skipped; no video is opened.

    Raises UserError if the file cannot be read, or none of its rows can be used.
    """
    rows: list[Row] = []
    skipped: list[Skipped] = []
    known: dict[tuple[bool, bool, bool], str] = {}
    for item in read_instructions(source.path):
        if isinstance(item, Skipped):
            skipped.append(item)
            continue
        if source.kind not in (None, item.kind):
            continue
        traits = (item.system != "", item.later != (), item.pictures != ())
        if traits not in known:
            known[traits] = _refusal(*traits, spec, chat)
        if known[traits]:
            skipped.append(Skipped(item.where, "", "chat template", known[traits]))
        else:
            rows.append(replace(item, source=name))
    _check_left(source, rows, skipped)
    return rows, skipped


def mixed_rows(settings: Pipeline, kept: int, clips: RowClips, chat: Chat) -> tuple[list[Row], list[Skipped]]:
    """A seeded choice of `weight` rows of each source per kept answer, or all of its rows if it has fewer.

    Returns those of the choice that can be shown to the model, and the rows of the files that are skipped. Raises
    UserError if a file cannot be read, or none of its rows can be used.
    """
    used: list[Row] = []
    unused: list[Skipped] = []
    for name, source in (settings.mix.named if settings.mix else {}).items():
        rows, skipped = read_mix(name, source, settings.spec, chat)
        total = len(rows) + len(skipped)
        chosen = random.Random(settings.seed).sample(rows, min(len(rows), round(source.weight * kept)))
        video = shown_as(source, settings.video)
        problems = clips.problems(chosen, Refusals(settings.spec, video))
        fine = [row for row in chosen if row not in problems]
        problems |= _unwritable(fine, settings.spec, video, clips, chat)
        usable = [row for row in chosen if row not in problems]
        skipped += [problems[row] for row in chosen if row in problems]
        if chosen:
            _check_left(source, usable, skipped)
        warn_of_skipped(f"mix.data: {source.path}", total, skipped)
        used += usable
        unused += skipped
    return used, unused


def warn_of_skipped(where: str, rows: int, skipped: Sequence[Skipped]) -> None:
    """Print how many of the rows are skipped, if any, and why."""
    if skipped:
        counts = ", ".join(
            f"{count} {reason}" for reason, count in Counter(row.reason for row in skipped).most_common()
        )
        warn(f"{where}: {len(skipped)} of {rows} rows are skipped ({counts}); the first is {_shown(skipped[0])}")


def _check_left(source: MixSource, rows: Sequence[Row], skipped: Sequence[Skipped]) -> None:
    if not rows and skipped:
        raise UserError(f"mix.data: {source.path}: none of its rows can be used; the first is {_shown(skipped[0])}")
    if not rows:
        kind = f" of kind {source.kind}" if source.kind else ""
        raise UserError(f"mix.data: {source.path}: has no rows{kind}; give a file with some, or mix=null")


def _shown(row: Skipped) -> str:
    video = f"{row.video}: " if row.video else ""
    return f"{row.where}: {video}{row.reason}: {row.detail}"


def _refusal(system: bool, later: bool, pictures: bool, spec: ModelSpec, chat: Chat) -> str:
    """Why the model cannot be trained on rows of a kind; empty if it can."""
    config = load_config(spec)
    if pictures and not family(config).pictures:
        return f"pictures are not used with {config.model_type} models"
    return chat.refusal(
        Turn(
            "What is it?",
            answer="It is a ball.",
            system="Answer briefly." if system else "",
            later=(("And now?", "It moves."),) if later else (),
            pictures=(np.zeros((32, 32, 3), np.uint8),) if pictures else (),
        )
    )


def _unwritable(rows: Sequence[Row], spec: ModelSpec, video: Video, clips: RowClips, chat: Chat) -> dict[Row, Skipped]:
    """The rows that the chat template or the processor refuses or the model's context does not hold, and why."""
    context, shown = context_length(spec), video_tokens(spec, video)
    problems: dict[Row, Skipped] = {}
    for row in rows:
        turn = clips.turn(replace(row, videos=()))
        if refusal := chat.refusal(turn):
            problems[row] = Skipped(row.where, "", "chat template", refusal)
            continue
        try:
            tokens = chat.examples([turn])["input_ids"].shape[1] + shown * len(row.videos)
        except Exception as error:  # noqa: BLE001  (processors raise errors of any type)
            problems[row] = Skipped(row.where, "", "refused by the processor", " ".join(str(error).split())[:200])
            continue
        if context is not None and tokens > context:
            detail = f"it takes {tokens} tokens, and the model's context has {context}"
            problems[row] = Skipped(row.where, "", "too long", detail)
    return problems
