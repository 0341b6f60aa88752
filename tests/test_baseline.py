"""`videostar baseline`: a classifier on the labels of a run, and UniFormerV2's blocks in it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from commands import Command
from ordinary_data import write_film, write_rows
from safetensors.torch import load_file

from videostar.baseline.classifier import VideoClassifier
from videostar.baseline.layout import Layout
from videostar.baseline.towers import Tower, load_tower
from videostar.baseline.uniformer import LocalBlock, UniFormer
from videostar.util.files import digest
from videostar.video.clip import Clip

SIDE = 32
SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8}
CPU = torch.device("cpu")
FRAMES = 4
COLOURS = {"red": (200, 60, 60), "blue": (60, 60, 200)}
FAST = ("--set", f"video.frames={FRAMES}", "--epochs", 12, "--batch-size", 8, "--json")


def _refusal(videostar: Command, *arguments: object) -> str:
    """The line with which a command ends that exits with 2; bars may stand before it."""
    done = videostar(*arguments)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def _clip_tower() -> Any:
    return hf.CLIPVisionModel(hf.CLIPVisionConfig(**SMALL, intermediate_size=64))


MAKERS: dict[str, Callable[[], Any]] = {
    "clip": _clip_tower,
    "siglip": lambda: hf.SiglipVisionModel(hf.SiglipVisionConfig(**SMALL, intermediate_size=64)),
    "dinov2": lambda: hf.Dinov2Model(hf.Dinov2Config(**SMALL, mlp_ratio=2)),
    "videomae": lambda: hf.VideoMAEModel(hf.VideoMAEConfig(**SMALL, intermediate_size=64, num_frames=8)),
    "vjepa2": lambda: hf.VJEPA2Model(
        hf.VJEPA2Config(
            hidden_size=36,
            num_attention_heads=2,
            num_hidden_layers=3,
            crop_size=SIDE,
            patch_size=8,
            frames_per_clip=8,
            mlp_ratio=2,
            pred_hidden_size=24,
            pred_num_attention_heads=2,
            pred_num_hidden_layers=1,
        )
    ),
    "registers": lambda: hf.Dinov2WithRegistersModel(hf.Dinov2WithRegistersConfig(**SMALL, mlp_ratio=2)),
}


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small random model of each kind."""
    folder = tmp_path_factory.mktemp("encoders")
    size = {"height": SIDE, "width": SIDE}
    for name, make in MAKERS.items():
        torch.manual_seed(0)
        model = make()
        for weights in model.parameters():  # larger than models start with, so that tokens differ by what they show
            if weights.ndim > 1:
                torch.nn.init.normal_(weights, std=1.5 / weights[0].numel() ** 0.5)
        model.save_pretrained(folder / name)
        processor = (
            hf.VJEPA2VideoProcessor(crop_size=SIDE) if name == "vjepa2" else hf.CLIPImageProcessor(crop_size=size)
        )
        processor.save_pretrained(folder / name)
    return folder


@pytest.fixture(params=[*MAKERS, "embedded"])
def tower(request: pytest.FixtureRequest, encoders: Path) -> Tower:
    name = request.param
    return load_tower(name if name == "embedded" else str(encoders / name), CPU).eval()


