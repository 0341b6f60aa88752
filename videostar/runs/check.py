"""Look a data set over before hours are spent on it: every row is read and every video opened, once, if wanted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from videostar.adapters.questions import Questions, load_tasks
from videostar.config import Pipeline
from videostar.data.formats import official_classes
from videostar.data.leaks import content, find_leaks
from videostar.data.rows import Skipped, Split
from videostar.data.samples import Sample
from videostar.data.source import Data, open_data
from videostar.util.progress import Progress
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipRequest, iter_clips

FEW = 5  # training rows: a class with fewer is hardly learnt
_SHOWN = 3  # examples of a problem
_HOW = "its name does not tell enough; --set columns.NAME=NAME has it read"


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
    """What a check found. `rows` are the usable and the skipped ones together."""

    data: str  # the manifest
    root: str
    rows: int
    usable: int
    official_classes: int  # 0 where there is no list
    splits: dict[Split, Counts]
    labels: dict[str, int]  # usable rows by label in words, as answers are judged by it
    skipped: list[Skipped]
    problems: list[Problem]

    @property
    def loses_data(self) -> bool:
        """Whether any problem does."""
        return any(problem.loses_data for problem in self.problems)


def check(settings: Pipeline, progress: Progress, *, contents: bool = True, pictures: bool = False) -> Report:
    """What a run with these settings would use of its data, and all that is wrong with the rest.

    Without `contents` no video is opened: a file that is there counts as good, and as no other's double. With
    `pictures` every one is decoded too, as a run does, so that damage shows; a run then finds its frames in the cache.
    Raises UserError when the settings, the manifest or a file of rows are wrong.
    """
    tasks = load_tasks(settings)
    root = Path(settings.root).expanduser() if settings.root else None
    data = open_data(settings.data, settings.limit, progress, root, settings.cache, settings.columns, contents=contents)
    questions = Questions(data, tasks, settings.seed)
    if pictures:
        data, questions = _seen(data, questions, settings, progress)
    labels: Counter[str] = Counter()
    asked: set[int] = set()  # of samples, by identity: there may be a million
    for question in questions.all():
        if id(question.sample) not in asked:
            asked.add(id(question.sample))
            labels[question.label.words()] += 1
    broken = {(row.where, row.video): row for row in questions.set_aside}
    why = "; ".join(f"{task}: {reason}" for task, reason in questions.why_not.items())
    skipped = list(data.set_aside)
    for sample in data.samples:
        if id(sample) not in asked:
            place = sample.row, sample.video
            skipped.append(broken.pop(place, Skipped(*place, "nothing to ask", why)))
    data = replace(data, samples=[sample for sample in data.samples if id(sample) in asked])
    splits: dict[Split, list[Sample]] = {split: data.split(split) for split in ("train", "validation", "test")}
    return Report(
        data=data.where,
        root=str(data.root),
        rows=len(data.samples) + len(skipped),
        usable=len(data.samples),
        official_classes=len(official_classes(data.manifest, data.root, data.where)),
        splits={split: _counts(samples) for split, samples in splits.items()},
        labels=dict(labels.most_common()),
        skipped=skipped,
        problems=[
            *_by_reason(skipped),
            *([] if splits["train"] else [Problem("no usable train video", 1, True, [])]),
            *([] if splits["test"] else [Problem("no usable test video", 1, not splits["validation"], [])]),
            *_partly_broken(broken.values()),
            *_two_labels(data.samples),
            *_groups(
                "video also held out", {row.video: [row.reason] for row in find_leaks(data.samples).values()}, True
            ),
            *(problem for samples in splits.values() for problem in _same_content(samples)),
            *_never_trained(splits["train"], [*splits["validation"], *splits["test"]]),
            *_groups(
                "column not read", {f"{task}: {', '.join(of)}": [_HOW] for task, of in questions.unread.items()}, False
            ),
        ],
    )


def _seen(data: Data, questions: Questions, settings: Pipeline, progress: Progress) -> tuple[Data, Questions]:
    """Data and questions, less those about videos that cannot be decoded as they were encoded."""
    asked = {id(question.sample): question.sampling(settings.video) for question in questions.all()}
    files: dict[int, ClipRequest] = {
        id(sample): (data.root / sample.video, sample.sha256, asked[id(sample)])
        for sample in data.samples
        if id(sample) in asked
    }
    distinct = dict.fromkeys(files.values())
    tick = progress("videos decoded")
    bad: dict[ClipRequest, BadVideo] = {}
    for number, (file, clip) in enumerate(iter_clips(settings.cache.frames(), distinct), start=1):
        if isinstance(clip, BadVideo):
            bad[file] = clip
        tick(number, len(distinct))
    good: list[Sample] = []
    set_aside = list(data.set_aside)
    for sample in data.samples:
        wrong = bad.get(files[id(sample)]) if id(sample) in files else None
        if wrong is None:
            good.append(sample)
        else:
            set_aside.append(Skipped(sample.row, sample.video, wrong.reason, wrong.detail))
    data = replace(data, samples=good, set_aside=set_aside)
    return data, Questions(data, questions.tasks, settings.seed)


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


def _by_reason(rows: list[Skipped]) -> list[Problem]:
    by_reason: dict[str, list[Skipped]] = defaultdict(list)
    for row in rows:
        by_reason[row.reason].append(row)
    ranked = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    return [Problem(reason, len(found), True, [_line(row) for row in found[:_SHOWN]]) for reason, found in ranked]


def _line(row: Skipped) -> str:
    return f"{row.where}: {row.video or '(no path)'}: {row.detail}"


def _partly_broken(rows: Iterable[Skipped]) -> list[Problem]:
    """Rows that one adapter asks about and another does not understand."""
    return _groups("label not understood", {row.where: [row.detail] for row in rows}, True)


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


def _same_content(samples: list[Sample]) -> list[Problem]:
    firsts: dict[str, str] = {}
    same: dict[str, dict[str, None]] = {}  # of ordered sets
    for sample in samples:
        first = firsts.setdefault(content(sample), sample.video)
        if sample.video != first:
            same.setdefault(first, {})[sample.video] = None
    groups = {first: list(others) for first, others in same.items()}
    return _groups(f"same content in {samples[0].split}", groups, False) if samples else []


def _never_trained(train: list[Sample], held_out: list[Sample]) -> list[Problem]:
    trained = _classes(train)
    unseen = {label: [f"{count} held out"] for label, count in _classes(held_out).items() if label not in trained}
    return _groups("class without a training row", unseen, False)


def _groups(what: str, groups: Mapping[str, list[str]], loses_data: bool) -> list[Problem]:
    examples = [f"{first}: {', '.join(rest[:_SHOWN])}" for first, rest in list(groups.items())[:_SHOWN]]
    return [Problem(what, len(groups), loses_data, examples)] if groups else []
