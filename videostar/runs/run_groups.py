"""Runs that differ only in their seeds form a group, and groups differ in settings or in what they read.

What a run reads is identified by digests, not by places. The digest of the data depends on the seed, which draws the
phrasing of each question. So the data of runs with different seeds are the same if data, adapter and prompts have the
same file names and the held-out questions are the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from videostar.runs.manifest import Manifest, open_run, remaining
from videostar.runs.settings_diff import without_places
from videostar.runs.stage_names import RoundFiles
from videostar.stages.evaluation import Outcomes, read_outcomes
from videostar.util.errors import UserError

_DATA = ("data.name", "data.classes", "adapter", "prompts")


@dataclass(frozen=True)
class OpenedRun:
    """A run on disk, and what it is compared by."""

    folder: Path
    manifest: Manifest

    @property
    def seed(self) -> int:
        """Its seed."""
        return self.manifest.settings.seed

    @property
    def next(self) -> str | None:
        """The next stage of an unfinished run."""
        return next(iter(remaining(self.manifest)), None)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """By dotted name, without places and the seed."""
        settings = self.manifest.settings
        found = {name: value for name, value in without_places(settings).items() if name != "seed"}
        return found | {"stop.patience": settings.stop.patience}  # it may change in a run, and its result with it

    @cached_property
    def files(self) -> dict[str, str | None]:
        """The names of the files that decide on the questions, without their folders."""
        settings = self.manifest.settings
        values = (settings.data.name, settings.data.classes, settings.adapter, settings.prompts)
        return {name: value and Path(value).name for name, value in zip(_DATA, values, strict=True)}

    @cached_property
    def digests(self) -> dict[str, tuple[str | None, str | None]]:
        """By setting, the file name and the digest of what does not depend on the seed."""
        manifest = self.manifest
        mix, judge = manifest.settings.mix, manifest.settings.judge
        return {
            "model": (Path(manifest.settings.model).name, manifest.model),
            "mix.data": (", ".join(source.path.name for source in mix.sources) if mix else None, manifest.mix),
            "judge.model": (judge.model if judge else None, manifest.judge),
        }

    @property
    def rounds(self) -> list[int]:
        """The rounds that are evaluated."""
        names = self.manifest.stages
        return [n for n in range(self.manifest.settings.rounds + 1) if f"{n:02}/evaluate" in names]

    def facts(self, number: int, part: str) -> dict[str, Any]:
        """The figures of a stage; empty if it is not finished."""
        stage = self.manifest.stages.get(f"{number:02}/{part}")
        return stage.facts if stage else {}

    def outcomes(self, number: int) -> Outcomes:
        """The outcomes of a round's answers to the test split."""
        ledger = RoundFiles(self.folder, number).evaluation.with_suffix(".jsonl")
        if not ledger.is_file():
            raise UserError(f"{ledger}: no such file; restore it: runs are compared question by question")
        return read_outcomes(ledger)

    @cached_property
    def held_out(self) -> frozenset[str] | None:
        """The ids of the test questions; None if the base model is not evaluated yet."""
        return frozenset(self.outcomes(0)) if 0 in self.rounds else None

    @property
    def skipped(self) -> int:
        """Test questions about videos that could not be shown."""
        facts = self.facts(0, "evaluate")
        count: int = facts.get("skipped", facts.get("set_aside", 0))  # its name up to format 3
        return count


def open_runs(paths: Sequence[Path]) -> list[OpenedRun]:
    """The runs at `paths`: folders of runs, their manifests, or folders with runs in them. Each run counts once.

    Raises UserError for anything else, with the nearest name.
    """
    opened: dict[Path, OpenedRun] = {}
    for path in paths:
        inside = [] if (path / "manifest.json").is_file() else sorted(path.glob("*/manifest.json"), key=_natural)
        for one in inside or [path]:
            run = OpenedRun(*open_run(one))
            opened.setdefault(run.folder.resolve(), run)
    return list(opened.values())


def _natural(path: Path) -> tuple[int, str]:
    """seed-2 before seed-10."""
    name = path.parent.name
    return len(name), name


def same_questions(a: OpenedRun, b: OpenedRun) -> bool:
    """Whether both have the same test questions, apart from videos that could not be shown."""
    if a.seed == b.seed and a.manifest.data == b.manifest.data:
        return True
    if a.held_out is None or b.held_out is None:
        return True  # nothing is evaluated that could be of others
    return len(a.held_out ^ b.held_out) <= a.skipped + b.skipped


def _same_data(a: OpenedRun, b: OpenedRun) -> bool:
    if a.seed == b.seed:
        return a.manifest.data == b.manifest.data
    return a.files == b.files and same_questions(a, b)


def _same(a: OpenedRun, b: OpenedRun) -> bool:
    """Whether they differ in nothing but the seed."""
    content = [[digest for _, digest in run.digests.values()] for run in (a, b)]
    return a.settings == b.settings and content[0] == content[1] and _same_data(a, b)


def grouped(runs: Sequence[OpenedRun]) -> list[list[OpenedRun]]:
    """Runs that differ only in their seeds, in the order given."""
    groups: list[list[OpenedRun]] = []
    for run in runs:
        found = next((group for group in groups if all(_same(run, other) for other in group)), None)
        if found is None:
            groups.append([run])
        else:
            found.append(run)
    return groups


def differing(groups: Sequence[Sequence[OpenedRun]]) -> dict[str, list[Any]]:
    """The settings that differ between groups: by dotted name, the value in each; None if a group has none."""
    first = [group[0] for group in groups]
    rows: dict[str, list[Any]] = {}
    if any(not _same_data(first[0], run) for run in first):
        rows |= _varied([run.files for run in first])
    for name in first[0].digests:
        names, digests = zip(*(run.digests[name] for run in first), strict=True)
        if len(set(digests)) > 1:
            told_apart = len(set(names)) == len(set(digests))
            pairs = zip(names, digests, strict=True)
            rows[name] = list(names) if told_apart else [d and f"{n or ''} {d[:12]}".strip() for n, d in pairs]
    rows |= _varied([run.settings for run in first])
    # Only the content of the data differs.
    return rows or ({"data": [run.manifest.data[:12] for run in first]} if len(groups) > 1 else {})


def _varied(values: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for one in values for name in one)
    rows = {name: [one.get(name) for one in values] for name in names}
    return {name: row for name, row in rows.items() if any(value != row[0] for value in row)}


def names(groups: Sequence[Sequence[OpenedRun]]) -> list[str]:
    """A short name for each group, different from the others: the end of the path of its folder."""
    folders = [[run.folder.absolute() for run in group] for group in groups]
    homes = []
    for group in folders:
        home = Path(os.path.commonpath(group))
        shared = any(folder.is_relative_to(home) for other in folders if other is not group for folder in other)
        homes.append(group[0] if shared or home == Path(home.anchor) else home)
    found = []
    for home, group in zip(homes, folders, strict=True):
        ends = (home.parts[-length:] for length in range(1, len(home.parts)))
        end = next((end for end in ends if sum(other.parts[-len(end) :] == end for other in homes) == 1), home.parts)
        more = f" and {len(group) - 1} more" if home == group[0] and len(group) > 1 else ""
        found.append("/".join(end) + more)
    return found
