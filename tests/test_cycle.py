"""The whole cycle on real files with the embedded model, and what it leaves on disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from commands import Command
from data_sets import load, questions_of
from datasets import load_dataset
from safetensors import safe_open
from safetensors.torch import load_file

from videostar.labels import parse_label
from videostar.models.load import load_processor
from videostar.pipeline_files import load_pipeline
from videostar.util.files import digest


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_stage_is_recorded_with_what_it_wrote(finished: tuple[Path, str]) -> None:
    run, _ = finished
    manifest = json.loads((run / "manifest.json").read_text())
    parts = ("generate", "version", "health", "train", "evaluate")
    assert list(manifest["stages"]) == ["00/evaluate", *(f"{n:02}/{part}" for n in (1, 2) for part in parts)]
    for stage in manifest["stages"].values():
        for path, expected in stage["wrote"].items():
            assert digest(run / path) == expected


def test_every_question_is_answered_and_settled_once(finished: tuple[Path, str]) -> None:
    run, _ = finished
    for number in ("01", "02"):
        answers = lines(run / "rounds" / number / "answers.jsonl")
        keys = [(answer["question_id"], answer["kind"]) for answer in answers]
        assert len(set(keys)) == len(keys)
        direct = {answer["question_id"]: answer["kept"] for answer in answers if answer["kind"] == "direct"}
        again = {answer["question_id"] for answer in answers if answer["kind"] == "rationalised"}
        assert len(direct) == 32
        assert again == {question for question, kept in direct.items() if not kept}
        assert all(answer["kept"] == answer["accepted"] for answer in answers)


def test_an_answer_that_is_cut_off_is_not_kept_though_it_holds_the_label(
    finished: tuple[Path, str], quick: Path, videostar: Command, tmp_path: Path
) -> None:
    run, _ = finished
    whole = next(answer for answer in lines(run / "rounds" / "01" / "answers.jsonl") if answer["kept"])
    tokenizer = load_processor(load_pipeline(str(quick)).spec).tokenizer
    most = len(tokenizer(whole["answer"])["input_ids"])  # all but its end
    limit = f"generation.max_new_tokens={most}"
    done = videostar("generate", "--pipeline", quick, "--set", limit, "--out", "short")
    assert done.returncode == 0, done.stderr
    found = {(answer["question_id"], answer["kind"]): answer for answer in lines(tmp_path / "short" / "answers.jsonl")}
    cut = found[whole["question_id"], whole["kind"]]
    assert cut["answer"] == whole["answer"]
    assert (cut["accepted"], cut["kept"], cut["reason"]) == (True, False, "cut off")


def test_every_answer_says_where_it_comes_from(finished: tuple[Path, str], world: Path) -> None:
    run, _ = finished
    forms = yaml.safe_load((Path(__file__).parents[1] / "prompts" / "action.yaml").read_text())
    for name in ("00/evaluation.jsonl", "01/answers.jsonl", "02/answers.jsonl", "02/evaluation.jsonl"):
        for answer in lines(run / "rounds" / name):
            assert answer["video_sha256"] == digest(world.parent / "clips_and_labels" / answer["video"])
            assert len(answer["frame_times"]) == 8
            assert answer["frame_times"] == sorted(answer["frame_times"])
            assert answer["seed"] is None
            file, *places = answer["template"].removesuffix("]").replace("] of ", "[").replace(" ", "[").split("[")
            assert file == "action.yaml"
            asked = answer["question"]
            assert asked == forms["questions"][int(places[-1])]
            if answer["kind"] == "rationalised":
                hint = forms["rationalise"][int(places[1])]
                asked = hint.replace("{{ question }}", asked).replace("{{ label }}", answer["label"])
            assert answer["prompt"] == asked
    for number in ("01", "02"):
        version = json.loads((run / "rounds" / number / "dataset" / "version.json").read_text())
        assert version["lineage"]["engine"] == {"name": "transformers", "dtype": "float32"}


def test_the_hint_is_in_the_prompt_and_not_in_what_is_stored(finished: tuple[Path, str]) -> None:
    run, _ = finished
    answers = lines(run / "rounds" / "01" / "answers.jsonl")
    assert {answer["kind"] for answer in answers} == {"direct", "rationalised"}
    for answer in answers:
        if answer["kind"] == "rationalised":
            assert answer["label"] in answer["prompt"]
        else:
            assert answer["label"] not in answer["prompt"]
        assert answer["label"] not in answer["question"]


def test_versions_are_read_by_datasets_without_this_package(finished: tuple[Path, str], tmp_path: Path) -> None:
    run, _ = finished
    for number in ("01", "02"):
        folder = run / "rounds" / number / "dataset"
        version = json.loads((folder / "version.json").read_text())
        rows = load_dataset(
            "parquet", data_files=str(folder / "data-*.parquet"), split="train", cache_dir=str(tmp_path / number)
        )
        assert len(rows) == version["rows"] > 0
        for row in rows:
            user, assistant = row["messages"]
            assert [part["type"] for part in user["content"]] == ["video", "text"]
            assert parse_label({"kind": "action", "name": row["label"]}).judge(assistant["content"][0]["text"]).accepted
            assert len(row["videos"]) == 1
        rejected = load_dataset(
            "parquet", data_files=str(folder / "rejected.parquet"), split="train", cache_dir=str(tmp_path / number)
        )
        assert len(rejected) == sum(version["rejected"].values())
        assert all(row["reason"] for row in rejected)
        assert version["lineage"]["adapter"] == (None if number == "01" else digest(run / "rounds" / "01" / "lora"))
        assert (folder / "README.md").read_text().startswith("---\n")


def test_adapters_are_safetensors_of_the_language_model_alone(finished: tuple[Path, str]) -> None:
    run, _ = finished
    folder = run / "rounds" / "01" / "lora"
    assert not [path for path in folder.iterdir() if path.suffix in {".bin", ".pt", ".pth", ".pkl"}]
    with safe_open(str(folder / "adapter_model.safetensors"), "numpy") as weights:
        names = list(weights.keys())
    assert names
    assert all("language_model" in name for name in names)
    assert not any("visual" in name for name in names)


def test_evaluations_say_accuracy_interval_and_labels(finished: tuple[Path, str]) -> None:
    run, _ = finished
    for number in ("00", "01", "02"):
        found = json.loads((run / "rounds" / number / "evaluation.json").read_text())
        low, high = found["ci95"]
        assert 0 <= low <= found["accuracy"] <= high <= 1
        assert found["n"] == 16 == sum(label["n"] for label in found["per_label"].values())
    assert json.loads((run / "rounds" / "00" / "evaluation.json").read_text())["accuracy"] <= 0.05


def test_the_table_and_status_show_the_rounds(finished: tuple[Path, str], videostar: Command) -> None:
    run, printed = finished
    assert "held-out accuracy" in printed
    shown = videostar("status", run)
    assert shown.returncode == 0
    assert "finished" in shown.stdout
    assert shown.stdout.count("32 (") + shown.stdout.count("/32") >= 2


def test_the_versions_of_a_run_are_listed_compared_and_explained(
    finished: tuple[Path, str], videostar: Command
) -> None:
    run, _ = finished
    versions = [json.loads((run / "rounds" / n / "dataset" / "version.json").read_text()) for n in ("01", "02")]
    listed = videostar("versions", run)
    assert listed.returncode == 0, listed.stderr
    assert all(version["version"] in listed.stdout for version in versions)
    told = videostar("versions", run, "--json")
    assert [(each["rows"], each["damaged"]) for each in json.loads(told.stdout)] == [(v["rows"], []) for v in versions]

    compared = videostar("diff", f"{run}:1", run / "rounds" / "02" / "dataset", "--json")
    assert compared.returncode == 0, compared.stderr
    counts = json.loads(compared.stdout)["counts"]
    assert counts["lost"] + counts["changed"] + counts["unchanged"] == versions[0]["rows"]
    assert counts["gained"] + counts["changed"] + counts["unchanged"] == versions[1]["rows"]
    assert f"{counts['gained']} gained" in videostar("diff", f"{run}:1", f"{run}:2").stdout

    answer = lines(run / "rounds" / "02" / "answers.jsonl")[-1]
    shown = videostar("explain", answer["video"].removeprefix("clips/"), "--run", run)
    assert shown.returncode == 0, shown.stderr
    for said in (
        *(answer[name] for name in ("video", "question_id", "prompt", "answer", "template", "video_sha256")),
        *(digest(run / "rounds" / "01" / "lora"), "transformers, float32", "answered by the base model"),
    ):
        assert said in shown.stdout
    told = videostar("explain", answer["question_id"], "--run", run, "--json")
    found = json.loads(told.stdout)
    assert [ledger["round"] for ledger in found["ledgers"]] == [1, 2]
    assert found["ledgers"][1]["answers"][-1]["answer"] == answer
    for asked, version in zip(found["ledgers"], versions, strict=True):
        assert asked["version"] == version["version"]
    (held_out, *_) = lines(run / "rounds" / "00" / "evaluation.jsonl")
    told = videostar("explain", held_out["video"], "--run", run / "manifest.json", "--json")
    assert [ledger["ledger"] for ledger in json.loads(told.stdout)["ledgers"]] == [
        f"rounds/{number}/evaluation.jsonl" for number in ("00", "01", "02")
    ]


def test_a_finished_run_is_not_run_again(finished: tuple[Path, str], videostar: Command) -> None:
    run, _ = finished
    before = {path: path.stat().st_mtime_ns for path in (run / "rounds").rglob("*")}
    assert videostar("cycle", "--resume", run / "manifest.json").returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (run / "rounds").rglob("*")} == before


def test_other_settings_on_the_same_run_are_refused(
    finished: tuple[Path, str], quick: Path, videostar: Command
) -> None:
    run, _ = finished
    done = videostar("cycle", "--pipeline", quick, "--out", run, "--set", "training.rank=8")
    assert done.returncode == 2
    assert "training.rank: 32 -> 8" in done.stderr


def test_a_stage_whose_files_were_touched_is_not_trusted(
    finished: tuple[Path, str], videostar: Command, tmp_path: Path
) -> None:
    run = shutil.copytree(finished[0], tmp_path / "run", symlinks=True)
    with (run / "rounds" / "01" / "dataset" / "version.json").open("a") as file:
        file.write(" ")
    done = videostar("cycle", "--resume", run / "manifest.json")
    assert done.returncode == 2
    assert "differs from what stage 01/version wrote" in done.stderr


def test_a_deleted_clip_is_one_video_skipped(quick: Path, world: Path, videostar: Command, tmp_path: Path) -> None:
    copy = shutil.copytree(world.parent / "clips_and_labels", tmp_path / "clips_and_labels")
    shutil.copy(world, tmp_path / "small.yaml")
    (copy / "clips" / "train" / "0003.mp4").unlink()
    out = tmp_path / "out"
    done = videostar(
        "generate", "--pipeline", quick, "--data", tmp_path / "small.yaml", "--out", out, "--set", "mix=null"
    )
    assert done.returncode == 0, done.stderr
    assert "1 row skipped: 1 missing" in done.stderr
    assert len({answer["question_id"] for answer in lines(out / "answers.jsonl")}) == 31


def test_a_clip_that_breaks_after_the_check_costs_only_itself(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # its frames are not known from another test
    from videostar.engines import open_engine
    from videostar.executors.local import LocalExecutor
    from videostar.pipeline_files import load_pipeline
    from videostar.stages.generation import generate
    from videostar.stages.plan import AnswerPlan
    from videostar.util.progress import silent

    copy = shutil.copytree(world.parent / "clips_and_labels", tmp_path / "clips_and_labels")
    shutil.copy(world, tmp_path / "small.yaml")
    settings = load_pipeline("demo", data=str(tmp_path / "small.yaml"), mix=None)
    data = load(settings.data, 4)
    video = copy / data.split("train")[2].video
    video.write_bytes(video.read_bytes()[:1000] + b"broken" * 10)
    with open_engine(settings) as engine:
        facts = generate(
            questions_of(data),
            LocalExecutor(engine),
            AnswerPlan.for_evaluation(settings),
            split="train",
            lora=None,
            out=tmp_path / "a.jsonl",
            tick=silent(""),
        )
    assert facts["direct_asked"] == 3
    assert facts["video_asked"] == 1


def test_stages_run_alone_give_what_the_cycle_gives(
    finished: tuple[Path, str], quick: Path, videostar: Command, tmp_path: Path
) -> None:
    run, _ = finished
    done = videostar("generate", "--pipeline", quick, "--out", "alone")
    assert done.returncode == 0, done.stderr
    first = run / "rounds" / "01"
    assert (tmp_path / "alone" / "answers.jsonl").read_bytes() == (first / "answers.jsonl").read_bytes()
    name = "data-00000.parquet"
    assert digest(tmp_path / "alone" / "dataset" / name) == digest(first / "dataset" / name)
    done = videostar("train", "alone/dataset", "--pipeline", quick, "--out", "lora")
    assert done.returncode == 0, done.stderr
    weights = "adapter_model.safetensors"
    assert digest(tmp_path / "lora" / weights) == digest(first / "lora" / weights)
    done = videostar("evaluate", "--pipeline", quick, "--lora", "lora", "--out", "evaluation.json")
    assert done.returncode == 0, done.stderr
    alone, within = (json.loads((folder / "evaluation.json").read_text()) for folder in (tmp_path, first))
    for found in (alone, alone["validation"], within, within["validation"]):
        del found["against"]  # other rounds, of which a stage alone has none
    assert alone == within


def test_a_dataset_whose_videos_are_elsewhere_is_not_trained_on(
    finished: tuple[Path, str], quick: Path, videostar: Command, tmp_path: Path
) -> None:
    """Not on what is mixed in alone."""
    dataset = finished[0] / "rounds" / "01" / "dataset"
    done = videostar("train", dataset, "--pipeline", quick, "--root", tmp_path, "--out", "lora")
    assert done.returncode == 2
    assert "none of the videos of its" in done.stderr
    assert "give their folder with --root" in done.stderr


def test_activations_that_are_computed_again_give_the_same_adapter(
    finished: tuple[Path, str], quick: Path, videostar: Command, tmp_path: Path
) -> None:
    run, _ = finished
    again = "training.gradient_checkpointing=true"
    dataset = run / "rounds" / "01" / "dataset"
    done = videostar("train", dataset, "--pipeline", quick, "--set", again, "--out", tmp_path / "lora")
    assert done.returncode == 0, done.stderr
    made, kept = (
        load_file(folder / "adapter_model.safetensors") for folder in (tmp_path / "lora", run / "rounds/01/lora")
    )
    assert made.keys() == kept.keys()
    for name, weights in made.items():
        torch.testing.assert_close(weights, kept[name])
