"""Labels that a model proposes for videos without any are the model's own, calibrated, and a run reads them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from commands import Command
from hypothesis import given
from hypothesis import strategies as st
from ordinary_data import picture, write_clip, write_rows
from PIL import Image
from scipy.special import log_softmax, softmax
from tiny_models import byte_level
from tokenizers import processors

from videostar.evidence.load import load_evidence
from videostar.stages.calibration import calibration, fit_temperature, least_confidence
from videostar.video.decode import decode
from videostar.video.sampling import Sampling

NAMES = ["opening a door", "closing_a_door", "none", "a; b", "running"]
TEMPLATES = ["a video of {label}", "{label}, seen from afar"]
GIVEN = [word for template in TEMPLATES for word in ("--template", template)]


@pytest.fixture(scope="module")
def clip_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random CLIP."""
    torch.manual_seed(1)
    first, last = "<|startoftext|>", "<|endoftext|>"
    tokenizer = byte_level([first], last)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        special_tokens=[(name, tokenizer.convert_tokens_to_ids(name)) for name in (first, last)],
    )
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    text = {**small, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 64}
    vision = {**small, "image_size": 32, "patch_size": 8}
    model = hf.CLIPModel(hf.CLIPConfig(text_config=text, vision_config=vision, projection_dim=32))
    folder = tmp_path_factory.mktemp("clip")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"height": 32, "width": 32}
    hf.CLIPImageProcessor(size=size, crop_size=size).save_pretrained(folder)
    return folder


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Twelve videos in a folder and below it, a damaged one, and files of other kinds."""
    folder = tmp_path / "films"
    for number in range(12):
        write_clip(folder / ("" if number % 2 else f"of/{number % 3}") / f"{number:02}, of many.mp4", number)
    (folder / "of" / "cut.mp4").write_bytes((folder / "01, of many.mp4").read_bytes()[:700])
    (folder / "notes.txt").write_text("no video\n")
    (tmp_path / "names.txt").write_text("\n".join(NAMES) + "\n")
    return folder


def logits_of(model: Path, films: Path) -> dict[str, np.ndarray]:
    """The mean logits of the templates for each video, by its path from the folder above."""
    evidence = load_evidence(str(model), torch.device("cpu"))
    found = {}
    for path in sorted(films.rglob("* of many.mp4")):
        clip = evidence.encode([decode(path, Sampling(16, evidence.max_pixels))])
        forms = [[one.replace("{label}", name.replace("_", " ")) for name in NAMES] for one in TEMPLATES]
        each = [evidence.similarity(clip, texts)[0].double().numpy() for texts in forms]
        found[path.relative_to(films.parent).as_posix()] = np.mean(each, axis=0)
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_proposals_are_the_models_and_a_run_reads_them(
    films: Path, clip_model: Path, videostar: Command, tmp_path: Path
) -> None:
    given = ("label", "films", "--labels", "names.txt", "--model", clip_model, *GIVEN)
    done = videostar(*given, "--out", "proposed.csv", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["videos"], figures["proposed"], figures["below"]) == (13, 12, 0)
    assert sum(figures["skipped"].values()) == 1
    assert "films: 1 of 13 rows are skipped" in done.stderr
    assert "of/cut.mp4" in done.stderr
    expected = {video: softmax(logits) for video, logits in logits_of(clip_model, films).items()}
    rows = rows_of(tmp_path / "proposed.csv")
    assert {row["video"] for row in rows} == set(expected)
    for row in rows:
        ordered = np.sort(expected[row["video"]])
        assert row["label"] == NAMES[expected[row["video"]].argmax()]
        assert float(row["score"]) == pytest.approx(ordered[-1], abs=2e-4)
        assert float(row["margin"]) == pytest.approx(ordered[-1] - ordered[-2], abs=2e-4)
        assert (row["trust"], row["split"]) == (row["score"], "train")
    assert sum(found["videos"] for found in figures["labels"].values()) == 12

    shown = videostar(*given, "--out", "again.csv")
    assert shown.returncode == 0, shown.stderr
    assert "12 of 13 videos have a proposed label" in shown.stdout
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "proposed.csv").read_bytes()
    line = "videostar cycle --data again.csv --set data.classes=names.txt"
    assert line in " ".join(shown.stdout.split())
    read = videostar("check", "again.csv", "--set", "data.classes=names.txt", "--json")
    report = json.loads(read.stdout)
    assert (report["usable"], report["rows"]) == (12, 12), read.stdout


def test_the_frame_rate_of_a_data_manifest_is_used(clip_model: Path, videostar: Command, tmp_path: Path) -> None:
    for at in range(24):
        (tmp_path / "frames").mkdir(exist_ok=True)
        Image.fromarray(picture(3, at)).save(tmp_path / "frames" / f"{at:03}.png")
    write_rows(tmp_path / "my.csv", "video", "frames")
    manifest = write_rows(tmp_path / "my.yaml", "rows: {all: my.csv}", "frame_rate: 12")
    write_rows(tmp_path / "names.txt", *NAMES)
    done = videostar("label", manifest, "--labels", "names.txt", "--model", clip_model, "--out", "p.csv", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["proposed"] == 1


def test_labels_and_test_rows_are_not_looked_at(
    films: Path, clip_model: Path, videostar: Command, tmp_path: Path
) -> None:
    """A row file of videos may have labels, which change nothing; so may have labelled rows for test."""
    paths = [path.relative_to(tmp_path).as_posix() for path in sorted(films.rglob("* of many.mp4"))]
    given = ("--labels", "names.txt", "--model", clip_model, *GIVEN)
    for name, labels in (("a", NAMES * 3), ("b", ["", "unknown", "running"] * 4)):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["video", "label", "split", "trust"])
            splits = ("train", "test", "none")
            rows = zip(paths, labels, strict=False)
            writer.writerows([path, label, splits[n % 3], "no share"] for n, (path, label) in enumerate(rows))
        done = videostar("label", f"{name}.csv", *given, "--out", f"{name}-proposed.csv")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "a-proposed.csv").read_bytes() == (tmp_path / "b-proposed.csv").read_bytes()
    assert len(rows_of(tmp_path / "a-proposed.csv")) == 12
    done = videostar("label", "a.csv", *given, "--limit", 5, "--out", "five.csv", "--json")
    assert json.loads(done.stdout)["proposed"] == 5
    assert rows_of(tmp_path / "five.csv") == rows_of(tmp_path / "a-proposed.csv")[:5]

    temperatures = []
    for wrong in (0, 1):
        with (tmp_path / "known.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["video", "label", "split"])
            held = (n % 3 == 0 for n in range(12))
            writer.writerows(
                [path, NAMES[(n * 2 + wrong * test) % 5], "test" if test else "train"]
                for n, (path, test) in enumerate(zip(paths, held, strict=True))
            )
        done = videostar("label", "films", *given, "--calibrate", "known.csv", "--out", f"c{wrong}.csv", "--json")
        assert done.returncode == 0, done.stderr
        temperatures.append(json.loads(done.stdout)["calibration"])
    assert temperatures[0] == temperatures[1]
    assert temperatures[0]["videos"] == 8


def test_calibrated_probabilities_and_the_cut(
    films: Path, clip_model: Path, videostar: Command, tmp_path: Path
) -> None:
    known = logits_of(clip_model, films)
    order = sorted(known, key=lambda video: -softmax(known[video]).max())
    right = {video: n not in (3, 6, 7, 9, 11) for n, video in enumerate(order)}  # of the less sure ones fewer
    best = {video: int(logits.argmax()) for video, logits in known.items()}
    labels = {video: (best[video] + (not right[video])) % len(NAMES) for video in known}
    with (tmp_path / "known.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        writer.writerows([video, NAMES[labels[video]]] for video in known)
        writer.writerow([order[0], "an unknown one"])
    given = ("label", "films", "--labels", "names.txt", "--model", clip_model, *GIVEN, "--calibrate", "known.csv")
    given = (*given, "--set", "columns.video=path")
    done = videostar(*given, "--precision", 0.75, "--out", "proposed.csv", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    found = figures["calibration"]
    assert (found["videos"], found["skipped"]) == (12, {"unknown class": 1})
    assert found["accuracy"] == pytest.approx(7 / 12)

    logits, classes = np.stack(list(known.values())), [labels[video] for video in known]
    grid = np.exp(np.linspace(np.log(0.01), np.log(100), 4001))
    loss = [-np.mean(log_softmax(logits / one, axis=1)[np.arange(12), classes]) for one in grid]
    assert found["temperature"] == pytest.approx(grid[int(np.argmin(loss))], rel=5e-3)
    correct = [right[video] for video in known]
    for name, temperature in (("before", 1.0), ("after", found["temperature"])):
        tops = softmax(logits / temperature, axis=1).max(axis=1)
        expected = calibration(tops.tolist(), correct)
        assert expected
        assert found["ece"][name] == pytest.approx(expected["ece"], abs=1e-3)
    rows = rows_of(tmp_path / "proposed.csv"), rows_of(tmp_path / "proposed.below.csv")
    assert [len(part) for part in rows] == [figures["proposed"], figures["below"]]
    assert {row["video"] for part in rows for row in part} == set(known)
    cut = found["cut"]["score"]
    assert all(float(row["score"]) >= cut for row in rows[0])
    assert all(float(row["score"]) < cut for row in rows[1])
    above = [right[row["video"]] for row in rows[0]]
    assert np.mean(above) == found["cut"]["precision"] >= 0.75
    assert len(above) == found["cut"]["videos"]

    def cuts(wanted: float) -> list[float]:
        return [one for one in tops if np.mean([correct[n] for n, other in enumerate(tops) if other >= one]) >= wanted]

    assert cut == pytest.approx(min(cuts(0.75)), abs=2e-4)
    done = videostar(*given, "--precision", 1, "--out", "surest.csv")
    assert done.returncode == 0, done.stderr
    assert len(rows_of(tmp_path / "surest.csv")) == len(cuts(1)) > 0
    assert "calibration error" in done.stdout


def test_no_cut_with_the_precision_is_one_line(
    films: Path, clip_model: Path, videostar: Command, tmp_path: Path
) -> None:
    known = logits_of(clip_model, films)
    with (tmp_path / "known.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "label"])
        writer.writerows([video, NAMES[(int(logits.argmax()) + 1) % 5]] for video, logits in known.items())
    given = ("label", "films", "--labels", "names.txt", "--model", clip_model, *GIVEN, "--calibrate", "known.csv")
    done = videostar(*given, "--precision", 0.5, "--out", "proposed.csv")
    assert done.returncode == 2
    assert "at no probability is the share 0.5 of the labels right (of all 12 videos 0.0%)" in done.stderr
    assert not (tmp_path / "proposed.csv").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["films", "--out", "p.txt"], "--out p.txt: is written as a table"),
        (["films", "--out", "names.csv"], "--out names.csv: exists; give another name"),
        (["films", "--out", "p.csv", "--template", "a video"], "--template 'a video': has no {label}"),
        (["films", "--out", "p.csv", "--precision", "0.9"], "--precision: is measured on labelled videos"),
        (["films", "--out", "p.csv", "--labels", "one.txt"], "--labels one.txt: has 1 label; give two or more"),
        (["films", "--out", "p.csv", "--labels", "twice.txt"], "--labels twice.txt: 'running' is there twice"),
        (["films", "--out", "p.csv", "--labels", "no.txt"], "--labels no.txt: no such file"),
        (["films", "--out", "p.csv", "--model", "nowhere"], "'nowhere': has neither open_clip_config.json (CoCa) nor"),
        (["nowhere", "--out", "p.csv"], "nowhere"),
        (["empty", "--out", "p.csv"], "empty: no videos in it, nor in the folders below it"),
        (["broken", "--out", "p.csv"], "broken: no usable"),
        (["names.csv", "--out", "p.csv"], "no column 'video'"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], line: str, films: Path, clip_model: Path, videostar: Command, tmp_path: Path
) -> None:
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.mp4").write_bytes(b"no video")
    (tmp_path / "names.csv").write_text("name\nrunning\n")
    (tmp_path / "one.txt").write_text("running\n")
    (tmp_path / "twice.txt").write_text("running\nwalking\nrunning\n")
    given = ("--labels", "names.txt", "--model", clip_model)
    done = videostar("label", *given, *words)
    assert done.returncode == 2, done.stderr
    assert line in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "p.csv").exists()


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.5001, 0.9]), st.booleans()), min_size=1), st.floats(0, 1))
def test_the_cut_is_the_least_with_the_precision(pairs: list[tuple[float, bool]], precision: float) -> None:
    def share(cut: float) -> float:
        return float(np.mean([right for score, right in pairs if score >= cut]))

    enough = [score for score, _ in pairs if share(score) >= precision]
    found = least_confidence([score for score, _ in pairs], [right for _, right in pairs], precision)
    assert found == (min(enough) if enough else None)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_the_temperature_is_that_by_which_logits_were_drawn(seed: int, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(4000, 5)) * 3
    drawn = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    assert fit_temperature(logits * temperature, drawn.tolist()) == pytest.approx(temperature, rel=0.15)
