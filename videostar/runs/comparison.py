"""Runs side by side: the settings that differ, and the figures with their spread over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from videostar.runs.run_groups import OpenedRun, differing, grouped, names, open_runs, same_questions
from videostar.runs.stage_names import PARTS
from videostar.stages.evaluation import compare_outcomes
from videostar.stages.uncertainty import paired_interval, welch_interval
from videostar.util.errors import UserError

#: How two groups are compared; see `Difference`.
Method = Literal["paired by seed", "Welch", "paired by question", "none"]


@dataclass(frozen=True)
class Spread:
    """A figure of the runs of a group.

    Attributes:
        n: The number of runs that have it.
        mean: Their mean.
        sd: Their sample standard deviation; None for one run.
        min: The lowest.
        max: The highest.
        ci95: Of an accuracy of one run, the 95 % interval over its questions; else None.
    """

    n: int
    mean: float
    sd: float | None
    min: float
    max: float
    ci95: tuple[float, float] | None = None


@dataclass(frozen=True)
class ComparedRun:
    """A run of a group.

    Attributes:
        folder: Its folder, as given.
        seed: Its seed.
        next: The next stage of an unfinished run; None: it is finished.
        accuracy: Held-out accuracy by round, 0 being the base model, as far as the run is. None: no test rows.
        best: The round with the highest validation accuracy; None without a validation split.
    """

    folder: str
    seed: int
    next: str | None
    accuracy: list[float | None]
    best: int | None


@dataclass(frozen=True)
class Group:
    """Runs that differ only in their seeds.

    Attributes:
        name: A short name, different from those of the other groups.
        runs: Its runs, in the order given.
    """

    name: str
    runs: list[ComparedRun]


@dataclass(frozen=True)
class RoundFigures:
    """A round of a group, over the runs that have evaluated it; 0 is the base model.

    Attributes:
        round: Its number.
        accuracy: Held-out accuracy.
        kept: Rows of its dataset version; None for round 0.
    """

    round: int
    accuracy: Spread | None
    kept: Spread | None


@dataclass(frozen=True)
class Difference:
    """The mean held-out accuracy of a group minus that of the first group, of the same `measure`.

    Attributes:
        method: `paired by seed` (Student's t), if both groups have the same seeds, several and each once; `Welch`, if
            both have several runs; `paired by question` (clustered by video), if both are one run; else `none`.
        value: The difference; of `paired by question`, on the questions in both runs.
        ci95: Its 95 % interval. None for `none`, and if no run differs from the others, so that nothing is known of
            the spread.
        n: The number of pairs, or of runs of the group.
    """

    method: Method
    value: float
    ci95: tuple[float, float] | None
    n: int


@dataclass(frozen=True)
class GroupFigures:
    """The figures of a group. All but `rounds` are of its finished runs, and None if there is none.

    Attributes:
        rounds: Round by round.
        best: Held-out accuracy of the best round of each run, which is selected on validation.
        validation: Validation accuracy of that round: what settings are chosen by.
        last: Held-out accuracy of the last round of each run.
        seconds: In all stages (`all`), and by kind of stage.
        against: The difference from the first group; None for the first.
    """

    rounds: list[RoundFigures]
    best: Spread | None
    validation: Spread | None
    last: Spread | None
    seconds: dict[str, Spread]
    against: Difference | None


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        groups: Runs that differ only in their seeds, in the order given. The first is the one compared with.
        settings: By dotted name, each setting that differs: its value in each group, None where it has none. Files
            and models stand with their names if their content differs.
        figures: The figures of each group, in the order of `groups`.
        measure: The round that `against` compares: `best` if every finished run has one, else `last`.
        notes: What a reader must know: unfinished runs, other held-out questions.
    """

    groups: list[Group]
    settings: dict[str, list[Any]]
    figures: list[GroupFigures]
    measure: Literal["best", "last"]
    notes: list[str]


def compare_runs(paths: Iterable[Path | str]) -> Comparison:
    """Compare runs: the settings that differ, and the figures with their spread over seeds.

    Args:
        paths: Folders of runs, or folders with runs in them, such as that of `videostar cycle --seeds`. The first run
            is in the group that the others are compared with.

    Raises:
        UserError: A folder is no run, or there are fewer than two runs.
    """
    runs = open_runs([Path(path) for path in paths])
    if len(runs) < 2:
        given = ", ".join(str(run.folder) for run in runs) or "none"
        raise UserError(f"compare: needs two runs or more, given: {given}; videostar status shows one run")
    return comparison(runs)


def comparison(runs: Sequence[OpenedRun]) -> Comparison:
    """The comparison of runs, or of a single one."""
    groups = grouped(runs)
    titles = names(groups)
    finished = [[run for run in group if run.next is None] for group in groups]
    measure: Literal["best", "last"] = (
        "best" if all(run.manifest.best for group in finished for run in group) else "last"
    )
    return Comparison(
        groups=[Group(name, list(map(_run, group))) for name, group in zip(titles, groups, strict=True)],
        settings=differing(groups),
        figures=[
            _figures(group, done, _difference(done, finished[0], measure) if number else None)
            for number, (group, done) in enumerate(zip(groups, finished, strict=True))
        ],
        measure=measure,
        notes=list(_notes(dict(zip(titles, groups, strict=True)))),
    )


def _run(run: OpenedRun) -> ComparedRun:
    best = run.manifest.best
    accuracy = [run.facts(number, "evaluate")["accuracy"] for number in run.rounds]
    return ComparedRun(str(run.folder), run.seed, run.next, accuracy, best.round if best else None)


def _figures(group: Sequence[OpenedRun], finished: Sequence[OpenedRun], against: Difference | None) -> GroupFigures:
    bests = [best for run in finished if (best := run.manifest.best)]
    return GroupFigures(
        rounds=[_round(group, number) for number in sorted({number for run in group for number in run.rounds})],
        best=_accuracy([(run, _measured(run, "best")) for run in finished]),
        validation=_spread([best.accuracy for best in bests]),
        last=_accuracy([(run, _measured(run, "last")) for run in finished]),
        seconds=_seconds(finished),
        against=against,
    )


def _round(group: Sequence[OpenedRun], number: int) -> RoundFigures:
    runs = [run for run in group if number in run.rounds]
    kept = _spread([run.facts(number, "version").get("rows") for run in runs])
    return RoundFigures(number, _accuracy([(run, number) for run in runs]), kept)


def _measured(run: OpenedRun, measure: str) -> int | None:
    """The round that is compared."""
    if measure == "last":
        return run.rounds[-1]
    return run.manifest.best.round if run.manifest.best else None


def _accuracy(rounds: Sequence[tuple[OpenedRun, int | None]]) -> Spread | None:
    """The spread of the accuracy of a round of each run."""
    facts = [run.facts(number, "evaluate") for run, number in rounds if number is not None]
    intervals = [found.get("ci95") for found in facts if found["accuracy"] is not None]
    return _spread([found["accuracy"] for found in facts], intervals[0] if len(intervals) == 1 else None)


def _seconds(finished: Sequence[OpenedRun]) -> dict[str, Spread]:
    found = {}
    for name in ("all", *PARTS):
        stages = [run.manifest.stages.items() for run in finished]
        sums = [sum(stage.seconds for key, stage in one if name == "all" or key.endswith(f"/{name}")) for one in stages]
        if (spread := _spread(sums)) is not None:
            found[name] = spread
    return found


def _spread(values: Sequence[float | None], ci95: Sequence[float] | None = None) -> Spread | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    deviation = statistics.stdev(known) if len(known) > 1 else None
    interval = (ci95[0], ci95[1]) if ci95 else None
    return Spread(len(known), statistics.fmean(known), deviation, min(known), max(known), interval)


def _difference(runs: Sequence[OpenedRun], base: Sequence[OpenedRun], measure: str) -> Difference | None:
    """None if a group has no finished run with an accuracy."""
    sides = []
    for side in (runs, base):
        rounds = [(run, number) for run in side if (number := _measured(run, measure)) is not None]
        known = [(run, number, run.facts(number, "evaluate")["accuracy"]) for run, number in rounds]
        sides.append(sorted((one for one in known if one[2] is not None), key=lambda one: one[0].seed))
    after, before = ([value for *_, value in side] for side in sides)
    if not after or not before:
        return None
    seeds, others = ([run.seed for run, *_ in side] for side in sides)
    value = statistics.fmean(after) - statistics.fmean(before)
    if len(after) == len(before) == 1:
        pairs = compare_outcomes(*(run.outcomes(number) for ((run, number, _),) in sides))
        if pairs is not None:
            return Difference("paired by question", pairs["difference"], tuple(pairs["ci95"]), pairs["n"])
    elif seeds == others and all(one < two for one, two in pairwise(seeds)):
        return Difference("paired by seed", value, paired_interval(after, before), len(after))
    elif min(len(after), len(before)) > 1:
        return Difference("Welch", value, welch_interval(after, before), len(after))
    return Difference("none", value, None, len(after))


def _notes(groups: Mapping[str, Sequence[OpenedRun]]) -> Iterable[str]:
    first = next(iter(groups.values()))[0]
    for name, group in groups.items():
        for run in group:
            if run.next is not None:
                yield f"{run.folder}: unfinished, next: {run.next}; it counts only in its rounds"
            if not same_questions(run, first):
                both = len((run.held_out or frozenset()) & (first.held_out or frozenset()))
                yield (
                    f"{run.folder}: its held-out questions are not those of {first.folder}: {both} of "
                    f"{len(run.held_out or ())} are in both, and the difference of their accuracies may be due to that"
                )
        if len({run.seed for run in group}) < len(group):
            yield f"{name}: several of its runs have the same seed, so their spread is not that over seeds"
