"""A run that is gone on with otherwise than it was begun: extended, restarted, rolled back, moved, damaged, edited."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
import yaml
from commands import Command, command
from faults import build
from safetensors import safe_open
from training_rows import without_clock

from videostar.config.executor import Executor
from videostar.config.gates import Gates
from videostar.pipeline_files import load_pipeline
from videostar.runs.manifest import Move, manifest_schema, read_manifest, write_manifest
from videostar.runs.settings_diff import first_affected, without_places

ROOT = Path(__file__).parent.parent


@pytest.fixture
def run(finished: tuple[Path, str], tmp_path: Path) -> Path:
    """A finished run of two rounds, to be changed."""
    return shutil.copytree(finished[0], tmp_path / "run", symlinks=True)


def manifest_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text())
    return found


def files(run: Path, *rounds: int) -> dict[str, Any]:
    """The bytes of each file; of logs all but the times."""
    found: dict[str, Any] = {}
    for number in rounds:
        for path in sorted((run / "rounds" / f"{number:02}").rglob("*")):
            if path.is_file():
                read = path.read_bytes()
                found[path.relative_to(run).as_posix()] = without_clock(read) if path.name == "training.jsonl" else read
    return found


def refused(videostar: Command, *arguments: object) -> str:
    done = videostar(*arguments)
    said = [line for line in done.stderr.splitlines() if line.startswith("videostar: ")]
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(said) == 1, done.stderr
    return said[0]


def done(videostar: Command, *arguments: object) -> str:
    result = videostar(*arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_the_published_schema_is_that_of_manifests(finished: tuple[Path, str]) -> None:
    """CONTRIBUTING.md has the command that writes it anew."""
    schema = json.loads((ROOT / "docs" / "manifest.schema.json").read_text())
    assert schema == manifest_schema()
    jsonschema.validate(manifest_of(finished[0]), schema)


def test_a_manifest_tells_what_every_stage_read_and_wrote_and_in_what(finished: tuple[Path, str]) -> None:
    found = manifest_of(finished[0])
    stages = found["stages"]
    assert stages["02/generate"]["read"] == {"rounds/01/lora": stages["01/train"]["wrote"]["rounds/01/lora"]}
    assert stages["02/version"]["read"] == stages["02/generate"]["wrote"]
    assert stages["02/train"]["read"] == stages["02/version"]["wrote"]
    for stage in stages.values():
        assert found["environments"][stage["environment"]]["packages"]["torch"]
        assert stage["seconds"] >= 0
        assert stage["settings"]


@pytest.mark.slow
def test_more_rounds_extend_a_finished_run(run: Path, quick: Path, videostar: Command) -> None:
    before = files(run, 0, 1, 2)
    said = done(videostar, "cycle", "--pipeline", quick, "--out", run, "--rounds", 3)
    assert "round 2 was made as the last one" in said
    assert files(run, 0, 1, 2) == before
    found = manifest_of(run)
    assert list(found["stages"])[-1] == "03/evaluate"
    assert [change["what"] for change in found["changes"]] == ["extended"]
    assert "rollback" in refused(videostar, "cycle", "--pipeline", quick, "--out", run)


@pytest.mark.slow
def test_a_changed_setting_is_refused_with_the_stage_that_it_touches_and_taken_on_purpose(
    run: Path, quick: Path, videostar: Command
) -> None:
    given = ("cycle", "--pipeline", quick, "--out", run, "--set", "training.rank=8")
    line = refused(videostar, *given)
    assert "training.rank: 32 -> 8 (from 01/train on)" in line
    assert "--restart-from 01/train" in line
    assert "there are 00/evaluate" in refused(videostar, *given, "--restart-from", "round-02/trian")

    # Not from a later stage: round 1 would be of rank 32, and round 2 of rank 8.
    line = refused(videostar, *given, "--restart-from", "round-02/train")
    assert "01/train is the first stage that training.rank: 32 -> 8 affects" in line
    assert "give --restart-from 01/train or an earlier one" in line

    kept = [
        run / "rounds/01" / name for name in ("answers.jsonl", "dataset/data-00000.parquet", "dataset/version.json")
    ]
    before = files(run, 0), [path.read_bytes() for path in kept]
    done(videostar, *given, "--restart-from", "round-01/train")
    assert (files(run, 0), [path.read_bytes() for path in kept]) == before
    for number in ("01", "02"):
        assert json.loads((run / f"rounds/{number}/lora/adapter_config.json").read_text())["r"] == 8
    change = manifest_of(run)["changes"][0]
    assert change["what"] == "restarted"
    assert change["struck"][:2] == ["01/train", "01/evaluate"]
    assert change["settings"] == ["training.rank: 32 -> 8"]

    # What was replaced lies aside until it is asked to go.
    with safe_open(str(run / "struck/001/rounds/02/lora/adapter_model.safetensors"), "numpy") as weights:
        assert 32 in weights.get_slice(next(iter(weights.keys()))).get_shape()
    assert "could be freed" in done(videostar, "gc", run, "--dry-run")
    assert (run / "struck").exists()
    assert "freed" in done(videostar, "gc", run)
    assert not (run / "struck").exists()
    assert files(run, 0) == before[0]


#: The first stage that each setting touches in a run of three rounds; None: a place, when to stop, a gate, or what is
#: evaluated besides.
TOUCHED = {
    **dict.fromkeys("data.name data.classes root adapter prompts distractors model".split()),
    **dict.fromkeys("engine.base_url engine.count cache.folder cache.gb cache.videos_gb".split()),
    **dict.fromkeys("stop.patience rounds evaluation.controls evaluation.sets tracking questions_per_file".split()),
    **dict.fromkeys(f"gates.{name}" for name in Gates.model_fields),
    **dict.fromkeys(f"executor.{name}" for name in Executor.model_fields),
    **dict.fromkeys(
        "data.validation data.leaks data.encoding columns limit seed engine.name engine.batch_size".split(),
        "00/evaluate",
    ),
    **dict.fromkeys("engine.dtype engine.device engine.trust_remote_code engine.options".split(), "00/evaluate"),
    **dict.fromkeys("video.frames video.max_pixels video.fps video.within video.margin".split(), "00/evaluate"),
    **dict.fromkeys("video.frame_rate video.still".split(), "00/evaluate"),
    **dict.fromkeys("generation.max_new_tokens generation.final_line verification.text judge".split(), "00/evaluate"),
    **dict.fromkeys("generation.answers generation.verify generation.samples".split(), "01/generate"),
    **dict.fromkeys("generation.temperature generation.keep_per_question generation.controls".split(), "01/generate"),
    "generation.keep_blind": "01/version",
    **dict.fromkeys("training.rank training.alpha training.learning_rate training.batch_size".split(), "01/train"),
    **dict.fromkeys(
        "training.gradient_accumulation training.gradient_checkpointing training.epochs".split(), "01/train"
    ),
    **dict.fromkeys("training.checkpoint_minutes training.processes training.shard".split()),
    "training.tokens_per_step": "01/train",
    **dict.fromkeys(("mix.sources", "mix.schedule"), "01/train"),
    **dict.fromkeys("training.drop_tokens training.full_every".split(), "01/train"),
    **dict.fromkeys("training.objective training.dpo_beta".split(), "01/train"),
    **dict.fromkeys("training.targets training.rslora training.dora training.lora_plus".split(), "01/train"),
    **dict.fromkeys("training.quantize training.optimizer training.row_weights".split(), "01/train"),
    "training.start_from": "02/train",
    "training.final_round": "03/version",
}


def test_what_every_setting_touches_first_is_known() -> None:
    pipeline = load_pipeline("demo")
    dumped = pipeline.model_dump(mode="json")
    names = {
        f"{section}.{name}" if isinstance(value, dict) and value else section
        for section, value in dumped.items()
        for name in (value if isinstance(value, dict) and value else [""])
    }
    assert names == set(TOUCHED)
    free = {name for name, stage in TOUCHED.items() if stage is None}
    assert not free & set(without_places(pipeline)) - {"rounds", "evaluation.controls"}
    for name, stage in TOUCHED.items():
        if name not in free:
            assert first_affected(name, 3) == stage, name
    assert first_affected("columns.label", 3) == "00/evaluate"
    assert [first_affected(name, 3) for name in ("verification.action", "judge.model")] == ["00/evaluate"] * 2
    assert [first_affected(name, 1) for name in ("training.start_from", "training.final_round")] == [None, None]


@pytest.mark.parametrize(
    ("setting", "stage", "later"),
    [
        ("video.frames=4", "00/evaluate", "01/train"),
        ("generation.final_line=drop", "00/evaluate", "01/generate"),
        ("verification.action=engine", "00/evaluate", "01/generate"),
        ("generation.samples=2", "01/generate", "01/version"),
        ("mix.weight=2", "01/train", "01/evaluate"),
        ("mix=null", "01/train", "02/train"),
        ("training.start_from=previous", "02/train", "02/evaluate"),
        ("training.final_round=all", "02/version", "02/train"),
    ],
)
def test_no_restart_begins_after_the_first_stage_that_a_change_touches(
    run: Path, quick: Path, videostar: Command, setting: str, stage: str, later: str
) -> None:
    before = (run / "manifest.json").read_bytes()
    given = ("cycle", "--pipeline", quick, "--out", run, "--set", setting)
    assert f"--restart-from {stage}" in refused(videostar, *given)
    line = refused(videostar, *given, "--restart-from", later)
    assert f"--restart-from {later}: {stage} is the first stage that " in line
    assert (run / "manifest.json").read_bytes() == before


@pytest.mark.slow
def test_a_rolled_back_round_comes_out_the_same_when_it_is_done_again_elsewhere(
    run: Path, world: Path, tmp_path: Path, videostar: Command
) -> None:
    """A copy of the run, and of its data, which are named by the new place alone."""
    before = files(run, 1, 2)
    done(videostar, "rollback", run, 1)
    assert manifest_of(run)["settings"]["rounds"] == 1
    assert not files(run, 2)
    assert "finished" in done(videostar, "status", run)
    assert "give a smaller number" in refused(videostar, "rollback", run, 1)
    clips = shutil.copytree(world.parent / "clips_and_labels", tmp_path / "moved")
    done(videostar, "cycle", "--resume", run / "manifest.json", "--rounds", 2, "--root", "moved")
    assert files(run, 1, 2) == before
    assert manifest_of(run)["settings"]["root"] == str(clips)


def test_a_run_and_its_data_that_were_moved_go_on(
    finished: tuple[Path, str], quick: Path, world: Path, tmp_path: Path, videostar: Command
) -> None:
    run = shutil.copytree(finished[0], tmp_path / "elsewhere" / "run", symlinks=True)
    clips = shutil.copytree(world.parent / "clips_and_labels", tmp_path / "moved")
    done(videostar, "cycle", "--resume", run / "manifest.json", "--root", clips)
    found = manifest_of(run)
    assert found["settings"]["root"] == str(clips)
    assert found["changes"] == []
    assert files(run, 0, 1, 2) == files(finished[0], 0, 1, 2)


def test_other_data_are_refused(run: Path, world: Path, tmp_path: Path, videostar: Command) -> None:
    clips = shutil.copytree(world.parent / "clips_and_labels", tmp_path / "moved")
    rows = (clips / "train.csv").read_text().splitlines(keepends=True)
    (clips / "train.csv").write_text("".join(rows[:-1]))
    manifest = yaml.safe_load(world.read_text())
    (tmp_path / "other.yaml").write_text(yaml.safe_dump({"root": "moved", "rows": manifest["rows"]}))
    line = refused(videostar, "cycle", "--resume", run / "manifest.json", "--data", tmp_path / "other.yaml")
    assert "the data (rows, labels or prompts) has changed since the run began" in line
    again = ("cycle", "--resume", run / "manifest.json", "--data", tmp_path / "other.yaml", "--restart-from")
    line = refused(videostar, *again, "01/generate")
    assert "00/evaluate is the first stage that the changed data (rows, labels or prompts) affects" in line


def test_another_instruction_set_is_taken_from_the_first_training_on(
    run: Path, world: Path, tmp_path: Path, videostar: Command
) -> None:
    clips = shutil.copytree(world.parent / "clips_and_labels", tmp_path / "moved")
    rows = (clips / "mix.jsonl").read_text().splitlines(keepends=True)
    (clips / "mix.jsonl").write_text("".join(rows[:-1]))
    given = ("cycle", "--resume", run / "manifest.json", "--set", f"mix.data={clips / 'mix.jsonl'}")
    assert "the instruction set has changed since the run began" in (line := refused(videostar, *given))
    assert "--restart-from 01/train" in line
    line = refused(videostar, *given, "--restart-from", "02/train")
    assert "01/train is the first stage that the changed instruction set affects" in line


def test_a_manifest_of_the_first_format_is_read_and_written_anew(run: Path, videostar: Command) -> None:
    old = manifest_of(run)
    for name in ("seal", "mix", "sources", "environments", "changes", "move"):
        del old[name]
    for stage in old["stages"].values():
        for name in ("read", "settings", "environment", "started"):
            del stage[name]
    (run / "manifest.json").write_text(json.dumps({**old, "format": 1}))
    assert "finished" in done(videostar, "status", run)
    done(videostar, "cycle", "--resume", run / "manifest.json")
    assert (manifest_of(run)["format"], manifest_of(run)["mix"] is None) == (4, False)


def test_a_manifest_of_a_later_format_or_changed_by_hand_is_refused(run: Path, videostar: Command) -> None:
    path = run / "manifest.json"
    sound = path.read_text()
    path.write_text(sound.replace('"format": 4', '"format": 5'))
    assert "was written by a later videostar" in refused(videostar, "cycle", "--resume", path)
    for was, now in (('"rounds": 2', '"rounds": 4'), ('"format": 4,', "")):
        path.write_text(sound.replace(was, now))
        assert "was changed by hand" in refused(videostar, "cycle", "--resume", path)
    path.write_text(sound[: len(sound) // 2])
    assert "is not the manifest of a run" in refused(videostar, "cycle", "--resume", path)


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("rounds/01/lora/adapter_model.safetensors", "01/train"),
        ("rounds/02/dataset/data-00000.parquet", "02/version"),
        ("rounds/02/answers.jsonl", "02/generate"),
    ],
)
def test_a_flipped_byte_is_found_and_the_way_out_told(run: Path, videostar: Command, name: str, stage: str) -> None:
    data = bytearray((run / name).read_bytes())
    data[len(data) // 2] ^= 1
    (run / name).write_bytes(data)
    line = refused(videostar, "cycle", "--resume", run / "manifest.json")
    assert f"differs from what stage {stage} wrote" in line
    assert f"--restart-from {stage}" in line


def test_files_on_their_way_out_when_a_crash_came_are_moved_by_whoever_comes_next(
    run: Path, videostar: Command
) -> None:
    manifest = read_manifest(run / "manifest.json")
    left = {name: stage for name, stage in manifest.stages.items() if not name.startswith("02")}
    paths = ["rounds/02/answers.jsonl", "rounds/02/dataset", "rounds/02/lora"]
    (run / "struck/001/rounds/02").mkdir(parents=True)
    (run / paths[0]).rename(run / "struck/001" / paths[0])  # the first was done
    write_manifest(
        run / "manifest.json", manifest.model_copy(update={"stages": left, "move": Move(paths=paths, to="struck/001")})
    )
    done(videostar, "gc", run, "--dry-run")
    assert all((run / "struck/001" / path).exists() and not (run / path).exists() for path in paths)
    assert read_manifest(run / "manifest.json").move is None


@pytest.mark.slow
def test_two_processes_and_a_dead_one(quick: Path, tmp_path: Path, videostar: Command) -> None:
    """Of two that start at once one goes on. The lock of a killed one is nobody's, and no process of it is left."""
    words = command("cycle", "--pipeline", quick, "--limit", 8, "--out", "run", "--cache", "frames")  # none there
    both = [subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(2)]
    deadline = time.monotonic() + 300
    while not list((tmp_path / "run").glob("rounds/00/*.jsonl")) or all(one.poll() is None for one in both):
        assert not all(one.poll() is not None for one in both)
        assert time.monotonic() < deadline
        time.sleep(0.05)
    late, first = sorted(both, key=lambda one: one.poll() is None)
    assert late.stderr is not None
    assert late.returncode == 2
    assert "another process works on this run" in late.stderr.read().decode()
    again = ("cycle", "--pipeline", quick, "--limit", 8, "--out", "run")
    for other in (again, ("rollback", "run", 1), ("gc", "run")):
        assert "another process works on this run" in refused(videostar, *other)
    children = _children(first.pid)
    assert children
    first.kill()  # and not its children
    first.wait()
    deadline = time.monotonic() + 30
    while any(_alive(pid) for pid in children):
        assert time.monotonic() < deadline, "decoding processes outlive the run"
        time.sleep(0.2)
    done(videostar, "rollback", "run", 1)


