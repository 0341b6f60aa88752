"""Gates: what they make of figures, and three runs that are broken on purpose, through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from warm import Warm

from videostar.config.gates import Gate, Gates
from videostar.pipeline_files import load_pipeline, override
from videostar.runs.gates import round_figures
from videostar.runs.manifest import Move, read_manifest, remaining, write_manifest
from videostar.util.errors import UserError


def gates(*settings: str) -> Gates:
    return load_pipeline("demo", settings=[f"gates.{one}" for one in settings]).gates


def test_short_forms_change_only_what_they_name() -> None:
    default = Gates().coverage
    assert default is not None
    assert gates("coverage=off").coverage is None
    assert gates("coverage=stop").coverage == default.model_copy(update={"action": "stop"})
    assert gates("coverage.min=0.5").coverage == default.model_copy(update={"min": 0.5})
    assert gates("rationalised.max=0.5").rationalised == Gate(max=0.5)
    found = gates("length={max: 5, action: roll_back}").length
    assert found == Gate(min=0.33, max=5, action="roll_back")
    none = load_pipeline("demo", settings=["gates=off"])
    assert not any(none.gates.model_dump().values())
    assert override(none) == none


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("gates.coverag=off", "unknown key 'gates.coverag'; did you mean 'coverage'?"),
        ("gates.coverage.mim=1", "did you mean 'min'?"),
        ("gates.coverage=wran", "gates.coverage.action: Input should be 'warn', 'stop' or 'roll_back', not 'wran'"),
        ("gates.coverage=0", "write off, warn, stop, roll_back or a mapping, such as {min: 0.1, action: stop}"),
        ("gates.rationalised=stop", "give a bound"),
        ("gates.length={min: 2, max: 1}", "`min` is more than `max`"),
    ],
)
def test_a_mistake_in_a_gate_is_one_line(setting: str, line: str) -> None:
    with pytest.raises(UserError) as error:
        load_pipeline("demo", settings=[setting])
    assert line in str(error.value)


def test_a_bound_is_within() -> None:
    gate = Gate(min=0.2, max=1)
    assert [gate.crossed(value) for value in (None, 0.2, 1.0, 0.1, 1.5)] == [None, None, None, "min 0.2", "max 1"]


def manifest_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text())
    return found


def health(run: Path) -> dict[str, Any]:
    facts: dict[str, Any] = manifest_of(run)["stages"]["01/health"]["facts"]
    return facts


def ended(videostar: Command, *arguments: object) -> list[str]:
    """The lines about gates on standard error of a command that a gate ends."""
    done = videostar(*arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if "gate" in line]


def test_a_healthy_run_fires_none(finished: tuple[Path, str], quick: Path) -> None:
    run, printed = finished
    manifest = read_manifest(run / "manifest.json")
    assert manifest.halted is None
    assert "gate" not in printed
    for number in (1, 2):
        facts = manifest.stages[f"{number:02}/health"].facts
        assert facts["fired"] == []
        assert set(facts["figures"]) == set(Gates.model_fields)
        assert facts["figures"] == round_figures(manifest, number)
        assert facts["figures"]["lora_norm"] < 1
        assert facts["figures"]["rationalised"] is not None


@pytest.fixture(scope="module")
def leaking(finished: tuple[Path, str], warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run whose questions contain their labels and whose answers are not verified, and what it printed."""
    folder = tmp_path_factory.mktemp("leaking")
    (folder / "leak.yaml").write_text(
        'questions: ["Which action is this? A hint: {{ label }}."]\nrationalise: ["{{ question }} {{ label }}"]\n'
        'template: "The action is {{ label }}."\n'
    )
    shutil.copytree(finished[0], folder / "run", symlinks=True)

    def run(*arguments: object) -> Any:
        return warm.run(*arguments, cwd=folder)

    broken = ("--set", "prompts=leak.yaml", "--set", "generation.verify=false", "--restart-from", "00/evaluate")
    return folder / "run", ended(run, "cycle", "--resume", folder / "run" / "manifest.json", "--limit", 12, *broken)


