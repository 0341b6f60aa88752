"""Reports the figures of a run to experiment trackers, beside the run: no tracker can end it or slow it down.

What is reported is on disk: the steps of every training (`training.jsonl`) and the figures of every round (the
manifest). Each has its place on one axis. A file below the run has the last place that each tracker has, so a run that
goes on, also after a kill or with a tracker that was unreachable, adds what is missing to the same run of the tracker.
"""

from __future__ import annotations

import json
import math
import secrets
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from videostar.config.training import TrackerName
from videostar.runs.manifest import Manifest, read_manifest
from videostar.runs.settings_diff import without_places
from videostar.runs.stage_names import RoundFiles
from videostar.runs.trackers import Identity, connect
from videostar.runs.training_log import read_training_log
from videostar.util.files import write_json
from videostar.util.terminal import warn, warn_once

TRACKING = "tracking"  # the folder below a run
_PATIENCE = 60.0  # seconds to wait for a tracker at the end of a run
_AXIS = ("step", "steps")  # of a record: where it is, not what was measured


class Tracker:
    """Reports a run to trackers. None of its methods raises, waits for a tracker, or does anything without one."""

    def __init__(self, folder: Path, trackers: tuple[TrackerName, ...]) -> None:
        self._folder, self._trackers = folder, trackers
        self._sent = -1
        self._starts: dict[int, int] = {}  # the place before the first step of each round
        self._senders: list[_Sender] = []
        if trackers:
            self.catch_up()

    def step(self, number: int, record: Mapping[str, Any]) -> None:
        """Report a step of the training of round `number`, as in its `training.jsonl`."""
        if self._senders:
            self._send(self._starts.get(number, 0) + record["step"] - 1, step_figures(number, record))

    def catch_up(self) -> None:
        """Report the steps and rounds on disk that are not reported yet."""
        if not self._trackers:
            return
        try:
            manifest = read_manifest(self._folder / "manifest.json")
            if not self._senders:
                self._senders = self._open(manifest)
            place = 0
            for number in range(manifest.settings.rounds + 1):
                self._starts[number] = place
                steps = read_training_log(RoundFiles(self._folder, number).training_log) if number else []
                for record in steps:
                    self._send(place + record["step"] - 1, step_figures(number, record))
                place += len(steps)
                if f"{number:02}/evaluate" not in manifest.stages:
                    break
                self._send(place, round_figures(number, manifest))
                place += 1
        except Exception as error:  # noqa: BLE001  (no figure that cannot be reported ends a run)
            warn_once(f"tracking: {error}; the run goes on")

    def close(self) -> None:
        """Wait until all is reported, for a minute at most."""
        for sender in self._senders:
            sender.end()

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, manifest: Manifest) -> list[_Sender]:
        # Trackers cannot take figures back: after stages were undone, the run is another one to them.
        undone = sum(change.what != "extended" for change in manifest.changes)
        folder = self._folder.absolute()
        settings = {name: value for name, value in without_places(manifest.settings).items() if value is not None}
        run = Identity(folder.parent.name, folder.name, "", folder / TRACKING, settings)
        senders = [_Sender(tracker, run, undone) for tracker in self._trackers]
        for sender in senders:
            sender.start()
        return senders

    def _send(self, place: int, figures: Mapping[str, float]) -> None:
        if place <= self._sent:
            return
        self._sent = place
        for sender in self._senders:
            if sender.is_alive():
                sender.queue.put((place, figures))


class _Sender(threading.Thread):
    """Reports to one tracker, whose library may be slow, or fail."""

    def __init__(self, tracker: TrackerName, run: Identity, undone: int) -> None:
        super().__init__(daemon=True)
        self.queue: SimpleQueue[tuple[int, Mapping[str, float]] | None] = SimpleQueue()
        self._tracker, self._run, self._undone = tracker, run, undone

    def run(self) -> None:
        try:
            self._report()
        except Exception as error:  # noqa: BLE001  (libraries of trackers raise what they like)
            reason = " ".join(str(error).split()) or type(error).__name__
            warn(f"tracking: {self._tracker} failed ({reason[:300]}); the run goes on without it")

    def end(self) -> None:
        self.queue.put(None)
        self.join(_PATIENCE)
        if self.is_alive():
            warn(f"tracking: {self._tracker} did not end within {_PATIENCE:g} s; it may lack the last figures")

    def _report(self) -> None:
        path = self._run.folder / f"{self._tracker}.json"
        state = json.loads(path.read_bytes()) if path.is_file() else {}
        if state.get("undone") != self._undone:
            state = {"id": secrets.token_hex(4), "undone": self._undone, "last": -1}
            write_json(path, state)
        connection = connect(self._tracker, replace(self._run, id=state["id"]))
        while (item := self.queue.get()) is not None:
            place, figures = item
            if place > state["last"]:
                connection.log(figures, place)
                state["last"] = place
                write_json(path, state)
        connection.close()


def step_figures(number: int, record: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a step of round `number`; `train/loss/SOURCE` is the loss of a step with rows of one source."""
    figures = {f"train/{name}": value for name, value in record.items() if name not in _AXIS}
    if record.get("source"):
        figures[f"train/loss/{record['source']}"] = record["loss"]
    if record.get("seconds") and record.get("input_tokens"):
        figures["train/tokens_per_second"] = record["input_tokens"] / record["seconds"]
    return _numbers({"train/round": number, **figures})


def round_figures(number: int, manifest: Manifest) -> dict[str, float]:
    """The figures of round `number`, which is evaluated: accuracy, kept answers, health, loss, and seconds by stage."""
    stages = {name[3:]: stage for name, stage in manifest.stages.items() if name.startswith(f"{number:02}/")}
    facts = {part: stage.facts for part, stage in stages.items()}
    evaluated, questions = facts["evaluate"], facts.get("generate", {}).get("questions")
    kept = facts.get("version", {}).get("rows")
    figures = {
        "number": number,
        "accuracy": evaluated["accuracy"],
        "validation_accuracy": (evaluated.get("validation") or {}).get("accuracy"),
        "kept": kept,
        "yield": kept / questions if kept is not None and questions else None,
        "loss": facts.get("train", {}).get("loss"),
        **{f"health/{name}": value for name, value in facts.get("health", {}).get("figures", {}).items()},
        **{f"seconds/{part}": stage.seconds for part, stage in stages.items()},
    }
    return _numbers({f"round/{name}": value for name, value in figures.items()})


def _numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers among the figures."""
    return {name: value for name, value in figures.items() if isinstance(value, int | float) and math.isfinite(value)}
