"""A run on disk: its settings, and which stages of which rounds are done.

A stage counts as done only when the manifest says so and what it wrote still has the digest that the
manifest holds. The manifest is replaced whole after every stage, so a crash costs at most the stage at
hand (and of a ledger only the window at hand).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import filelock
import yaml

from videostar.config import Pipeline
from videostar.runs.changes import (
    acting,
    changed,
    check_restart,
    check_settings,
    placed,
    stage_name,
    stages,
    what,
    written,
)
from videostar.runs.manifest import Change, Manifest, Move, Stage, environment, now, read_manifest, write_manifest
from videostar.util.errors import UserError
from videostar.util.files import digest, digest_json, make_folder, remove, sync_folder, write_link, write_text
from videostar.util.resources import model_digest
from videostar.util.terminal import warn

FORECAST = "forecast.json"  # beside the manifest, from a dry run
BEST = "best"  # a link to the folder of the best round
STRUCK = "struck"  # the folder of what no longer counts


class Run:
    """The folder of a run, held by this process alone until `close`."""

    def __init__(self, folder: Path, manifest: Manifest, lock: filelock.BaseFileLock) -> None:
        self.folder, self.manifest, self._lock = folder, manifest, lock

    @classmethod
    def open(
        cls,
        folder: Path,
        settings: Pipeline,
        data: str,
        model: str,
        mix: str | None = None,
        restart_from: str | None = None,
        sources: str | None = None,
    ) -> Run:
        """Create the run, or go on with the one that is there; `data`, `model`, `mix` and `sources` are digests.

        With `restart_from`, that stage and all later ones no longer count and are done anew, with whatever was
        changed. Raises UserError when another process has the run, or when settings, data or models are others.
        """
        check_folder(folder, settings, restart_from)
        make_folder(folder)
        run = cls.hold(folder, settings, data, model, mix, sources)
        try:
            run._go_on(settings, data, model, mix, restart_from)
            if run.manifest.sources != sources:
                run._save(sources=sources)
        except BaseException:
            run.close()
            raise
        return run

    @classmethod
    def hold(
        cls,
        folder: Path,
        settings: Pipeline | None = None,
        data: str = "",
        model: str = "",
        mix: str | None = None,
        sources: str | None = None,
    ) -> Run:
        """The run in `folder` as it is, or, with settings, a new one if there is none. Raises UserError."""
        lock = _lock(folder)
        try:
            if settings is not None and not (folder / "manifest.json").exists():
                manifest = Manifest(settings=placed(settings), data=data, model=model, mix=mix, sources=sources)
                run = cls(folder, manifest, lock)
                run._save()
            else:
                run = cls(folder, read_manifest(folder / "manifest.json"), lock)
                run._finish_move()
                run._link_best()
                if (best := folder / BEST).exists() and not best.is_symlink():
                    warn(f"{best}: is no link to the best round, but a copy; delete it, and it will be one again")
        except BaseException:
            lock.release()
            raise
        return run

    def _go_on(self, settings: Pipeline, data: str, model: str, mix: str | None, restart_from: str | None) -> None:
        found = self.manifest
        if model in (found.model, found.model.partition("@")[0]):
            model = found.model  # a finished run needs no model on this machine
        touched = {
            name: stage
            for name, before, after, stage in (
                ("data (rows, labels or prompts)", found.data, data, "00/evaluate"),
                ("base model", found.model, model if "@" in found.model else model.partition("@")[0], "00/evaluate"),
                ("instruction set", found.mix or mix, mix, "01/train"),  # format 1 did not have it, nor commits
            )
            if before != after
        }
        if restart_from is not None:
            check_restart(restart_from, settings.rounds, {f"the changed {name}": at for name, at in touched.items()})
        elif touched:
            raise UserError(
                f"{self.folder}: the {' and the '.join(touched)} has changed since the run began; restore it, give "
                f"another --out, or go on on purpose: --restart-from {min(touched.values())}"
            )
        differences = [f"{name}: {change}" for name, change in changed(found.settings, settings).items()]
        differences += touched
        if settings.rounds != found.settings.rounds:
            differences.append(f"rounds: {found.settings.rounds} -> {settings.rounds}")
            _warn_of_last_round(self.folder, found, settings)
        update = {"settings": placed(settings), "data": data, "model": model, "mix": mix}
        if restart_from is not None:
            self.strike(stage_name(restart_from, settings.rounds), "restarted", differences, update)
        elif differences:
            self._change(Change(at=now(), what="extended", settings=differences), update)
        elif found.settings != update["settings"] or (found.mix, found.model) != (mix, model):
            self._change(None, update)  # lies elsewhere now, or is known by more

    def close(self) -> None:
        """Let another process have the run."""
        self._lock.release()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stage(
        self, name: str, work: Callable[[], dict[str, Any]], writes: Sequence[Path], reads: Sequence[Path] = ()
    ) -> dict[str, Any]:
        """The facts of stage `name`: of its record if it is done, else of `work`, which reads and writes these."""
        if name in self.manifest.stages:
            return self.done(name)
        started, clock = now(), time.monotonic()
        facts = work()
        place = environment(self.manifest.settings)
        known = digest_json(place.model_dump())[:16]
        stage = Stage(
            read={self._name(path): digest(path) for path in reads},
            wrote={self._name(path): digest(path) for path in writes},
            facts=facts,
            settings=digest_json(what(self.manifest.settings)),
            environment=known,
            started=started,
            seconds=round(time.monotonic() - clock, 3),
        )
        self._save(
            stages={**self.manifest.stages, name: stage},
            environments={**self.manifest.environments, known: place},
        )
        return facts

    def done(self, name: str) -> dict[str, Any]:
        """The facts of a finished stage. Raises UserError when what it wrote is not there as it was written."""
        done = self.manifest.stages[name]
        for path, expected in done.wrote.items():
            if not (self.folder / path).exists() or digest(self.folder / path) != expected:
                raise UserError(
                    f"{self.folder / path}: is not what stage {name} wrote; restore it, or do that stage and the "
                    f"later ones again: --restart-from {name}"
                )
        return done.facts

    def strike(
        self, first: str, why: str, settings: Sequence[str] = (), update: dict[str, Any] | None = None
    ) -> list[str]:
        """From now on stage `first` and all later ones do not count; their files go to `struck/`. Their names."""
        names = stages(max(self.manifest.settings.rounds, int(first[:2])))
        struck = names[names.index(first) :]
        change = Change(
            at=now(),
            what=why,
            settings=list(settings),
            struck=[name for name in struck if name in self.manifest.stages],
        )
        paths = [path for name in struck for path in written(name) if (self.folder / path).exists()]
        kept = {name: stage for name, stage in self.manifest.stages.items() if name not in struck}
        number = 1 + max((int(old.name) for old in (self.folder / STRUCK).glob("*") if old.name.isdigit()), default=0)
        # Said before it is done: a crash between two moves is made good by whoever opens the run next.
        move = Move(paths=paths, to=f"{STRUCK}/{number:03}") if paths else None
        self._change(change, {**(update or {}), "stages": kept, "move": move})
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
        self._save(move=None)

    def leftovers(self) -> list[Path]:
        """What no longer counts: files of struck stages, and what crashes left half-written."""
        struck = self.folder / STRUCK
        partial = [path for path in self.folder.rglob(".partial-*") if not path.is_relative_to(struck)]
        return [*([struck] if struck.exists() else []), *sorted(partial)]

    def collect(self) -> None:
        """Delete the leftovers."""
        for path in self.leftovers():
            remove(path)

    def lineage(self, adapter: Path | None, engine: str) -> dict[str, Any]:
        """What answers that are given now, with that adapter and by that engine, come from."""
        return lineage(self.manifest.data, self.manifest.settings, adapter, engine)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _change(self, change: Change | None, update: dict[str, Any]) -> None:
        changes = [*self.manifest.changes, *([change] if change else [])]
        self._save(**update, changes=changes)

    def _save(self, **update: Any) -> None:
        self.manifest = self.manifest.model_copy(update=update)
        if not (self.folder / "pipeline.yaml").exists() or "settings" in update:
            shown = self.manifest.settings.model_dump(mode="json")
            write_text(self.folder / "pipeline.yaml", yaml.safe_dump(shown, sort_keys=False))
        write_manifest(self.folder / "manifest.json", self.manifest)
        self._link_best()

    def _link_best(self) -> None:
        best = self.manifest.best
        write_link(self.folder / BEST, f"rounds/{best.round:02}" if best else None)


def check_folder(folder: Path, settings: Pipeline, restart_from: str | None = None) -> None:
    """Raises what `Run.open` would raise before it looks at data and model, and writes nothing."""
    path = folder / "manifest.json"
    if restart_from is not None:
        stage_name(restart_from, settings.rounds)
    if not path.exists():
        if folder.is_dir() and any(
            not item.name.startswith((".lock", ".partial-", "pipeline.yaml", FORECAST)) for item in folder.iterdir()
        ):
            raise UserError(f"{folder}: is not empty and holds no manifest.json; give --out another folder")
        if restart_from is not None:
            raise UserError(f"{folder}: no run to restart: leave out --restart-from")
        return
    found = read_manifest(path)
    later = [name for name in found.stages if int(name[:2]) > settings.rounds]
    if later:
        raise UserError(
            f"{folder}: has done {later[-1]} already, and {settings.rounds} rounds are asked for; ask for more, or "
            f"undo the later ones: videostar rollback {folder} {settings.rounds}"
        )
    check_settings(folder, found.settings, settings, restart_from)
    if (folder / ".lock").exists():
        _lock(folder).release()


def _lock(folder: Path) -> filelock.BaseFileLock:
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(f"{folder}: another process works on this run; wait for it or give --out another") from None
    return lock


def _warn_of_last_round(folder: Path, found: Manifest, settings: Pipeline) -> None:
    """The round that was the last is so no more, and was made by the rule for the last."""
    last = f"{found.settings.rounds:02}/version"
    if settings.training.final_round == "direct_only" and last in found.stages:
        warn(
            f"{folder}: round {found.settings.rounds} was made as the last one, from direct answers; it stays so, "
            f"unless you --restart-from {last}"
        )


def lineage(data: str, settings: Pipeline, adapter: Path | None, engine: str) -> dict[str, Any]:
    """What answers come from: digests of the data, base model, settings and adapter, and the engine that gave them."""
    from videostar.models.load import dtype_name  # loads torch

    return {
        "data": data,
        "model": model_digest(settings.model),
        "settings": digest_json(acting(settings, "01/generate")),  # the adapter's digest stands for all others
        "adapter": digest(adapter) if adapter else None,
        "engine": {"name": engine, "dtype": dtype_name(settings)},
    }
