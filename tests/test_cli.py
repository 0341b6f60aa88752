"""The command line: what it loads, what it says of bad input, and that bad input leaves nothing behind."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from commands import Command
from typer.main import get_command

from videostar.cli.app import app
from videostar.pipeline_files import load_pipeline
from videostar.runs.settings_diff import without_places
from videostar.util.files import digest_json


def loaded_by(code: str) -> set[str]:
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(shown.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import videostar",
        "import videostar.cli.app",
        "from typer.testing import CliRunner; from videostar.cli.app import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0",
        "import videostar.labels, videostar.data.samples, videostar.adapters.prompts, videostar.video.decode",
    ],
)
def test_light_imports_load_neither_torch_nor_vllm(code: str) -> None:
    assert not loaded_by(code) & {"torch", "vllm", "transformers"}


@pytest.mark.parametrize("name", get_command(app).commands)
def test_every_command_has_help(videostar: Command, name: str) -> None:
    shown = videostar(name, "--help")
    assert shown.returncode == 0
    assert re.search("Options|Commands", shown.stdout)


def refused(videostar: Command, folder: Path, *arguments: object) -> str:
    """The one line that a refused command prints; nothing else may have changed."""
    before = sorted(folder.rglob("*"))
    done = videostar(*arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(folder.rglob("*")) == before
    lines = [line for line in done.stderr.splitlines() if line.startswith("videostar: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_missing_data_manifest(videostar: Command, tmp_path: Path) -> None:
    assert "nowhere.yaml: no such file" in refused(videostar, tmp_path, "cycle", "--data", "nowhere.yaml")
    assert "nowhere.csv: no such file" in refused(videostar, tmp_path, "cycle", "--data", "nowhere.csv")
    assert "did you mean 'demo'?" in refused(videostar, tmp_path, "cycle", "--data", "demmo")


def test_a_missing_run_manifest(videostar: Command, tmp_path: Path) -> None:
    assert "no such file" in refused(videostar, tmp_path, "cycle", "--resume", "runs/x/manifest.json")
    assert "no manifest.json there" in refused(videostar, tmp_path, "status", "runs/x")


def test_an_unknown_pipeline_or_key(videostar: Command, tmp_path: Path) -> None:
    near = refused(videostar, tmp_path, "cycle", "--pipeline", "ablations/no_rationalization")
    assert "did you mean 'ablations/no_rationalisation'?" in near
    assert "did you mean 'rank'?" in refused(videostar, tmp_path, "cycle", "--set", "training.ranc=8")
    assert "training.rank" in refused(videostar, tmp_path, "cycle", "--set", "training.rank=eight")
    assert "section.key=value" in refused(videostar, tmp_path, "cycle", "--set", "training.rank")
    assert "'transformers'" in refused(videostar, tmp_path, "cycle", "--engine", "tranformers")
    (tmp_path / "mine.yaml").write_text("extends: demo\nrouns: 3\n")
    line = refused(videostar, tmp_path, "cycle", "--pipeline", "mine.yaml")
    assert "mine.yaml" in line
    assert "did you mean 'rounds'?" in line


def test_a_manifest_with_paths_outside_its_root(videostar: Command, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "labels.csv").write_text("video,label\n")
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({"root": "videos", "rows": {"all": "../labels.csv"}}))
    assert "leads out of the root" in refused(videostar, tmp_path, "cycle", "--data", "data.yaml")


def test_a_csv_without_its_columns(videostar: Command, tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("file,class\na.mp4,run\n")
    assert "no column 'video', only file, class" in refused(videostar, tmp_path, "cycle", "--data", "my.csv")


def test_rows_that_cannot_be_used_are_skipped_and_none_left_is_an_error(videostar: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("hello")
    rows = ["gone.mp4,run", "empty.mp4,run", "text.mp4,run", "../x.mp4,run", "text.mp4,"]
    (tmp_path / "my.csv").write_text("\n".join(["video,label", *rows]) + "\n")
    line = refused(videostar, tmp_path, "cycle", "--data", "my.csv", "--set", "mix=null")
    assert "no usable train video in 5 rows" in line
    assert "my.csv:2: gone.mp4: missing" in line


def test_a_model_that_is_not_there(videostar: Command, tmp_path: Path) -> None:
    assert "model './nothing'" in refused(videostar, tmp_path, "cycle", "--set", "model=./nothing")


def test_a_second_process_on_the_same_run(videostar: Command, quick: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    folder = tmp_path / "runs" / "x"
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        line = refused(videostar, tmp_path, "cycle", "--pipeline", quick, "--out", folder)
    assert "another process works on this run" in line


def test_an_out_folder_that_is_not_a_run(videostar: Command, quick: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("mine")
    assert "is not empty and holds no manifest.json" in refused(
        videostar, tmp_path, "cycle", "--pipeline", quick, "--out", tmp_path
    )


def test_dry_run_forecasts_and_the_run_tells_what_came_of_it(
    videostar: Command, quick: Path, finished: tuple[Path, str], tmp_path: Path
) -> None:
    asked = ("cycle", "--pipeline", quick, "--limit", 12, "--rounds", 1, "--set", "training.rank=8", "--out", "run")
    done = videostar(*asked, "--dry-run")
    assert done.returncode == 0, done.stderr
    plan = yaml.safe_load(done.stdout)
    assert plan["settings"]["training"]["rank"] == 8
    assert len(plan["stages"]) == 2
    hours = plan["forecast"]["hours"]
    assert plan["forecast"]["bottleneck"] in hours
    assert sum(hours.values()) == pytest.approx(plan["forecast"]["hours in all"], abs=0.003)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["forecast.json"]

    done = videostar(*asked)
    assert done.returncode == 0, done.stderr
    table = done.stdout[done.stdout.index("forecast and actual") :]
    (tokens,) = [line.split() for line in table.splitlines() if "tokens" in line]
    # Half of the clips were asked for it; how long answers are is the same for the other half, nearly.
    assert int(tokens[1].replace(",", "")) == pytest.approx(int(tokens[2].replace(",", "")), rel=0.2)

    # What was forecast of one round says nothing of two.
    shutil.copytree(finished[0], tmp_path / "two", symlinks=True)
    one = load_pipeline(str(quick), rounds=1)
    forecast = json.loads((tmp_path / "run" / "forecast.json").read_text())
    forecast["settings"] = digest_json(without_places(one))
    (tmp_path / "two" / "forecast.json").write_text(json.dumps(forecast))
    done = videostar("cycle", "--pipeline", quick, "--out", "two")
    assert done.returncode == 0, done.stderr
    assert done.stdout == finished[1].replace("report: run/", "report: two/")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("video.frames=512", "a video takes"),
        ("engine={name: vllm}, training.rank=600", "more than the 512 that vLLM serves"),
        ("training.rank=10000000", "weights and LoRA take"),
        ("rounds=1000000000", "the LoRAs take"),
    ],
)
def test_what_cannot_work_is_told_before_any_video_is_opened(
    videostar: Command, tmp_path: Path, setting: str, said: str
) -> None:
    (tmp_path / "my.csv").write_text("video,label\na.mp4,juggling\n")
    (tmp_path / "a.mp4").write_text("no video, which would be told later")
    changes = [part for item in setting.split(", ") for part in ("--set", item)]
    assert said in refused(videostar, tmp_path, "cycle", "--data", "my.csv", *changes)


def test_verify_keeps_the_contract(videostar: Command, tmp_path: Path) -> None:
    label = {"kind": "action", "name": "juggling balls"}
    cases = [
        json.dumps({"id": "a", "label": label, "answer": "She is juggling balls.", "note": "ignored"}),
        "not json",
        json.dumps({"id": "b", "label": label, "answer": "She is not juggling balls."}),
        json.dumps({"id": "c", "label": {**label, "nmae": 1}, "answer": "x"}),
    ]
    (tmp_path / "cases.jsonl").write_text("\n".join(cases) + "\n")
    done = videostar("verify", "cases.jsonl", "--out", "verdicts.jsonl")
    assert done.returncode == 1
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == ["cases.jsonl:2", "cases.jsonl:4"]
    verdicts = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert [(verdict["id"], verdict["accepted"]) for verdict in verdicts] == [("a", True), ("b", False)]
    assert set(verdicts[0]) == {"id", "accepted", "score", "reason", "parsed"}


def test_the_package_works_from_its_wheel_layout(tmp_path: Path) -> None:
    """Shipped files are found inside the package as well (where the wheel puts them)."""
    checkout = Path(__file__).parents[1]
    shutil.copytree(checkout / "videostar", tmp_path / "videostar", ignore=shutil.ignore_patterns("embedded"))
    for kind in ("pipelines", "prompts", "data_manifests"):
        shutil.copytree(checkout / kind, tmp_path / "videostar" / kind)
    shown = subprocess.run(
        [
            sys.executable,
            "-c",
            "from videostar.util.resources import *; print(resource_folder('pipelines'), *resource_names('prompts'))",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    folder, *names = shown.stdout.split()
    assert folder == str(tmp_path / "videostar" / "pipelines")
    assert names == sorted(path.stem for path in (checkout / "prompts").glob("*.yaml"))