def test_questions_with_labels_stop_a_run_before_training_and_a_verification_that_is_off_is_warned_of(
    leaking: tuple[Path, list[str]],
) -> None:
    run, (warning, line) = leaking
    assert "round 1: gate unverified (" in warning
    assert "max 0): answers that lack their label are trained on" in warning
    assert "round 1 is stopped by gate label_in_question (" in line
    assert "--restart-from 00/evaluate, or go on with --set gates.label_in_question=off" in line
    assert list(manifest_of(run)["stages"])[-1] == "01/health"
    fired = {one["gate"]: one for one in health(run)["fired"]}
    assert set(fired) == {"unverified", "label_in_question"}
    assert (fired["unverified"]["bound"], fired["unverified"]["action"]) == ("max 0", "warn")
    assert fired["label_in_question"]["value"] == health(run)["figures"]["label_in_question"] > 0.5


def test_a_stopped_run_stays_so_until_its_gate_is_changed(
    leaking: tuple[Path, list[str]], videostar: Command, tmp_path: Path
) -> None:
    run = shutil.copytree(leaking[0], tmp_path / "run", symlinks=True)
    before = (run / "manifest.json").read_bytes()
    again = ("cycle", "--resume", run / "manifest.json")
    for more in ((), ("--set", "gates.unverified=off"), ("--set", "gates.label_in_question.max=0.2")):
        (line,) = ended(videostar, *again, *more)
        assert "round 1 is stopped by gate label_in_question (" in line
        assert (run / "manifest.json").read_bytes() == before
    shown = videostar("status", run)
    assert "round 1: gate unverified (" in shown.stdout
    assert "next:" not in shown.stdout

    # With that gate off the next one ends it, which then only rolls back.
    other = ("--set", "gates.label_in_question=off", "--set", "gates.unverified=stop")
    (line,) = ended(videostar, *again, *other)
    assert "is stopped by gate unverified (" in line
    (change,) = [one for one in manifest_of(run)["changes"] if one["what"] == "extended"]
    assert change["settings"] == [
        "gates.unverified: max 0, warn -> max 0, stop",
        "gates.label_in_question: max 0.1, stop -> off",
    ]
    (line,) = ended(videostar, *again, "--set", "gates.unverified=roll_back")
    assert "round 1 was rolled back by gate unverified (" in line
    found = manifest_of(run)
    assert list(found["stages"]) == ["00/evaluate"]
    assert found["best"]["round"] == 0
    change = found["changes"][-1]
    assert change["what"] == "rolled back by a gate"
    assert change["struck"] == ["01/generate", "01/version", "01/health"]
    assert "gate unverified (" in change["settings"][0]
    moved = [run / "struck" / "002" / name for name in ("rounds/01/answers.jsonl", "rounds/01/dataset")]
    assert all(path.exists() for path in moved)

    # Killed between the record and the moves; nothing is done again.
    manifest = read_manifest(run / "manifest.json")
    paths = [path.relative_to(run / "struck" / "002").as_posix() for path in moved]
    for path, name in zip(moved, paths, strict=True):
        path.rename(run / name)
    write_manifest(run / "manifest.json", manifest.model_copy(update={"move": Move(paths=paths, to="struck/002")}))
    assert ended(videostar, *again) == [line]
    assert line.removeprefix("videostar: ") in videostar("status", run).stdout
    assert videostar("gc", run, "--dry-run").returncode == 0
    assert all(path.exists() for path in moved)
    assert ended(videostar, *again) == [line]

    # The kept gates let it go on, up to the training that is broken next.
    on = ("--rounds", 1, "--set", "gates.unverified=off", "--set", "gates.rationalised={min: 2, action: stop}")
    (line,) = ended(videostar, *again, *on)
    assert "gate rationalised (0, min 2)" in line
    assert manifest_of(run)["halted"]["round"] == 1


