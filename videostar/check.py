"""Look a data set over before hours are spent on it: every row is read and every video opened, once, if wanted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from videostar.adapters import NoQuestion, load_adapter
from videostar.annotations import SetAside, Split, official_classes
from videostar.config import Cache, Video
from videostar.errors import UserError
from videostar.labels import parse_label
from videostar.progress import Progress
from videostar.questions import Task
from videostar.samples import Data, Sample, load_manifest, open_data
from videostar.video.errors import BadVideo
from videostar.video.pool import look_at
from videostar.video.sample import Sampling

FEW = 5  # training rows: a class with fewer is hardly learnt
_SHOWN = 3  # examples of a problem


@dataclass(frozen=True)
class Counts:
    """What of a split can be used."""

    rows: int
    videos: int
    classes: int
    fewest: tuple[str, int] | None  # the class with the fewest rows
    most: tuple[str, int] | None
    few: dict[str, int]  # every class with fewer than FEW rows


@dataclass(frozen=True)
class Problem:
    """One kind of trouble."""

    what: str
    count: int
    loses_data: bool  # rows or the worth of the held-out figures; else it is only good to know
    examples: list[str]


@dataclass(frozen=True)
class Report:
    """What a check found."""

    data: str  # the manifest
    root: str
    rows: int
    usable: int
    official_classes: int  # 0 where there is no list
    splits: dict[Split, Counts]
    problems: list[Problem]

    @property
    def loses_data(self) -> bool:
        """Whether any problem does."""
        return any(problem.loses_data for problem in self.problems)


def check(
    name: str,
    limit: int | None,
    progress: Progress,
    root: Path | None = None,
    cache: Cache | None = None,
    *,
    contents: bool = True,
    pictures: bool = False,
) -> Report:
    """The data called `name`, as `load_data` takes it, with all that is wrong with it.

    Without `contents` no video is opened: a file that is there counts as good, and as no other's double. With
    `pictures` every one is decoded too, as a run does, so that damage shows; a run then finds its frames in the cache.
    Raises UserError when the manifest or a file of rows is wrong.
    """
    data = open_data(name, limit, progress, root, cache, contents=contents)
    if pictures:
        data = _seen(data, cache or Cache(), progress)
    _, folder, where = load_manifest(name, root)
    splits: dict[Split, list[Sample]] = {"train": data.split("train"), "test": data.split("test")}
    found = [
        *_set_aside(data.set_aside),
        *(Problem(f"no usable {split} video", 1, True, []) for split, samples in splits.items() if not samples),
        *_without_question(data, folder),
        *_two_labels(data.samples),
        *_in_both(splits["train"], splits["test"]),
        *(problem for samples in splits.values() for problem in _same_content(samples)),
        *_never_trained(splits["train"], splits["test"]),
    ]
    return Report(
        data=where,
        root=str(data.root),
        rows=len(data.samples) + len(data.set_aside),
        usable=len(data.samples),
        official_classes=len(official_classes(data.manifest, data.root, where)),
        splits={split: _counts(samples) for split, samples in splits.items()},
        problems=found,
    )


def _seen(data: Data, cache: Cache, progress: Progress) -> Data:
    """The data, less the samples whose videos cannot be decoded as they were encoded."""
    video = Video()
    sampling = Sampling(video.frames, video.max_pixels, video.fps)
    files = {sample.video: (data.root / sample.video, sample.sha256, sampling) for sample in data.samples}
    tick = progress("videos decoded")
    bad: dict[Path, BadVideo] = {}
    for number, ((path, _, _), clip) in enumerate(look_at(cache.frames(), files.values()), start=1):
        if isinstance(clip, BadVideo):
            bad[path] = clip
        tick(number, len(files))
    good: list[Sample] = []
    set_aside = list(data.set_aside)
    for sample in data.samples:
        wrong = bad.get(data.root / sample.video)
        if wrong is None:
            good.append(sample)
        else:
            set_aside.append(SetAside(sample.row, sample.video, wrong.reason, wrong.detail))
    return replace(data, samples=good, set_aside=set_aside)


def _counts(samples: list[Sample]) -> Counts:
    ranked = _classes(samples).most_common()
    return Counts(
        rows=len(samples),
        videos=len({sample.video for sample in samples}),
        classes=len(ranked),
        fewest=ranked[-1] if ranked else None,
        most=ranked[0] if ranked else None,
        few={label: count for label, count in ranked if count < FEW},
    )


def _classes(samples: Iterable[Sample]) -> Counter[str]:
    """Rows by class; the answer to a question of its own is no class."""
    return Counter(sample.label for sample in samples if sample.label and "question" not in sample.values)


def _set_aside(rows: list[SetAside]) -> list[Problem]:
    by_reason: dict[str, list[SetAside]] = defaultdict(list)
    for row in rows:
        by_reason[row.reason].append(row)
    ranked = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    return [
        Problem(
            reason, len(found), True, [f"{row.row}: {row.video or '(no path)'}: {row.mend}" for row in found[:_SHOWN]]
        )
        for reason, found in ranked
    ]


def _without_question(data: Data, folder: Path) -> list[Problem]:
    """Rows that no adapter of the data has a question about, or whose label is not understood."""
    tasks = [Task.load(name, load_adapter(name, folder), data.manifest.prompts) for name in data.manifest.adapters]
    silent: dict[str, list[str]] = {}
    wrong: dict[str, list[str]] = {}
    for sample in data.samples:
        errors: list[UserError] = []
        for task in tasks:
            try:
                parse_label(task.label(sample.values))
            except NoQuestion as error:
                errors.append(error)
            except UserError as error:
                wrong[sample.row] = [f"{task.name}: {error}"]
        if len(errors) == len(tasks):
            silent[sample.row] = [str(errors[0])]
    return [*_groups("nothing to ask", silent, True), *_groups("label not understood", wrong, True)]


def _two_labels(samples: list[Sample]) -> list[Problem]:
    labels: dict[str, str] = {}  # the first of each video: lists would be several times as large
    more: dict[str, list[str]] = {}
    for sample in samples:
        if sample.values.keys() & {"start", "labels", "question"}:  # those may well be several of one video
            continue
        if sample.video in labels:
            more.setdefault(sample.video, [labels[sample.video]]).append(sample.label)
        labels.setdefault(sample.video, sample.label)
    return _groups("two labels of one video", more, True)


def _in_both(train: list[Sample], test: list[Sample]) -> list[Problem]:
    trained = {_content(sample): sample.video for sample in train}
    shared = {sample.video: [trained[_content(sample)]] for sample in test if _content(sample) in trained}
    return _groups("test video also in train", shared, True)


def _same_content(samples: list[Sample]) -> list[Problem]:
    firsts: dict[str, str] = {}
    same: dict[str, dict[str, None]] = {}  # of ordered sets
    for sample in samples:
        first = firsts.setdefault(_content(sample), sample.video)
        if sample.video != first:
            same.setdefault(first, {})[sample.video] = None
    groups = {first: list(others) for first, others in same.items()}
    return _groups(f"same content in {samples[0].split}", groups, False) if samples else []


def _content(sample: Sample) -> str:
    """What a video holds; its path, where it was not opened."""
    return sample.sha256 or sample.video


def _never_trained(train: list[Sample], test: list[Sample]) -> list[Problem]:
    trained = _classes(train)
    unseen = {label: [f"{count} in test"] for label, count in _classes(test).items() if label not in trained}
    return _groups("class without a training row", unseen, False)


def _groups(what: str, groups: Mapping[str, list[str]], loses_data: bool) -> list[Problem]:
    examples = [f"{first}: {', '.join(rest[:_SHOWN])}" for first, rest in list(groups.items())[:_SHOWN]]
    return [Problem(what, len(groups), loses_data, examples)] if groups else []
