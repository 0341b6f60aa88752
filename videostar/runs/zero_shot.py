"""A model of pictures and texts as a classifier of videos without training (zero-shot, as in CLIP)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import torch

from videostar.config import Data, Pipeline, Video
from videostar.data.measure_videos import measure_videos
from videostar.data.rows import Row, Skipped
from videostar.data.sample_file import SampleFile, SampleWriter
from videostar.data.samples import Sample, make_sample
from videostar.data.source import DataSource
from videostar.evidence.base import Encoded
from videostar.evidence.load import load_evidence
from videostar.models.load import device
from videostar.util.object_path import join
from videostar.util.progress import Tick
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipRequest, iter_clips

_TOGETHER = 256  # videos that are compared with the texts at once
_UNREAD = dict.fromkeys(("label", "split", "trust"))  # columns that a row file of unlabelled videos may have


@dataclass(frozen=True)
class Videos:
    """Videos that can be opened, and the rows that are skipped."""

    source: DataSource
    samples: SampleFile
    skipped: list[Skipped]

    @classmethod
    def read(cls, source: DataSource, settings: Pipeline, tick: Tick) -> Self:
        """The videos of all rows but those for test, each opened once. Raises UserError for a wrong file."""
        count = source.plan.rows  # raises for a wrong root too
        rows = (replace(row, split="train") if isinstance(row, Row) else row for row in source.rows() if not _held(row))
        writer, skipped = SampleWriter(), list[Skipped]()
        measured = measure_videos(islice(rows, source.limit), source.places, settings.cache, source.frame_rate)
        for done, item in enumerate(measured, start=1):
            tick(done, min(count, source.limit or count))
            sample = item if isinstance(item, Skipped) else make_sample(item)
            if isinstance(sample, Skipped):
                skipped.append(sample)
            elif sample.more:
                skipped.append(Skipped(sample.row, sample.video, "several videos", "give a row of its own to each"))
            else:
                writer.add(sample)
        return cls(source, writer.samples(), skipped)


def _held(row: Row | Skipped) -> bool:
    return isinstance(row, Row) and row.split == "test"


def unlabelled(settings: Pipeline, videos: str) -> DataSource:
    """A folder of videos, with those in folders below it, or a row file. Raises UserError if there is none."""
    is_folder = Path(videos).expanduser().is_dir()
    source = DataSource.find(
        settings.data.model_copy(update={"name": videos, "classes": None}),
        root=None if is_folder else settings.root,
        columns=None if is_folder else {**settings.columns, **_UNREAD},
        limit=settings.limit,
        frame_rate=settings.video.frame_rate,
    )
    if not is_folder:
        return source
    return replace(source, manifest=source.manifest.model_copy(update={"format": "videos", "files": {}}))


def labelled(settings: Pipeline, rows: str, classes: Path) -> DataSource:
    """Labelled videos in any form of `--data`; of other labels than `classes`, rows are skipped. Raises UserError."""
    data = Data(name=rows, classes=str(classes), encoding=settings.data.encoding)
    columns = {**settings.columns, "trust": None}
    return DataSource.find(data, root=settings.root, columns=columns, frame_rate=settings.video.frame_rate)


class ZeroShot:
    """Compares videos with a text for each label, or several."""

    def __init__(self, settings: Pipeline, model: str, labels: Sequence[str], templates: Sequence[str]) -> None:
        """Loads the evidence `model`. In each template `{label}` stands for the label, whose `_` become blanks.

        Raises UserError if the model cannot be read.
        """
        self._model = load_evidence(model, device(settings.spec))
        self._frames = settings.cache.frames()
        self._video = settings.video.model_copy(update={"max_pixels": self._model.max_pixels, "still": "keep"})
        self._shape = len(labels), len(templates)
        self._texts = [one.replace("{label}", label.replace("_", " ")) for label in labels for one in templates]

    def logits(self, videos: Videos, tick: Tick) -> Iterator[tuple[Sample, np.ndarray]]:
        """Each video with its logits [labels], the means over the templates. Videos without frames are skipped."""
        pending: list[tuple[Sample, Encoded]] = []
        video = self._video.model_copy(update={"frame_rate": videos.source.frame_rate})
        files = (_file(videos.source.root, sample, video) for sample in videos.samples)
        shown = zip(videos.samples, iter_clips(self._frames, files), strict=True)
        for done, (sample, (_, clip)) in enumerate(shown, start=1):
            tick(done, len(videos.samples))
            if isinstance(clip, BadVideo):
                videos.skipped.append(Skipped(sample.row, sample.video, clip.reason, clip.detail))
                continue
            pending.append((sample, self._model.encode([clip])))
            if len(pending) == _TOGETHER:
                yield from self._compared(pending)
                pending = []
        yield from self._compared(pending)

    def _compared(self, encoded: Sequence[tuple[Sample, Encoded]]) -> Iterator[tuple[Sample, np.ndarray]]:
        if encoded:
            clips = tuple(map(torch.cat, zip(*(parts for _, parts in encoded), strict=True)))
            logits = self._model.similarity(clips, self._texts).cpu().double().numpy()
            means = logits.reshape(-1, *self._shape).mean(axis=2)
            yield from zip((sample for sample, _ in encoded), means, strict=True)


def _file(root: Path, sample: Sample, video: Video) -> ClipRequest:
    start, end = sample.values.get("start"), sample.values.get("end")
    span = None
    if video.within == "label" and start is not None and end is not None:
        span = (float(start) - video.margin, float(end) + video.margin)
    return join(root, sample.video), sample.sha256, video.sampling(span)