def _children(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.exhaustive
def test_a_clock_that_jumps_back_changes_nothing(run: Path, tmp_path: Path) -> None:
    """A run from the future, gone on with under a clock that runs backwards."""
    try:
        library = build(tmp_path, "clock")
    except OSError:
        pytest.skip("needs a C compiler (cc)")
    manifest = read_manifest(run / "manifest.json")
    ahead = {
        name: stage.model_copy(update={"started": stage.started and stage.started.replace(year=2100)})
        for name, stage in manifest.stages.items()
    }
    write_manifest(run / "manifest.json", manifest.model_copy(update={"stages": ahead}))
    for path in run.rglob("*"):
        os.utime(path, (4e9, 4e9))
    before = files(run, 1, 2)
    words = command("cycle", "--resume", run / "manifest.json", "--restart-from", "02/version")
    again = subprocess.run(words, env={**os.environ, "LD_PRELOAD": str(library)}, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert files(run, 1, 2) == before
    started = [manifest_of(run)["stages"][f"02/{part}"]["started"] for part in ("version", "train", "evaluate")]
    assert started[2] < started[1] < started[0] < "2100"


@pytest.mark.exhaustive
def test_ctrl_c_while_decoding_begins_says_how_to_go_on_and_no_more(quick: Path, tmp_path: Path) -> None:
    """To the run alone while its processes begin; `test_resume.py` sends it to all of them, later."""
    # No frames are there: all is decoded.
    words = command("cycle", "--pipeline", quick, "--limit", 8, "--out", "run", "--cache", "frames")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells ignore in the background
    process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 300
    while not _decoding(process.pid):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "videostar: interrupted; the same command goes on"
    assert "Traceback" not in said


def _decoding(pid: int) -> bool:
    with suppress(psutil.ZombieProcess):  # another child, which has just ended
        return any("videostar.video.worker" in " ".join(child.cmdline()) for child in psutil.Process(pid).children())
    return False
