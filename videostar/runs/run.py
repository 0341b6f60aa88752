"""The folder of a run: its settings, and which stages of which rounds are done.

A stage is done only if the manifest lists it and everything that it wrote still has the digest in the manifest. The
manifest is replaced as a whole after every stage, so a crash costs at most one stage (of a ledger
one window, of a training the steps after its last checkpoint).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from videostar.config import Pipeline
from videostar.runs.data import Digests, RunData
from videostar.runs.folder import LOG, check_folder, lock_folder
from videostar.runs.gates import check_gates
from videostar.runs.made_by import lineage
from videostar.runs.manifest import (
    Change,
    Manifest,
    Move,
    Stage,
    environment,
    now,
    read_manifest,
    remaining,
    write_manifest,
)
from videostar.runs.migration import FORMAT, rename_files, renamed
from videostar.runs.settings_diff import (
    changed,
    changed_gates,
    check_restart,
    with_absolute_paths,
    without_places,
)
from videostar.runs.stage_names import RoundFiles, stage_name, stages, written
from videostar.stages.ledger import changed_part
from videostar.util.errors import UserError
from videostar.util.files import digest, digest_json, make_folder, remove, sync_folder, write_link, write_text
from videostar.util.locks import Lock
from videostar.util.terminal import keep_log, warn

BEST = "best"  # a link to the folder of the best round
STRUCK = "struck"  # the folder of files that no longer count


class Run:
    """The folder of a run, locked by this process until `close`."""

    def __init__(self, folder: Path, manifest: Manifest, lock: Lock) -> None:
        self.folder, self.manifest, self._lock = folder, manifest, lock

    @classmethod
    def open(cls, folder: Path, settings: Pipeline, digests: Digests, restart_from: str | None = None) -> Run:
        """Create the run, or go on with the one in `folder`.

        With `restart_from`, that stage and all later ones no longer count and are done again with the changed settings
        and data. Raises UserError if another process has the run, or if settings, data or models have changed.
        """
        check_folder(folder, settings, restart_from)
        make_folder(folder)
        lock = lock_folder(folder)
        try:
            keep_log(folder / LOG)
            if (folder / "manifest.json").exists():
                run = cls._read(folder, lock)
                run._go_on(settings, digests, restart_from)
            else:
                run = cls(folder, Manifest(settings=with_absolute_paths(settings), **asdict(digests)), lock)
                run.save()
        except BaseException:
            lock.release()
            raise
        return run

    @classmethod
    def hold(cls, folder: Path) -> Run:
        """The run in `folder` as it is. Raises UserError if there is none or another process has it."""
        lock = lock_folder(folder)
        try:
            return cls._read(folder, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _read(cls, folder: Path, lock: Lock) -> Run:
        """The run in `folder`, converted to today's format, with interrupted moves finished."""
        run = cls(folder, read_manifest(folder / "manifest.json"), lock)
        if run.manifest.format < FORMAT:
            rename_files(folder)
            run._convert()
        run._finish_move()
        run._link_best()
        if (best := folder / BEST).exists() and not best.is_symlink():
            warn(f"{best}: is a copy, not a link to the best round; delete it, and it will be a link again")
        return run

    def _convert(self) -> None:
        move = self.manifest.move
        self.save(
            format=FORMAT,
            stages={
                name: stage.model_copy(update={"read": renamed(stage.read), "wrote": renamed(stage.wrote)})
                for name, stage in self.manifest.stages.items()
            },
            move=move and move.model_copy(update={"paths": list(renamed(dict.fromkeys(move.paths, "")))}),
        )

    def _go_on(self, settings: Pipeline, digests: Digests, restart_from: str | None) -> None:
        before, model = self.manifest, digests.model
        if model in (before.model, before.model.partition("@")[0]):
            model = before.model  # a finished run does not need its model on this machine
        affected = {
            name: stage
            for name, old, new, stage in (
                ("data (rows, labels or prompts)", before.data, digests.data, "00/evaluate"),
                ("base model", before.model, model if "@" in before.model else model.partition("@")[0], "00/evaluate"),
                ("prompt of the judge, or the evidence model,", before.judge, digests.judge, "00/evaluate"),
                ("data of evaluation.sets", before.sets, digests.sets, "00/evaluate"),
                ("instruction set", before.mix or digests.mix, digests.mix, "01/train"),  # format 1 did not record it
            )
            if old != new
        }
        if restart_from is not None:
            check_restart(restart_from, settings.rounds, {f"the changed {name}": at for name, at in affected.items()})
        elif affected:
            raise UserError(
                f"{self.folder}: the {' and the '.join(affected)} has changed since the run began; restore it, give "
                f"another --out, or go on on purpose: --restart-from {min(affected.values())}"
            )
        differences = [f"{name}: {change}" for name, change in changed(before.settings, settings).items()]
        differences += [*affected, *changed_gates(before.settings, settings)]
        if settings.rounds != before.settings.rounds:
            differences.append(f"rounds: {before.settings.rounds} -> {settings.rounds}")
            _warn_of_last_round(self.folder, before, settings)
        update = {**asdict(digests), "settings": with_absolute_paths(settings), "model": model, "halted": None}
        if restart_from is not None:
            self.strike(stage_name(restart_from, settings.rounds), "restarted", differences, update)
        elif differences:
            self._change(Change(at=now(), what="extended", settings=differences), update)
        elif any(getattr(before, name) != value for name, value in update.items()):
            self.save(**update)  # only places have changed

    def close(self) -> None:
        """Release the lock."""
        self._lock.release()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def round(self, number: int) -> RoundFiles:
        """The files of a round."""
        return RoundFiles(self.folder, number)

    def stage(
        self, name: str, work: Callable[[], dict[str, Any]], *, writes: Sequence[Path], reads: Sequence[Path] = ()
    ) -> dict[str, Any]:
        """Do stage `name` unless it is done, and return its facts. `work` reads and writes these files.

        Raises UserError if the stage is done and a file that it wrote has changed.
        """
        if name in self.manifest.stages:
            return self.verify(name)
        started, clock = now(), time.monotonic()
        facts = work()
        place = environment(self.manifest.settings.spec)
        key = digest_json(place.model_dump())[:16]
        stage = Stage(
            read={self._name(path): digest(path) for path in reads},
            wrote={self._name(path): digest(path) for path in writes},
            facts=facts,
            settings=digest_json(without_places(self.manifest.settings)),
            environment=key,
            started=started,
            seconds=round(time.monotonic() - clock, 3),
        )
        self.save(
            stages={**self.manifest.stages, name: stage},
            environments={**self.manifest.environments, key: place},
        )
        return facts

    def verify(self, name: str) -> dict[str, Any]:
        """The facts of a finished stage. Raises UserError if a file that it wrote has changed."""
        stage = self.manifest.stages[name]
        for wrote, expected in stage.wrote.items():
            path = self.folder / wrote
            if not path.exists() or digest(path) != expected:
                raise UserError(
                    f"{changed_part(path) or path}: differs from what stage {name} wrote; restore it, or do that stage "
                    f"and the later ones again: --restart-from {name}"
                )
        return stage.facts

    def strike(
        self, first: str, why: str, settings: Sequence[str] = (), update: dict[str, Any] | None = None
    ) -> list[str]:
        """Stop counting stage `first` and all later ones, and move their files to `struck/`. Returns their names."""
        names = stages(max(self.manifest.settings.rounds, int(first[:2])))
        struck = names[names.index(first) :]
        change = Change(
            at=now(),
            what=why,
            settings=list(settings),
            struck=[name for name in struck if name in self.manifest.stages],
        )
        paths = [self._name(path) for name in struck for path in written(self.folder, name) if path.exists()]
        kept = {name: stage for name, stage in self.manifest.stages.items() if name not in struck}
        number = 1 + max((int(old.name) for old in (self.folder / STRUCK).glob("*") if old.name.isdigit()), default=0)
        # Recorded before it is done: after a crash between two moves, the next process finishes them.
        move = Move(paths=paths, to=f"{STRUCK}/{number:03}") if paths else None
        self._change(change, {"halted": None, **(update or {}), "stages": kept, "move": move})
        self._finish_move()
        return change.struck

    def _finish_move(self) -> None:
        move = self.manifest.move
        if move is None:
            return
        for path in move.paths:
            target = self.folder / move.to / path
            if (self.folder / path).exists():
                make_folder(target.parent)
                os.replace(self.folder / path, target)
                sync_folder(target.parent)
                sync_folder((self.folder / path).parent)
        self.save(move=None)

    def leftovers(self) -> list[Path]:
        """Files that no longer count: those of struck stages, and half-written ones of crashes."""
        struck = self.folder / STRUCK
        partial = [path for path in self.folder.rglob(".partial-*") if not path.is_relative_to(struck)]
        return [*([struck] if struck.exists() else []), *sorted(partial)]

    def collect(self) -> None:
        """Delete the leftovers."""
        for path in self.leftovers():
            remove(path)

    def lineage(self, lora: Path | None, engine: str) -> dict[str, Any]:
        """The origin of answers that are generated now with that LoRA and by that engine."""
        return lineage(self.manifest.data, self.manifest.settings, lora, engine)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _change(self, change: Change, update: dict[str, Any]) -> None:
        self.save(**update, changes=[*self.manifest.changes, change])

    def save(self, **update: Any) -> None:
        """Write the manifest with these changes."""
        self.manifest = self.manifest.model_copy(update=update)
        if not (self.folder / "pipeline.yaml").exists() or "settings" in update:
            shown = self.manifest.settings.model_dump(mode="json")
            write_text(self.folder / "pipeline.yaml", yaml.safe_dump(shown, sort_keys=False))
        write_manifest(self.folder / "manifest.json", self.manifest)
        self._link_best()

    def _link_best(self) -> None:
        best = self.manifest.best
        write_link(self.folder / BEST, f"rounds/{best.round:02}" if best else None)


def verify_finished(folder: Path, settings: Pipeline, data: RunData) -> bool:
    """Whether the run in `folder` is finished, with unchanged rows; then its files are verified.

    Rows and videos, of which there may be a million, are not read. Raises UserError if a file has changed.
    """
    path = folder / "manifest.json"
    if not path.exists():
        return False
    manifest = read_manifest(path).model_copy(update={"settings": settings})
    if remaining(manifest) or manifest.sources is None or manifest.sources != data.fingerprint:
        return False
    with Run.open(folder, settings, data.known_digests(manifest.data, manifest.sets)) as run:
        for name in run.manifest.stages:
            run.verify(name)
        for number in range(1, settings.rounds + 1):
            check_gates(run, number)
    return True


def _warn_of_last_round(folder: Path, found: Manifest, settings: Pipeline) -> None:
    """The round that was the last one no longer is, but was made by the rule for the last one."""
    last = f"{found.settings.rounds:02}/version"
    if settings.training.final_round == "direct_only" and last in found.stages:
        warn(
            f"{folder}: round {found.settings.rounds} was made as the last one, from direct answers; it stays so, "
            f"unless you --restart-from {last}"
        )