@pytest.fixture(scope="session")
def ordered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A row file of clips that are first of one colour and then of another. No single frame tells which is first."""
    folder = tmp_path_factory.mktemp("ordered")
    rng = np.random.default_rng(0)
    rows = ["video,label,split"]
    for split, clips in (("train", 24), ("validation", 8), ("test", 16)):
        for number in range(clips):
            names = ["red", "blue"] if number % 2 else ["blue", "red"]
            write_film(folder / f"{split}{number}.mp4", _film([COLOURS[name] for name in names], rng))
            rows.append(f"{split}{number}.mp4,{names[0]} comes first,{split}")
    return write_rows(folder / "rows.csv", *rows)


def _film(colours: list[tuple[int, int, int]], rng: np.random.Generator) -> Iterator[np.ndarray]:
    shade = rng.uniform(0.7, 1.0, (8, 8, 1)).repeat(8, 0).repeat(8, 1)
    for colour in colours:
        for _ in range(12):
            yield (shade * colour + rng.normal(0, 4, (64, 64, 3))).clip(0, 255).astype(np.uint8)


def _some_clip(frames: int, seed: int, size: tuple[int, int] = (64, 64)) -> Clip:
    pictures = np.random.default_rng(seed).integers(0, 256, (frames, *size, 3), dtype=np.uint8)
    return Clip(pictures, tuple(map(float, range(frames))), fps=10.0, seconds=float(frames))


def _vectors(tower: Tower, clips: list[Clip], arm: UniFormer | None = None) -> torch.Tensor:
    pixels, shapes = zip(*map(tower.inputs, clips), strict=True)
    with torch.no_grad():
        found: torch.Tensor = tower(torch.cat(pixels), shapes, arm)
    return found


def _enlivened(tower: Tower, part: str = "") -> UniFormer:
    """Blocks whose weights, or those whose names begin with `part`, are not the zeros that they start with."""
    torch.manual_seed(0)
    arm = UniFormer(tower.width, tower.heads, tower.depth).eval()
    for name, weights in arm.named_parameters():
        if name.startswith(part) and weights.ndim > 1:
            torch.nn.init.normal_(weights, std=1.0 / weights[0].numel() ** 0.5)
    return arm


def test_the_armed_tower_starts_as_the_tower(tower: Tower) -> None:
    clips = [_some_clip(8, 0), _some_clip(4, 1)]
    plain = _vectors(tower, clips)
    arm = UniFormer(tower.width, tower.heads, tower.depth).eval()
    assert torch.equal(2 * _vectors(tower, clips, arm), plain)  # the query is 0, and the weight of the tower a half
    assert not torch.allclose(2 * _vectors(tower, clips, _enlivened(tower)), plain)


def test_without_temporal_blocks_clips_are_encoded_as_by_transformers(encoders: Path) -> None:
    clip = _some_clip(4, 0)
    for name, token in (("clip", True), ("siglip", False), ("registers", True)):
        tower = load_tower(str(encoders / name), CPU).eval()
        seen = []
        blocks = tower.module.encoder
        last = list(blocks.layer if hasattr(blocks, "layer") else blocks.layers)[-1]
        handle = last.register_forward_hook(lambda module, inputs, output, seen=seen: seen.append(output))
        with torch.no_grad():
            tower.module(pixel_values=tower.inputs(clip)[0])
        handle.remove()
        expected = seen[0][:, 0].mean(0) if token else seen[0].mean((0, 1))
        assert torch.allclose(_vectors(tower, [clip])[0], expected, atol=1e-6), name


@pytest.mark.parametrize("part", ["before", "after", "stages"])
def test_every_block_sees_the_order_of_frames_and_pooling_does_not(tower: Tower, part: str) -> None:
    clip = _some_clip(8, 0)
    order = [4, 5, 0, 1, 6, 7, 2, 3]  # pairs stay, since Qwen's tower takes frames in pairs
    other = Clip(clip.frames[order], clip.times, clip.fps, clip.seconds)
    if (
        not isinstance(tower.module, hf.VideoMAEModel) and "VJEPA2" not in type(tower.module).__name__
    ):  # models of videos
        plain = [_vectors(tower, [one]) for one in (clip, other)]
        assert torch.allclose(*plain, atol=1e-5)
    armed = [_vectors(tower, [one], _enlivened(tower, part)) for one in (clip, other)]
    assert (armed[0] - armed[1]).abs().max() > 1e-3


def test_clips_of_a_batch_do_not_see_each_other(tower: Tower) -> None:
    clips = [_some_clip(8, 0), _some_clip(4, 1, (64, 96)), _some_clip(2, 2)]
    arm = _enlivened(tower)
    alone = torch.cat([_vectors(tower, [clip], arm) for clip in clips])
    assert torch.allclose(_vectors(tower, clips, arm), alone, atol=1e-4)


def test_a_local_block_is_the_convolution_of_the_paper() -> None:
    torch.manual_seed(0)
    block = LocalBlock(12).eval()
    torch.nn.init.normal_(block.up.weight)
    shape = (5, 4, 6)
    layout = Layout.of([shape], CPU, first=1, merge=2)
    dense = torch.randn(12, *shape)
    tokens = torch.randn(5 * 25, 12)
    tokens[layout.patches] = dense.flatten(1).T
    kernel = block.time.weight[..., None, None]  # (3, 1, 1)
    inner = torch.einsum("ic,cthw->ithw", block.down.weight, dense / (1 + block.norm.eps) ** 0.5)
    inner = inner + block.down.bias[:, None, None, None]
    mixed = torch.nn.functional.conv3d(inner[None], kernel, block.time.bias, padding=(1, 0, 0), groups=8)[0]
    expected = torch.einsum("ci,ithw->cthw", block.up.weight, mixed)
    with torch.no_grad():
        change = block(tokens, layout)
    assert torch.allclose(change[layout.patches], expected.flatten(1).T, atol=1e-4)
    assert layout.class_tokens is not None
    assert not change[layout.class_tokens].any()


@pytest.mark.parametrize(
    ("width", "heads", "depth", "patch", "kinetics", "something"),
    [(768, 12, 12, 16, 115, 163), (1024, 16, 24, 14, 354, 574)],
    ids=["B/16", "L/14"],
)
def test_sizes_are_those_of_the_papers_tables(
    width: int, heads: int, depth: int, patch: int, kinetics: int, something: int
) -> None:
    """Millions of parameters in the tables of Kinetics-400 and Something-Something V2."""
    config = hf.CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        patch_size=patch,
        image_size=224,
    )

    def count(module: torch.nn.Module) -> int:
        return sum(weights.numel() for weights in module.parameters())

    def model(classes: int) -> VideoClassifier:
        return VideoClassifier(Tower(hf.CLIPVisionModel(config), None), classes, arm=True, frozen=False)

    with torch.device("meta"):
        ours, four = model(174), model(400)
        four.arm = UniFormer(width, heads, depth, stages=4)
    assert ours.arm is not None
    assert len(ours.arm.stages) == 2 * depth // 3
    # Its models for Kinetics have four global blocks and no local ones.
    without_local = count(four) - count(four.arm.before) - count(four.arm.after)
    assert round(without_local / 1e6) == kinetics
    # Its models for Something-Something embed three frames at once, at every second frame; ours embed each.
    two_more_frames = 2 * 3 * patch**2 * width
    assert round((count(ours) + two_more_frames) / 1e6) == something
    assert two_more_frames < 1.3e6


def test_armed_it_learns_what_no_single_frame_shows(
    videostar: Command, ordered: Path, encoders: Path, tmp_path: Path
) -> None:
    run = partial(videostar, "baseline", ordered, "--encoder", encoders / "clip", *FAST)
    armed, pooled = run("--out", "armed"), run("--out", "pooled", "--no-arm")
    assert (armed.returncode, pooled.returncode) == (0, 0), armed.stderr + pooled.stderr
    found, other = json.loads(armed.stdout), json.loads(pooled.stdout)
    assert found["accuracy"] >= 0.9
    assert found["ci95"][0] > 0.5 > other["ci95"][0]
    assert (found["n"], found["classes"], found["skipped"]) == (16, 2, 0)
    lines = [json.loads(line) for line in (tmp_path / "armed" / "predictions.jsonl").read_text().splitlines()]
    assert sum(line["right"] for line in lines if line["split"] == "test") == round(16 * found["accuracy"])
    weights = load_file(tmp_path / "armed" / "model.safetensors")
    assert not any(name.startswith("tower.") for name in weights)  # it is frozen
    assert weights["arm.before.0.up.weight"].any()


def test_v_jepa_2_has_its_own_pooler(videostar: Command, ordered: Path, encoders: Path) -> None:
    tower = load_tower(str(encoders / "vjepa2"), CPU).eval()
    ours = VideoClassifier(tower, 2, arm=False, frozen=True).eval()
    theirs = hf.VJEPA2ForVideoClassification(tower.module.config).eval()
    assert ours.pooler is not None
    theirs.vjepa2.encoder, theirs.pooler, theirs.classifier = tower.module, ours.pooler.pooler, torch.nn.Identity()
    pixels, shapes = zip(*(tower.inputs(_some_clip(8, seed)) for seed in (0, 1)), strict=True)
    with torch.no_grad():
        expected = theirs(torch.cat(pixels)).logits
        assert torch.allclose(ours.vectors(torch.cat(pixels), shapes), expected, atol=1e-6)
    done = videostar("baseline", ordered, "--encoder", encoders / "vjepa2", "--no-arm", *FAST, "--out", "jepa")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["accuracy"] >= 0.9, "the order of frames is in the tokens of a tower of videos"
    assert found["trained"] > sum(weights.numel() for weights in ours.pooler.parameters())


def test_the_same_command_gives_the_same_bytes_and_another_is_refused(
    videostar: Command, ordered: Path, encoders: Path, tmp_path: Path
) -> None:
    words = ("baseline", ordered, "--encoder", encoders / "clip", *FAST[:2], "--epochs", 1, "--out", "found")
    first = videostar(*words)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("held-out accuracy ")
    made = digest(tmp_path / "found")
    assert videostar(*words).stdout == first.stdout
    assert "made with other inputs: epochs: 1 -> 2; give --out" in _refusal(videostar, *words, "--epochs", 2)
    shutil.rmtree(tmp_path / "found")
    assert videostar(*words).stdout == first.stdout
    assert digest(tmp_path / "found") == made
    names = {path.name for path in (tmp_path / "found").iterdir()}
    assert names == {
        "README.md",
        "config.json",
        "figures.json",
        "model.safetensors",
        "predictions.jsonl",
        "skipped.jsonl",
    }


def test_labels_in_random_order_give_chance(videostar: Command, ordered: Path, encoders: Path, tmp_path: Path) -> None:
    head, *rows = (line.split(",") for line in ordered.read_text().splitlines())
    draw = np.random.default_rng(1)
    for split in ("train", "validation", "test"):
        of_split = [row for row in rows if row[2] == split]
        for row, label in zip(of_split, draw.permutation([row[1] for row in of_split]), strict=True):
            row[1] = label
    shuffled = write_rows(tmp_path / "shuffled.csv", *(",".join(row) for row in [head, *rows]))
    done = videostar("baseline", shuffled, "--root", ordered.parent, "--encoder", encoders / "clip", *FAST)
    assert done.returncode == 0, done.stderr
    low, high = json.loads(done.stdout)["ci95"]
    assert low < 0.5 < high


def test_the_encoder_can_be_trained_and_a_bad_video_is_skipped(
    videostar: Command, ordered: Path, encoders: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(ordered.parent, tmp_path / "data"))
    (data / "train0.mp4").write_bytes(b"no video")
    words = ("--encoder", encoders / "clip", "--train-encoder", "--set", f"video.frames={FRAMES}", "--epochs", 1)
    done = videostar("baseline", data / "rows.csv", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert "train0.mp4" in done.stderr
    folder = tmp_path / json.loads(done.stdout)["folder"]
    assert folder == tmp_path / "baselines" / "rows" / "clip-armed-trained"
    weights = load_file(folder / "model.safetensors")
    before = load_file(encoders / "clip" / "model.safetensors")
    name = "encoder.layers.0.mlp.fc1.weight"
    old = next(value for key, value in before.items() if key.endswith(name))
    assert not torch.equal(weights[f"tower.module.{name}"], old)


def test_wrong_labels_and_encoders_are_one_line(
    videostar: Command, ordered: Path, encoders: Path, tmp_path: Path
) -> None:
    rows = write_rows(
        ordered.parent / "times.csv", "video,start,end,split", "train0.mp4,0,1,train", "test0.mp4,0,1,test"
    )
    assert "these are of kind interval" in _refusal(videostar, "baseline", rows, "--set", "adapter=interval")
    alone = write_rows(ordered.parent / "alone.csv", "video,label,split", "train0.mp4,a,train", "test0.mp4,a,test")
    assert "needs two classes" in _refusal(videostar, "baseline", alone)
    assert "did you mean" in _refusal(videostar, "baseline", ordered, "--encoder", encoders / "clop")
    hf.BertModel(
        hf.BertConfig(vocab_size=32, hidden_size=32, num_hidden_layers=1, num_attention_heads=1)
    ).save_pretrained(tmp_path / "text")
    line = _refusal(videostar, "baseline", ordered, "--encoder", tmp_path / "text")
    assert "type 'bert' has no vision tower of a known kind; give one of Qwen3-VL, CLIP" in line


def test_a_runs_baseline_stands_beside_its_rounds(
    finished: tuple[Path, str], videostar: Command, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished[0], tmp_path / "run", symlinks=True))
    done = videostar("baseline", run, "--no-arm", "--epochs", 2, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["folder"] == str(run / "baselines" / "embedded-pooled")
    assert figures["n"] == 16
    line = f"baseline embedded-pooled: {figures['accuracy']:.1%} ("
    status = videostar("status", run).stdout
    assert line in status
    paired = re.search(
        r"round 2: ([+-][.\d]+) points \((-?[.\d]+) to (-?[.\d]+)\) against baseline embedded-pooled", status
    )
    assert paired, status
    difference, low, high = map(float, paired.groups())
    rounds = json.loads((run / "rounds" / "02" / "evaluation.json").read_text())
    assert difference == pytest.approx(100 * (rounds["accuracy"] - figures["accuracy"]), abs=0.06)
    assert low <= difference <= high
    found = json.loads(videostar("status", run, "--json").stdout)["baselines"]["embedded-pooled"]["rounds"]
    assert set(found) == {"0", "1", "2"}
    assert 100 * found["2"]["difference"] == pytest.approx(difference, abs=0.06)
    assert videostar("report", run).returncode == 0
    page = (run / "report" / "index.html").read_text(encoding="utf-8")
    assert "baseline embedded-pooled" in page
    assert "against embedded-pooled (95 %)" in page
    assert f"{difference:+.1f} ({low:+.1f} to {high:+.1f})" in page.replace("\u2212", "-")
    assert "data are not those of the run" in _refusal(videostar, "baseline", run, "--limit", 4, "--out", "other")
    assert "baselines" not in videostar("gc", run, "--dry-run").stdout
    again = videostar("cycle", "--resume", run / "manifest.json")
    assert again.returncode == 0, again.stderr
    assert line in again.stdout


def test_patches_are_found_where_qwen_puts_them() -> None:
    levels = np.arange(0, 240, 15, dtype=np.uint8).reshape(4, 4).repeat(16, 0).repeat(16, 1)
    clip = Clip(np.stack([np.stack([levels] * 3, -1)] * 8), tuple(map(float, range(8))), fps=10.0, seconds=8.0)
    pixels, shape = load_tower("embedded", CPU).inputs(clip)
    assert shape == (4, 4, 4)
    layout = Layout.of([shape], CPU, merge=2)
    for frame in pixels.mean(1)[layout.patches].split(16):
        assert (frame.diff() > 0).all()  # row by row, as they are drawn
