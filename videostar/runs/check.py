"""Check a data set before hours are spent on it: every row is read, and every video opened once."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from videostar.adapters.questions import Questions, load_tasks
from videostar.config import Pipeline
from videostar.data.leaks import content, find_leaks
from videostar.data.rows import Skipped, Split
from videostar.data.samples import Sample
from videostar.data.source import Data, DataSource, with_frame_rate
from videostar.data.splits import split_named
from videostar.executors import open_cluster
from videostar.labels.action import Action
from videostar.runs.problems import SHOWN, Problem, class_numbers, unread_scripts
from videostar.util.progress import Progress
from videostar.video.cluster import VideoCluster
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipRequest, sample_clips

if TYPE_CHECKING:
    from videostar.models.refusals import Refusals

FEW = 5  # training rows: a class with fewer is hardly learned
_STILL = "--set video.still=skip skips such videos"
_SPLIT_COLUMNS = frozenset("set subset splits partition phase usage fold".split())
_HOW = "its name is ambiguous; --set columns.NAME=NAME reads it"


@dataclass(frozen=True)
class Counts:
    """The usable rows of a split."""

    rows: int
    videos: int
    classes: int
    fewest: tuple[str, int] | None  # the class with the fewest rows
    most: tuple[str, int] | None
    few: dict[str, int]  # every class with fewer than FEW rows


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

    @property
    def loses_data(self) -> bool:
        """Whether any problem does."""
        return any(problem.loses_data for problem in self.problems)


def check(
    settings: Pipeline, progress: Progress, *, contents: bool = True, pictures: bool = False, model: bool = False
) -> Report:
    """What a run with these settings would use of its data, and the problems of the rest.

    Without `contents` no video is opened: an existing file counts as good, and never as a double. With `pictures` every
    video is also decoded, as a run does, so that damage shows; a later run finds the frames in the cache. With the
    executor ray, the nodes of the cluster open and decode. With `model`
    the model's processor is loaded: rows of several videos are skipped if it does not take them, and with `pictures`
    the clips that it refuses. Raises UserError if the settings, the data manifest, a row file or the model are wrong.
    """
    settings = with_frame_rate(settings)
    source = DataSource.of(settings)
    tasks = load_tasks(source, settings.adapter, settings.prompts, settings.model)
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
    # Samples by the identity of their objects, in arrays, since there may be a million.
    every = questions.all()
    about = np.fromiter((id(question.sample) for question in every), np.uint64, len(every))
    for place in np.sort(np.unique(about, return_index=True)[1]).tolist():  # the first question about each sample
        label = every[place].label
        labels[label.words()] += 1
        if isinstance(label, Action):
            actions[label.name] += 1
    asked = np.isin(np.fromiter(map(id, data.samples), np.uint64, len(data.samples)), about).tolist()
    broken = {(row.where, row.video): row for row in questions.skipped}
    why = "; ".join(f"{task}: {reason}" for task, reason in questions.why_not.items())
    skipped = list(data.skipped)
    for sample, is_asked in zip(data.samples, asked, strict=True):
        if not is_asked:
            row = sample.row, sample.video
            skipped.append(broken.pop(row, Skipped(*row, "nothing to ask", why)))
    data = replace(data, samples=list(compress(data.samples, asked)))
    splits: dict[Split, list[Sample]] = {split: data.split(split) for split in ("train", "validation", "test")}
    return Report(
        data=source.where,
        root=str(data.root),
        rows=len(data.samples) + len(skipped),
        usable=len(data.samples),
        official_classes=len(source.official_classes()),
        splits={split: _counts(samples) for split, samples in splits.items()},
        labels=dict(labels.most_common()),
        skipped=skipped,
        problems=[
            *_by_reason(skipped),
            *(
                []
                if splits["train"] or set(source.manifest.rows) == {"test"}
                else [Problem("no usable train video", 1, True, [])]
            ),
            *([] if splits["test"] else [Problem("no usable test video", 1, not splits["validation"], [])]),
            *_partly_broken(broken.values()),
            *_two_labels(data.samples),
            *class_numbers(actions),
            *unread_scripts(labels),
            *_unread_splits(data.samples),
            *(_inner_folders(data.samples) if source.manifest.format == "folder" else ()),
            *_groups(
                "video also held out", {row.video: [row.reason] for row in find_leaks(data.samples).values()}, True
            ),
            *(problem for samples in splits.values() for problem in _same_content(samples)),
            *_groups("nothing moves", {f"{row.row}: {row.video}": [_STILL] for row in still}, False),
            *_never_trained(splits["train"], [*splits["validation"], *splits["test"]]),
            *_groups(
                "column not read", {f"{task}: {', '.join(of)}": [_HOW] for task, of in questions.unread.items()}, False
            ),
        ],
    )


def skipped_table(report: Report) -> str:
    """The skipped rows as a table in CSV."""
    table = io.StringIO()
    columns = [field.name for field in fields(Skipped)]
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in report.skipped)
    return table.getvalue()


def _refusals(settings: Pipeline) -> Refusals:
    from videostar.models.refusals import Refusals  # loads torch

    return Refusals(settings.spec, settings.video)


def _without_several(data: Data, why: str) -> Data:
    """The data without the rows of several videos."""
    rows = [Skipped(sample.row, sample.video, "refused by the model", why) for sample in data.samples if sample.more]
    single = [sample for sample in data.samples if not sample.more]
    return replace(data, samples=single, skipped=[*data.skipped, *rows])


def _without_bad_clips(
    data: Data,
    questions: Questions,
    settings: Pipeline,
    refusals: Refusals | None,
    progress: Progress,
    cluster: VideoCluster | None,
) -> tuple[Data, list[Sample]]:
    """The data without the samples whose videos are damaged or refused, and those of the others with a still video."""
    files = {id(question.sample): question.files(data.root, settings.video) for question in questions.all()}
    distinct = dict.fromkeys(file for of_sample in files.values() for file in of_sample)
    tick = progress("videos decoded")
    bad: dict[ClipRequest, BadVideo] = {}
    unmoved: set[ClipRequest] = set()
    shapes: dict[ClipRequest, tuple[int, ...]] = {}  # of the clips of rows with several videos
    together = {file for of_sample in files.values() if len(of_sample) > 1 for file in of_sample}
    sampled = sample_clips(settings.cache.frames(), distinct, cluster)
    for number, (file, clip) in enumerate(sampled, start=1):
        wrong = clip if isinstance(clip, BadVideo) else refusals.of_shapes(clip.shape) if refusals else None
        if wrong is not None:
            bad[file] = wrong
        elif not isinstance(clip, BadVideo):
            if file in together:
                shapes[file] = clip.shape
            if clip.still:
                unmoved.add(file)
        tick(number, len(distinct))
    good: list[Sample] = []
    still: list[Sample] = []
    skipped = list(data.skipped)
    for sample in data.samples:
        of_sample = files.get(id(sample), [])
        name, wrong = next(
            ((video.video, bad[file]) for video, file in zip(sample.videos, of_sample, strict=False) if file in bad),
            (sample.video, None),
        )
        if wrong is None and refusals and len(of_sample) > 1:
            wrong = refusals.of_shapes(*(shapes[file] for file in of_sample))
        if wrong is None:
            good.append(sample)
            if not unmoved.isdisjoint(of_sample):
                still.append(sample)
        else:
            skipped.append(Skipped(sample.row, name, wrong.reason, wrong.detail))
    return replace(data, samples=good, skipped=skipped), still


def _counts(samples: list[Sample]) -> Counts:
    ranked = _classes(samples).most_common()
    return Counts(
        rows=len(samples),
        videos=len({video.video for sample in samples for video in sample.videos}),
        classes=len(ranked),
        fewest=ranked[-1] if ranked else None,
        most=ranked[0] if ranked else None,
        few={label: count for label, count in ranked if count < FEW},
    )


def _classes(samples: Iterable[Sample]) -> Counter[str]:
    """Rows by class. A row with a question of its own has an answer, not a class."""
    return Counter(sample.label for sample in samples if sample.label and "question" not in sample.values)


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
    return _groups("label not understood", {row.where: [row.detail] for row in rows}, True)


def _unread_splits(samples: list[Sample]) -> list[Problem]:
    """Columns that seem to name splits and are not read."""
    names = [name for name in samples[0].values if name.strip().lower() in _SPLIT_COLUMNS] if samples else []
    found = [name for name in names if all(split_named(str(sample.values.get(name))) for sample in samples)]
    examples = [f"{name}: it seems to name the splits; --set columns.split={name} reads it" for name in found]
    return [Problem("split column not read", len(found), False, examples)] if found else []


def _inner_folders(samples: list[Sample]) -> list[Problem]:
    """Folders in class folders, by which a class may be meant."""
    inner: dict[str, list[str]] = {}
    for sample in samples:
        folders = sample.video.split("/")[:-1]
        depth = folders.index(sample.values["label"]) + 1
        if len(folders) > depth:
            inner.setdefault("/".join(folders[: depth + 1]), [f"used as {sample.label!r}"])
    return _groups("folder in a class folder", inner, False)


def _two_labels(samples: list[Sample]) -> list[Problem]:
    labels: dict[str, str] = {}  # the first of each video; lists would take several times the memory
    more: dict[str, list[str]] = {}
    for sample in samples:
        if sample.more or sample.values.keys() & {"start", "labels", "question"}:  # a video may have several of those
            continue
        if sample.video in labels:
            more.setdefault(sample.video, [labels[sample.video]]).append(sample.label)
        labels.setdefault(sample.video, sample.label)
    return _groups("two labels of one video", more, True)


def _same_content(samples: list[Sample]) -> list[Problem]:
    firsts: dict[str, str] = {}
    same: dict[str, dict[str, None]] = {}  # ordered sets
    for video in (video for sample in samples for video in sample.videos):
        first = firsts.setdefault(content(video), video.video)
        if video.video != first:
            same.setdefault(first, {})[video.video] = None
    groups = {first: list(others) for first, others in same.items()}
    return _groups(f"same content in {samples[0].split}", groups, False) if samples else []


def _never_trained(train: list[Sample], held_out: list[Sample]) -> list[Problem]:
    trained = _classes(train)
    unseen = {label: [f"{count} held out"] for label, count in _classes(held_out).items() if label not in trained}
    return _groups("class without a training row", unseen, False)


def _groups(what: str, groups: Mapping[str, list[str]], loses_data: bool) -> list[Problem]:
    examples = [f"{first}: {', '.join(rest[:SHOWN])}" for first, rest in list(groups.items())[:SHOWN]]
    return [Problem(what, len(groups), loses_data, examples)] if groups else []
