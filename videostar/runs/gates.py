"""Gates: compare the health figures of a round with their bounds, and warn, stop the run or roll the round back.

What has fired is derived from figures and settings, so it is found again after a crash and with other bounds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from videostar.config import Pipeline
from videostar.config.gates import Gate
from videostar.runs.manifest import Fired, Halted, Manifest
from videostar.runs.stage_names import stages
from videostar.util.errors import UserError
from videostar.util.terminal import warn

if TYPE_CHECKING:
    from videostar.runs.run import Run


class _Cause(NamedTuple):
    """What a crossed bound means, and the first stage that fixing it affects."""

    reason: str
    stage: str = "01/generate"


_YIELD = _Cause("too few answers pass; dataset/rejected.parquet has the reasons")
_REPEATS = _Cause("kept answers repeat each other; look at dataset/")
_TRIES = _Cause("the share of right direct answers; look at answers.jsonl")
_LENGTH = _Cause("the length of kept answers has changed; look at dataset/")
_DIVERGES = _Cause("training diverges; look at training.jsonl and lower training.learning_rate", "01/train")
_CAUSES = {
    "coverage": _YIELD,
    "kept": _YIELD,
    "rationalised": _Cause("the model does not learn to answer without the label"),
    "unverified": _Cause("answers that lack their label are trained on; generation.verify keeps them out"),
    "entropy": _Cause("the kept answers are about few of the labels; look at dataset/version.json"),
    "answer_entropy": _Cause("most direct answers end alike; look at answers.jsonl"),
    "distinct": _REPEATS,
    "near_duplicates": _REPEATS,
    "pass_at_1": _TRIES,
    "pass_at_k": _TRIES,
    "words_mean": _LENGTH,
    "words_median": _LENGTH,
    "length": _LENGTH,
    "drift": _Cause("the model answers in another language; look at answers.jsonl"),
    "overlap": _Cause("held-out videos are trained on, so accuracy is worthless; see data.leaks", "00/evaluate"),
    "label_in_question": _Cause("questions contain their answers; look at `prompt` in answers.jsonl", "00/evaluate"),
    "loss": _DIVERGES,
    "lora_norm": _DIVERGES,
    "accuracy": _Cause("the trained model is worse than an earlier one; look at evaluation.json", "01/train"),
}


def check_gates(run: Run, number: int) -> None:
    """Record the figures of a round and the gates that have fired, and warn of new ones.

    Does nothing without a health stage: in round 0, and in a round of an older videostar. Raises UserError if a gate
    stops the run or has rolled the round back.
    """
    name = f"{number:02}/health"
    stage = run.manifest.stages.get(name)
    if stage is None:
        return
    figures = round_figures(run.manifest, number)
    fired = _fired(figures, run.manifest.settings)
    ending = [one for one in fired if one.action != "warn"]
    rolled_back = any(one.action == "roll_back" for one in ending)
    halted = Halted(round=number, action="roll_back" if rolled_back else "stop", fired=ending) if ending else None
    facts = {"figures": figures, "fired": [one.model_dump() for one in fired]}
    for one in fired:
        if one.action == "warn" and one.model_dump() not in stage.facts["fired"]:
            warn(f"{run.folder}: round {number}: gate {describe_fired(one)}")
    if halted and rolled_back:
        why = [f"gate {describe_fired(one)}" for one in ending]
        run.strike(f"{number:02}/generate", "rolled back by a gate", why, {"halted": halted})
    elif facts != stage.facts or halted != run.manifest.halted:
        stages = {**run.manifest.stages, name: stage.model_copy(update={"facts": facts})}
        run.save(stages=stages, halted=halted)
    if halted:
        raise UserError(describe_halt(run.folder, halted))


def check_halted(folder: Path, manifest: Manifest, settings: Pipeline) -> None:
    """Raises UserError if gates have ended the run in `folder`, and still would with these settings."""
    halted = manifest.halted
    if halted is None or halted.round > settings.rounds:
        return
    still = [one for one in halted.fired if _still_ends(one, getattr(settings.gates, one.gate))]
    if still:
        raise UserError(describe_halt(folder, halted.model_copy(update={"fired": still})))


def describe_halt(folder: Path, halted: Halted) -> str:
    """One line: which gates ended the run, why, and how to go on."""
    done = "was rolled back" if halted.action == "roll_back" else "is stopped"
    reasons: dict[str, list[str]] = {}
    for one in halted.fired:
        reasons.setdefault(one.reason, []).append(_figure(one))
    gates = "; ".join(f"{', '.join(figures)}: {reason}" for reason, figures in reasons.items())
    off = " ".join(f"--set gates.{one.gate}=off" for one in halted.fired)
    first = min((_CAUSES[one.gate].stage for one in halted.fired), key=stages(1).index)
    how = f"fix that and give --restart-from {first}, or go on with {off}"
    return f"{folder}: round {halted.round} {done} by gate {gates}; {how}"


def round_figures(manifest: Manifest, number: int) -> dict[str, float | None]:
    """The figures of a round: of its answers, and of its training and evaluation as far as they are done."""

    def facts(part: str, of: int = number) -> dict[str, Any]:
        stage = manifest.stages.get(f"{of:02}/{part}")
        return stage.facts if stage else {}

    own, trained = facts("health")["figures"], facts("train")
    words, before = own.get("words_mean"), facts("health", 1).get("figures", {}).get("words_mean")
    return {
        **own,
        "length": words / before if words and before and number > 1 else None,
        "loss": trained.get("loss_change"),
        "lora_norm": trained.get("lora_norm"),
        "accuracy": _against_best(facts("evaluate").get("validation") or {}),
    }


def _against_best(validation: dict[str, Any]) -> float | None:
    """The upper end of the interval of the difference from the best earlier round, the one with the lowest difference.

    None without a validation split.
    """
    against = validation.get("against") or []
    return min(against, key=lambda other: other["difference"])["ci95"][1] if against else None


def _fired(figures: dict[str, float | None], settings: Pipeline) -> list[Fired]:
    fired = []
    for name in type(settings.gates).model_fields:
        gate: Gate | None = getattr(settings.gates, name)
        value = figures.get(name)
        bound = gate.crossed(value) if gate else None
        if gate and bound and value is not None:
            reason = _CAUSES[name].reason
            fired.append(Fired(gate=name, value=value, bound=bound, action=gate.action, reason=reason))
    return fired


def _still_ends(fired: Fired, gate: Gate | None) -> bool:
    """Whether a gate that has ended the run still would; one that is now to roll the round back does so first."""
    if gate is None or not gate.ends or gate.crossed(fired.value) is None:
        return False
    return (fired.action, gate.action) != ("stop", "roll_back")


def describe_fired(fired: Fired) -> str:
    """A gate that has fired, with its figure, its bound and what it means."""
    return f"{_figure(fired)}: {fired.reason}"


def _figure(fired: Fired) -> str:
    return f"{fired.gate} ({fired.value:.3g}, {fired.bound})"
