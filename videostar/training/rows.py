"""Training rows: files of `messages` and `videos`, and the clips that rows show."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datasets import disable_progress_bars, load_dataset

from videostar.config import Cache, Mix, Video
from videostar.data.measure_videos import sha256_of
from videostar.util.errors import UserError
from videostar.util.files import below
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipRequest, iter_clips

disable_progress_bars()  # users see videostar's own


@dataclass(frozen=True)
class Row:
    """A question with its answer, and the video that they are about (if any)."""

    question: str
    answer: str
    video: Path | None
    span: tuple[float, float] | None = None  # start and end of the part of the video, in seconds; None: all of it


def read_rows(path: Path, root: Path) -> list[Row]:
    """The rows of a .jsonl or .parquet file of `messages` and `videos`, with videos below `root`.

    Raises UserError if there is no such file, or naming the first wrong row.
    """
    suffix = {".jsonl": "json", ".parquet": "parquet"}.get(path.suffix)
    if suffix is None or not path.is_file():
        raise UserError(f"{path}: no such .jsonl or .parquet file of messages and videos")
    with TemporaryDirectory() as scratch:
        table = load_dataset(suffix, data_files=str(path), split="train", cache_dir=scratch)
        return [_row(record, root, f"{path}, row {number}") for number, record in enumerate(table, start=1)]


def _row(record: dict[str, Any], root: Path, where: str) -> Row:
    try:
        user, assistant = record["messages"]
        question, answer = _text(user), _text(assistant)
        videos = record["videos"] or []
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{where}: needs `messages` (user, assistant) and `videos` (at most one path)") from None
    if len(videos) > 1:
        raise UserError(f"{where}: {len(videos)} videos; a row can have only one")
    video = below(root, videos[0]) if videos else None
    if videos and video is None:
        raise UserError(f"{where}: {videos[0]} leads out of {root}; keep videos below it")
    span = record.get("span") or None
    if span is not None and len(span) != 2:
        raise UserError(f"{where}: `span` is {span}, not a start and an end in seconds")
    return Row(question, answer, video, span and (float(span[0]), float(span[1])))


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else " ".join(part["text"] for part in content if part.get("text"))


def mixed_rows(mix: Mix | None, kept: int, seed: int) -> list[Row]:
    """A seeded choice of `mix.ratio` rows of the instruction set per kept answer, or all rows if it has fewer."""
    if mix is None:
        return []
    path = Path(mix.data)
    rows = read_rows(path, path.parent)
    return random.Random(seed).sample(rows, min(len(rows), round(mix.ratio * kept)))


class RowClips:
    """The clips of rows, through the frame cache. Videos that were sampled before are not opened again."""

    def __init__(self, video: Video, cache: Cache) -> None:
        self._video, self._frames, self._home = video, cache.frames(), cache.home
        self._digests: dict[Path, str] = {}

    def usable(self, rows: Sequence[Row]) -> list[Row]:
        """The rows whose videos can be shown, or that have none. Their clips are in the cache afterwards."""
        videos = list(dict.fromkeys(row.video for row in rows if row.video is not None))
        self._digests = sha256_of(videos, self._home, self._video.frame_rate)
        files = list(dict.fromkeys(file for row in rows if (file := self._file(row)) is not None))
        shown = {file for file, clip in iter_clips(self._frames, files) if not isinstance(clip, BadVideo)}
        return [row for row in rows if row.video is None or self._file(row) in shown]

    def load(self, row: Row) -> Clip | None:
        """The clip of a usable row; None if it has no video."""
        file = self._file(row)
        return None if file is None else self._frames.clip(*file)

    def _file(self, row: Row) -> ClipRequest | None:
        if row.video is None or row.video not in self._digests:
            return None
        return row.video, self._digests[row.video], self._video.sampling(row.span)
