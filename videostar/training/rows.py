"""Training rows: the kept answers of a dataset version, and the clips that rows show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datasets import disable_progress_bars, load_dataset

from videostar.config import Pipeline, Video
from videostar.config.training import KEPT, MixSource
from videostar.data.measure_videos import digests_of
from videostar.data.rows import Skipped
from videostar.models.chat import Chat, Turn
from videostar.models.refusals import Refusals, Shape, plain_clip
from videostar.stages.versions import version_files
from videostar.training.plan import Size
from videostar.util.errors import UserError
from videostar.util.object_path import join
from videostar.video.cache import clip_key
from videostar.video.cluster import VideoCluster
from videostar.video.errors import BadVideo
from videostar.video.picture import read_picture
from videostar.video.pool import ClipRequest, sample_clips

disable_progress_bars()  # users see videostar's own


@dataclass(frozen=True)
class Row:
    """A question with its answer, and the videos that they are about (if any); of an instruction set, also more."""

    question: str
    answer: str
    videos: tuple[Path, ...]
    span: tuple[float, float] | None = None  # start and end of the part of the video, in seconds; None: all of it
    system: str = ""  # the text of the system turn
    later: tuple[tuple[str, str], ...] = ()  # the questions and answers that follow in the same chat
    pictures: tuple[Path, ...] = ()  # shown with the question
    where: str = ""  # the row or line of its file
    source: str = KEPT  # or the name of a source of `mix`
    weight: float = 1.0  # of its loss

    @property
    def kind(self) -> str:
        """What its question shows: `video`, `image`, or `text` for nothing."""
        return "video" if self.videos else "image" if self.pictures else "text"


def read_rows(dataset: Path, root: Path, *, by_evidence: bool = False) -> list[Row]:
    """The kept answers of the dataset version in the folder `dataset`, with videos relative to `root`.

    The weight of a row is its `trust`, if it has one, and with `by_evidence` that times its `evidence`. Raises
    UserError if a file is missing or has no evidence, or naming the first wrong row.
    """
    weighed_by = ("trust", "evidence") if by_evidence else ("trust",)
    files = [str(file) for file in version_files(dataset)]
    with TemporaryDirectory() as scratch:
        table = load_dataset("parquet", data_files=files, split="train", cache_dir=scratch)
        if by_evidence and "evidence" not in table.column_names:
            raise UserError(
                f"{dataset}: its answers have no column `evidence` to weigh them by; give a version of a run with "
                "verification.evidence, or --set training.row_weights=uniform"
            )
        numbered = enumerate(table, start=1)
        return [_row(record, root, dataset, f"row {number}", weighed_by) for number, record in numbered]


def _row(record: dict[str, Any], root: Path, dataset: Path, row: str, weighed_by: Sequence[str]) -> Row:
    where = f"{dataset}, {row} of its kept answers"
    try:
        user, assistant = record["messages"]
        question, answer = _text(user), _text(assistant)
        videos = record["videos"] or []
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{where}: needs `messages` (user, assistant) and `videos` (paths)") from None
    span = record.get("span") or None
    if span is not None and len(span) != 2:
        raise UserError(f"{where}: `span` is {span}, not a start and an end in seconds")
    paths = tuple(join(root, video) for video in videos)
    weights = {name: value for name in weighed_by if (value := record.get(name)) is not None}
    for name, value in weights.items():
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise UserError(f"{where}: `{name}` is {value!r}, not a number from 0 to 1")
    span = span and (float(span[0]), float(span[1]))
    return Row(question, answer, paths, span, where=row, weight=math.prod(map(float, weights.values())))


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else " ".join(part["text"] for part in content if part.get("text"))


def shown_as(source: MixSource, video: Video) -> Video:
    """How the videos and pictures of a source are shown."""
    own = {name: value for name in ("frames", "max_pixels") if (value := getattr(source, name)) is not None}
    return video.model_copy(update=own)


class RowClips:
    """The clips and pictures of rows. Clips come through the frame cache: a sampled video is not opened again."""

    def __init__(
        self,
        settings: Pipeline,
        digests: Mapping[Path, str | BadVideo] | None = None,
        cluster: VideoCluster | None = None,
        known: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        """`cluster`: samples the clips that are checked. `known`: the `shapes` of clips that need not be sampled."""
        self._cluster, self._known = cluster, known or {}
        self._video, self._frames, self._cache = settings.video, settings.cache.frames(), settings.cache
        sources = settings.mix.named if settings.mix else {}
        self._videos = {KEPT: settings.video}
        self._videos |= {name: shown_as(source, settings.video) for name, source in sources.items()}
        self.digests = dict(digests or {})  # of the videos that were opened; a BadVideo for those that cannot be
        self._shapes: dict[ClipRequest, Shape] = {}
        self._tokens: dict[Shape, int] = {}  # of a clip

    def problems(self, rows: Sequence[Row], refusals: Refusals) -> dict[Row, Skipped]:
        """The rows whose videos or pictures cannot be shown, with the reason. All clips are sampled but the known ones.

        Raises UserError if the model's processor refuses all clips.
        """
        videos = list(dict.fromkeys(video for row in rows for video in row.videos))
        self.digests |= digests_of(videos, self._cache, self._video.frame_rate, self._cluster)
        bad: dict[Path | ClipRequest, BadVideo] = {
            video: found for video, found in self.digests.items() if isinstance(found, BadVideo)
        }
        shown = dict.fromkeys((path, self._videos[row.source].max_pixels) for row in rows for path in row.pictures)
        bad.update(self._bad_pictures(list(shown)))
        files = dict.fromkeys(file for row in rows for file in self._files(row))
        self._shapes |= {file: tuple(shape) for file in files if (shape := self._known.get(_name(file)))}
        unknown = (file for file in files if file not in self._shapes)
        for file, sampled in sample_clips(self._frames, unknown, self._cluster):
            if isinstance(sampled, BadVideo):
                bad[file] = sampled
            else:
                self._shapes[file] = sampled.shape
        found = {row: self._problem(row, bad, refusals) for row in rows}
        return {row: problem for row, problem in found.items() if problem is not None}

    def _problem(self, row: Row, bad: Mapping[Path | ClipRequest, BadVideo], refusals: Refusals) -> Skipped | None:
        files = self._files(row)
        media: list[tuple[Path, Path | ClipRequest]] = [(path, path) for path in (*row.videos, *row.pictures)]
        for path, shown in [*media, *((file[0], file) for file in files)]:
            if problem := bad.get(shown):
                return Skipped(row.where, str(path), problem.reason, problem.detail)
        if files and (refusal := refusals.of_shapes(*(self._shapes[file] for file in files))):
            return Skipped(row.where, str(row.videos[0]), refusal.reason, refusal.detail)
        return None

    def _bad_pictures(self, pictures: Sequence[tuple[Path, int]]) -> list[tuple[Path, BadVideo]]:
        with ThreadPoolExecutor() as pool:
            found = zip(pictures, pool.map(self._picture_problem, *zip(*pictures, strict=True)), strict=True)
            return [(path, problem) for (path, _), problem in found if problem is not None]

    def _picture_problem(self, path: Path, max_pixels: int) -> BadVideo | None:
        try:
            read_picture(path, max_pixels)
        except BadVideo as bad:
            return BadVideo(bad.reason, bad.detail)  # without the traceback, which would keep the picture in memory
        return None

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shapes of the clips that can be shown, by the contents of their videos and their sampling."""
        return {_name(file): shape for file, shape in self._shapes.items()}

    def size(self, row: Row, chat: Chat) -> Size:
        """What a row without problems takes in a batch."""
        shapes = [self._shapes[file] for file in self._files(row)]
        for shape in shapes:
            if shape not in self._tokens:
                self._tokens[shape] = chat.clip_tokens(plain_clip(shape))
        text = chat.examples([self.turn(replace(row, videos=()))])["input_ids"].shape[1]
        frames = (*(shape[0] for shape in shapes), len(row.pictures))
        return Size(text + sum(self._tokens[shape] for shape in shapes), frames, row.source, row.kind)

    def turn(self, row: Row) -> Turn:
        """A row without problems, as the model sees it."""
        return Turn(
            row.question,
            [self._frames.clip(*file) for file in self._files(row)],
            row.answer,
            system=row.system,
            later=row.later,
            pictures=tuple(read_picture(path, self._videos[row.source].max_pixels) for path in row.pictures),
        )

    def _files(self, row: Row) -> list[ClipRequest]:
        """The files of a row's videos, without those that cannot be opened."""
        digests = ((path, self.digests[path]) for path in row.videos)
        sampling = self._videos[row.source].sampling(row.span)
        return [(path, found, sampling) for path, found in digests if isinstance(found, str)]


def _name(file: ClipRequest) -> str:
    _, sha256, sampling = file
    return f"{clip_key(sha256, sampling)}-{sampling.still}"  # whether a still clip can be shown
