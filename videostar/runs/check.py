"""Check a data set before hours are spent on it: every row is read, and every video opened once."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from videostar.adapters.questions import Questions, load_tasks
from videostar.config import Pipeline
from videostar.data.folds import Prediction
from videostar.data.rows import Skipped, Split
from videostar.data.samples import Sample
from videostar.data.source import Data, DataSource, with_frame_rate
from videostar.executors import open_cluster
from videostar.labels.action import Action
from videostar.runs.problems import SHOWN, Problem, class_numbers, groups, unread_scripts
from videostar.runs.row_tally import Counts, RowTally, inner_folders, unread_splits
from videostar.runs.suspects import Suspect, agreement, find_suspects
from videostar.util.progress import Progress
from videostar.video.cluster import VideoCluster
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipRequest, sample_clips

if TYPE_CHECKING:
    from videostar.models.refusals import Refusals

_STILL = "--set video.still=skip skips such videos"
_SUSPECT = {"reason": "suspect label", "detail": "a classifier that never saw the video gives another label"}
_HOW = "its name is ambiguous; --set columns.NAME=NAME reads it"


@dataclass(frozen=True)
class Report:
    """The result of a check. `rows` counts usable and skipped rows."""

    data: str  # the manifest
    root: str
    rows: int
    usable: int
    official_classes: int  # 0 if there is no list
    splits: dict[Split, Counts]
    labels: dict[str, int]  # usable rows by label in words
    skipped: list[Skipped]
    problems: list[Problem]
    suspects: list[Suspect] | None = None  # None: they were not looked for
    agreement: float | None = None  # the share of training labels that the classifier gives too, out of fold

    @property
    def loses_data(self) -> bool:
        """Whether any problem does."""
        return any(problem.loses_data for problem in self.problems)


def check(
    settings: Pipeline,
    progress: Progress,
    *,
    contents: bool = True,
    pictures: bool = False,
    model: bool = False,
    predictions: Sequence[Prediction] | None = None,
) -> Report:
    """What a run with these settings would use of its data, and the problems of the rest.

    Without `contents` no video is opened: an existing file counts as good, and never as a double. With `pictures` every
    video is also decoded, as a run does, so that damage shows; a later run finds the frames in the cache. With the
    executor ray, the nodes of the cluster open and decode. With `model`
    the model's processor is loaded: rows of several videos are skipped if it does not take them, and with `pictures`
    the clips that it refuses. `predictions`, out of fold, show label suspects. Raises UserError if the settings, the
    data manifest, a row file or the model are wrong.
    """
    settings = with_frame_rate(settings)
    source = DataSource.of(settings)
    tasks = load_tasks(source, settings.adapter, settings.prompts, settings.model, settings.distractors)
    refusals = _refusals(settings) if model and (pictures or source.plan.videos > 1) else None
    still: list[Sample] = []
    with open_cluster(settings) as cluster:
        data = source.read(settings.cache if contents else None, progress, cluster)
        if refusals and source.plan.videos > 1 and refusals.one_video_only:
            data = _without_several(data, refusals.one_video_only)
        questions = Questions(data, tasks, settings.seed)
        if pictures:
            data, still = _without_bad_clips(data, questions, settings, refusals, progress, cluster)
            questions = Questions(data, tasks, settings.seed)
    labels: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    about = questions.about
    first = np.sort(np.unique(about, return_index=True)[1]).astype(np.uint32)  # the first question about each sample
    for question in questions.table.questions(first):
        label = question.label
        labels[label.words()] += 1
        if isinstance(label, Action):
            actions[label.name] += 1
    not_asked = data.samples.without(about.tolist())
    broken = {(row.where, row.video): row for row in questions.skipped}
    why = "; ".join(f"{task}: {reason}" for task, reason in questions.why_not.items())
    skipped = list(data.skipped)
    for sample in not_asked:
        row = sample.row, sample.video
        skipped.append(broken.pop(row, Skipped(*row, "nothing to ask", why)))
    data = replace(data, samples=data.samples.select(np.unique(about)))
    found = RowTally.of(data)
    return Report(
        data=source.where,
        root=str(data.root),
        rows=len(data.samples) + len(skipped),
        usable=len(data.samples),
        official_classes=len(source.official_classes()),
        splits={split: rows.counts() for split, rows in found.splits.items()},
        labels=dict(labels.most_common()),
        skipped=skipped,
        suspects=None if predictions is None else find_suspects(questions.split("train"), predictions),
        agreement=None if predictions is None else agreement(predictions),
        problems=[
            *_by_reason(skipped),
            *(
                []
                if found.splits["train"].rows or set(source.manifest.rows) == {"test"}
                else [Problem("no usable train video", 1, True, [])]
            ),
            *(
                []
                if found.splits["test"].rows
                else [Problem("no usable test video", 1, not found.splits["validation"].rows, [])]
            ),
            *_partly_broken(broken.values()),
            *found.two_labels(),
            *class_numbers(actions),
            *unread_scripts(labels),
            *unread_splits(data.samples),
            *(inner_folders(data.samples) if source.manifest.format == "folder" else ()),
            *found.leaks(),
            *found.same_content(),
            *groups("nothing moves", {f"{row.row}: {row.video}": [_STILL] for row in still}, False),
            *found.never_trained(),
            *groups(
                "column not read", {f"{task}: {', '.join(of)}": [_HOW] for task, of in questions.unread.items()}, False
            ),
        ],
    )


def row_table(report: Report) -> str:
    """The skipped rows as a table in CSV, and after them the label suspects, if they were looked for."""
    table = io.StringIO()
    columns = [field.name for field in fields(Skipped)]
    suspects = [] if report.suspects is None else [_SUSPECT | asdict(row) for row in report.suspects]
    if report.suspects is not None:
        columns += [field.name for field in fields(Suspect) if field.name not in columns]
    writer = csv.DictWriter(table, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows([*(asdict(row) for row in report.skipped), *suspects])
    return table.getvalue()


def _refusals(settings: Pipeline) -> Refusals:
    from videostar.models.refusals import Refusals  # loads torch

    return Refusals(settings.spec, settings.video)


def _without_several(data: Data, why: str) -> Data:
    """The data without the rows of several videos."""
    rows = [Skipped(sample.row, sample.video, "refused by the model", why) for sample in data.samples if sample.more]
    several = [place for place, sample in enumerate(data.samples) if sample.more]
    return replace(data, samples=data.samples.without(several), skipped=[*data.skipped, *rows])


def _without_bad_clips(
    data: Data,
    questions: Questions,
    settings: Pipeline,
    refusals: Refusals | None,
    progress: Progress,
    cluster: VideoCluster | None,
) -> tuple[Data, list[Sample]]:
    """The data without the samples whose videos are damaged or refused, and those of the others with a still video."""

    def each() -> Iterator[tuple[int, list[ClipRequest]]]:
        """The place of each sample with a question, and its files."""
        places, last = np.unique(questions.about[::-1], return_index=True)
        of_samples = questions.table.questions((len(questions.about) - 1 - last).astype(np.uint32))
        return zip(places.tolist(), (one.files(data.root, settings.video) for one in of_samples), strict=True)

    def distinct() -> Iterator[ClipRequest]:
        known: set[int] = set()  # hashes, since there may be a million
        for _, of_sample in each():
            for file in of_sample:
                if (key := hash(file)) not in known:
                    known.add(key)
                    yield file

    tick = progress("videos decoded")
    bad: dict[ClipRequest, BadVideo] = {}
    unmoved: set[ClipRequest] = set()
    shapes: dict[ClipRequest, tuple[int, ...]] = {}  # of the clips of rows with several videos
    together = {file for _, of_sample in each() if len(of_sample) > 1 for file in of_sample}
    count = sum(1 for _ in distinct())
    sampled = sample_clips(settings.cache.frames(), distinct(), cluster)
    for number, (file, clip) in enumerate(sampled, start=1):
        wrong = clip if isinstance(clip, BadVideo) else refusals.of_shapes(clip.shape) if refusals else None
        if wrong is not None:
            bad[file] = wrong
        elif not isinstance(clip, BadVideo):
            if file in together:
                shapes[file] = clip.shape
            if clip.still:
                unmoved.add(file)
        tick(number, count)
    dropped: list[int] = []
    still: list[Sample] = []
    skipped = list(data.skipped)
    for place, of_sample in each():
        sample = data.samples[place]
        name, wrong = next(
            ((video.video, bad[file]) for video, file in zip(sample.videos, of_sample, strict=True) if file in bad),
            (sample.video, None),
        )
        if wrong is None and refusals and len(of_sample) > 1:
            wrong = refusals.of_shapes(*(shapes[file] for file in of_sample))
        if wrong is not None:
            dropped.append(place)
            skipped.append(Skipped(sample.row, name, wrong.reason, wrong.detail))
        elif not unmoved.isdisjoint(of_sample):
            still.append(sample)
    return replace(data, samples=data.samples.without(dropped), skipped=skipped), still


def _by_reason(rows: list[Skipped]) -> list[Problem]:
    by_reason: dict[str, list[Skipped]] = defaultdict(list)
    for row in rows:
        by_reason[row.reason].append(row)
    ranked = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    return [Problem(reason, len(found), True, [_line(row) for row in found[:SHOWN]]) for reason, found in ranked]


def _line(row: Skipped) -> str:
    return f"{row.where}: {row.video or '(no path)'}: {row.detail}"


def _partly_broken(rows: Iterable[Skipped]) -> list[Problem]:
    """Rows that one adapter can read and another cannot."""
    return groups("label not understood", {row.where: [row.detail] for row in rows}, True)
