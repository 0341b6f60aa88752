"""Training rows: files of `messages` and `videos`, and the clips that rows show."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datasets import disable_progress_bars, load_dataset

from videostar.config import Cache, Mix, Video
from videostar.data.measure_videos import sha256_of
from videostar.models.refusals import Refusals
from videostar.util.errors import UserError
from videostar.video.clip import Clip
from videostar.video.pool import ClipRequest, iter_clips
from videostar.video.sampling import Sampling

disable_progress_bars()  # users see videostar's own


@dataclass(frozen=True)
class Row:
    """A question with its answer, and the videos that they are about (if any)."""

    question: str
    answer: str
    videos: tuple[Path, ...]
    span: tuple[float, float] | None = None  # start and end of the part of the video, in seconds; None: all of it


def read_rows(path: Path, root: Path) -> list[Row]:
    """The rows of a .jsonl or .parquet file of `messages` and `videos`, with videos relative to `root`.

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
        raise UserError(f"{where}: needs `messages` (user, assistant) and `videos` (paths)") from None
    span = record.get("span") or None
    if span is not None and len(span) != 2:
        raise UserError(f"{where}: `span` is {span}, not a start and an end in seconds")
    return Row(question, answer, tuple(root / video for video in videos), span and (float(span[0]), float(span[1])))


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

    def __init__(self, video: Video, cache: Cache, refusals: Refusals) -> None:
        self._video, self._frames, self._home, self._refusals = video, cache.frames(), cache.home, refusals
        self._digests: dict[Path, str] = {}
        self.refused = ""  # the first videos that the model's processor refuses, and the reason

    def usable(self, rows: Sequence[Row]) -> list[Row]:
        """The rows whose videos can be shown to the model, or that have none. Their clips are in the cache afterwards.

        Raises UserError if the model's processor refuses all clips.
        """
        videos = list(dict.fromkeys(video for row in rows for video in row.videos))
        self._digests = sha256_of(videos, self._home)
        files = list(dict.fromkeys(file for row in rows for file in self._files(row)))
        clips = iter_clips(self._frames, files)
        shapes = {file: clip.frames.shape for file, clip in clips if isinstance(clip, Clip)}
        return [row for row in rows if not row.videos or self._takes(row, shapes)]

    def _takes(self, row: Row, shapes: Mapping[ClipRequest, tuple[int, ...]]) -> bool:
        files = self._files(row)
        if len(files) < len(row.videos) or not all(file in shapes for file in files):
            return False
        refusal = self._refusals.of_shapes(*(shapes[file] for file in files))
        if refusal:
            self.refused = self.refused or f"{' and '.join(map(str, row.videos))}: {refusal}"
        return refusal is None

    def load(self, row: Row) -> list[Clip]:
        """The clips of a usable row."""
        return [self._frames.clip(*file) for file in self._files(row)]

    def _files(self, row: Row) -> list[ClipRequest]:
        """The files of a row's videos, without those that cannot be opened."""
        video = self._video
        sampling = Sampling(video.frames, video.max_pixels, video.fps, row.span)
        return [(path, self._digests[path], sampling) for path in row.videos if path in self._digests]