def test_a_learning_rate_30_times_too_high_stops_a_run_and_it_goes_on_if_told_to(
    finished: tuple[Path, str], videostar: Command, tmp_path: Path
) -> None:
    run = shutil.copytree(finished[0], tmp_path / "run", symlinks=True)
    rate = 30 * read_manifest(run / "manifest.json").settings.training.learning_rate
    again = ("cycle", "--resume", run / "manifest.json")
    high = (
        "--set",
        f"training.learning_rate={rate}",
        "--set",
        "mix=null",
        "--set",
        "training.batch_size=8",
        "--set",
        "training.gradient_accumulation=1",
    )
    (line,) = ended(videostar, *again, *high, "--restart-from", "01/train")
    assert "round 1 is stopped by gate lora_norm (" in line or "round 1 is stopped by gate loss (" in line
    assert "give --restart-from 01/train, or go on with --set gates.lo" in line
    found = manifest_of(run)
    assert list(found["stages"])[-1] == "01/train"
    assert health(run)["figures"]["lora_norm"] > 2
    off = [word for one in found["halted"]["fired"] for word in ("--set", f"gates.{one['gate']}=off")]
    # Interrupted after the check of the next stage, as if killed: the gates are off, and the stage is not done.
    done = videostar(*again, *off, "--set", "gates.accuracy=off", "--rounds", 1)
    assert "has done" not in done.stderr
    assert done.returncode == 0, done.stderr
    assert manifest_of(run)["halted"] is None
    assert list(manifest_of(run)["stages"])[-1] == "01/evaluate"


def test_other_bounds_are_compared_with_the_figures_of_a_finished_run(
    finished: tuple[Path, str], videostar: Command, tmp_path: Path
) -> None:
    run = shutil.copytree(finished[0], tmp_path / "run", symlinks=True)
    rounds = {path: path.stat().st_mtime_ns for path in (run / "rounds").rglob("*")}
    again = ("cycle", "--resume", run / "manifest.json")
    done = videostar(*again, "--set", "gates.coverage.min=2")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("gate coverage (") == 2
    assert done.stdout.count("gate coverage (") == 2
    assert "gate" not in videostar(*again).stderr  # warned of once
    (line,) = ended(videostar, *again, "--set", "gates.coverage.action=stop")
    assert "round 1 is stopped by gate coverage (" in line
    done = videostar(*again, "--set", "gates.coverage=off")
    assert done.returncode == 0, done.stderr
    assert "gate" not in done.stdout
    assert {path: path.stat().st_mtime_ns for path in (run / "rounds").rglob("*")} == rounds


def test_a_run_of_before_there_were_gates_is_finished(
    finished: tuple[Path, str], videostar: Command, tmp_path: Path
) -> None:
    run = shutil.copytree(finished[0], tmp_path / "run", symlinks=True)
    manifest = read_manifest(run / "manifest.json")
    stages = {name: stage for name, stage in manifest.stages.items() if not name.endswith("/health")}
    write_manifest(run / "manifest.json", manifest.model_copy(update={"stages": stages}))
    before = (run / "manifest.json").read_bytes()
    assert remaining(read_manifest(run / "manifest.json")) == []
    assert videostar("status", run).stdout.endswith("finished\n")
    done = videostar("cycle", "--resume", run / "manifest.json", "--set", "gates.coverage={min: 2, action: stop}")
    assert done.returncode == 0, done.stderr
    done = videostar("cycle", "--resume", run / "manifest.json", "--set", "gates.coverage={min: 0.05, action: warn}")
    assert json.loads(before)["stages"] == manifest_of(run)["stages"]
    half = {name: stage for name, stage in stages.items() if name not in ("02/train", "02/evaluate")}
    unfinished = manifest.model_copy(update={"stages": half})
    assert remaining(unfinished) == ["02/health", "02/train", "02/evaluate"]


@pytest.mark.parametrize(
    ("differences", "expected"),
    [([], None), ([(-0.5, -0.3)], -0.3), ([(0.4, 0.5), (-0.1, 0.05), (0.2, 0.3)], 0.05)],
)
def test_accuracy_is_compared_with_the_best_earlier_round(
    finished: tuple[Path, str], differences: list[tuple[float, float]], expected: float | None
) -> None:
    manifest = read_manifest(finished[0] / "manifest.json")
    against = [{"difference": mean, "ci95": [-1.0, high]} for mean, high in differences]
    stage = manifest.stages["02/evaluate"]
    facts = {**stage.facts, "validation": {"against": against}}
    changed = {**manifest.stages, "02/evaluate": stage.model_copy(update={"facts": facts})}
    assert round_figures(manifest.model_copy(update={"stages": changed}), 2)["accuracy"] == expected
