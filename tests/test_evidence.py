"""Visual evidence: which answers a second model supports, and the runs that keep only those."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow.parquet as pq
import pytest
import torch
import transformers as hf
from commands import Command
from hypothesis import given
from hypothesis import strategies as st
from open_clip.coca_model import CoCa
from safetensors.torch import load_file, save_file

from videostar.config import ModelSpec
from videostar.config.verification import Evidence
from videostar.demo.language import describe
from videostar.demo.render import write_clip
from videostar.demo.world import PATHS, draw_scene
from videostar.evidence.description import description
from videostar.evidence.encodings import Encodings
from videostar.evidence.foils import foils
from videostar.evidence.load import load_evidence
from videostar.evidence.open_clip import CoCaEvidence
from videostar.evidence.scorer import Described, Scorer
from videostar.labels import parse_label
from videostar.pipeline_files import load_pipeline, override
from videostar.runs.settings_diff import with_absolute_paths
from videostar.stages.ledger import Answer, read_answers
from videostar.stages.support import EvidencePlan, least_support
from videostar.util.resources import EMBEDDED_COCA, evidence_digest
from videostar.video.clip import Clip
from videostar.video.decode import decode
from videostar.video.sampling import Sampling

CPU = torch.device("cpu")
EVIDENCE = ("--set", "verification.evidence.model=embedded")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[CoCaEvidence, list[Clip], list[str], list[str]]:
    """The embedded CoCa, clips from H.264 files, and a true and a false description of each."""
    folder = tmp_path_factory.mktemp("scenes")
    model = load_evidence("embedded", CPU)
    assert isinstance(model, CoCaEvidence)
    rng = np.random.default_rng(31_000_019)
    clips, true, false = [], [], []
    for number in range(48):
        scene = draw_scene(rng, PATHS[rng.integers(len(PATHS))])
        path = folder / f"{number}.mp4"
        write_clip(path, scene)
        clips.append(decode(path, Sampling(8, model.max_pixels)))
        true.append(describe(scene, rng))
        wrong = foils(true[-1])
        false.append(wrong[rng.integers(len(wrong))])
    return model, clips, true, false


def _auc(true: Sequence[float], false: Sequence[float]) -> float:
    """The chance that a true description has a higher score than a false one."""
    return float(np.mean([(a > b) + (a == b) / 2 for a in true for b in false]))


def test_what_is_true_of_a_clip_has_more_support(told: Any) -> None:
    model, clips, true, false = told
    scorer = Scorer(model, clips[:16], Encodings())
    of_true = scorer.scores([Described(*pair) for pair in zip(clips, true, strict=True)])
    of_false = scorer.scores([Described(*pair) for pair in zip(clips, false, strict=True)])
    assert all(0 <= score <= 1 for score in of_true + of_false)
    assert _auc(of_true, of_false) > 0.95
    assert np.median(of_true) > 5 * np.median(of_false)


def test_with_shuffled_clips_it_is_chance(told: Any) -> None:
    model, clips, true, false = told
    others = clips[7:] + clips[:7]
    scorer = Scorer(model, clips[:16], Encodings())
    of_true = scorer.scores([Described(*pair) for pair in zip(others, true, strict=True)])
    of_false = scorer.scores([Described(*pair) for pair in zip(others, false, strict=True)])
    assert 0.35 < _auc(of_true, of_false) < 0.65


def test_a_score_does_not_depend_on_the_answers_beside_it(told: Any) -> None:
    model, clips, true, _ = told
    scorer = Scorer(model, clips[:16], Encodings())
    pairs = [Described(*pair) for pair in zip(clips[:12], true[:12], strict=True)]
    alone = [scorer.scores([pair])[0] for pair in pairs]
    assert scorer.scores(pairs) == pytest.approx(alone, abs=2e-4)
    assert scorer.scores([]) == []


def test_a_clip_is_encoded_once(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, clips, true, _ = told
    shown = [replace(clip, key=f"clip {number}") for number, clip in enumerate(clips[:8])]
    pairs = [Described(*pair) for pair in zip(shown * 2, true[:16], strict=True)]
    expected = Scorer(model, shown[:4], Encodings()).scores(pairs)
    counted: list[int] = []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda some: counted.append(len(some)) or encode(some))
    encodings = Encodings()
    for _ in range(2):
        assert Scorer(model, shown[:4], encodings).scores(pairs) == pytest.approx(expected, abs=2e-4)
    assert sum(counted) == 8
    encodings.of(model, [replace(shown[0], key="")] * 2)
    assert sum(counted) == 10, "frames of clips without a key are not known to be the same"


def test_odds_over_a_foil_are_those_of_the_tokens_that_differ(told: Any) -> None:
    model, clips, _, _ = told
    text = "A red circle moves up, then moves right, then moves down."
    last = "A red circle moves up, then moves right, then moves left."
    states = model.encode(clips[:1])
    (odds,) = model.against(states, [text], [[last, text]])
    both = model.log_likelihood(states[1], [text, last])
    assert float(odds[0]) == pytest.approx(float(both[0] - both[1]), abs=0.5)  # what follows differs a little too
    assert float(odds[1]) == float("inf")  # as if it differed beyond the length that the model reads
    still = text.replace("moves down", "stays still")
    moving = [still.replace("stays still", f"moves {way}") for way in ("up", "down", "left", "right")]
    (against,) = model.against(states, [still], [moving])
    each = model.log_likelihood(states[1], [still, *moving])
    assert float((-against).logsumexp(0)) == pytest.approx(float((each[1:] - each[0]).logsumexp(0)), abs=0.5)
    (back,) = model.against(states, [moving[3]], [[still, *moving[:3]]])
    assert float(back[0]) == pytest.approx(float(each[4] - each[0]), abs=0.5)


def test_the_embedded_model_is_small_and_safe() -> None:
    weights = [path for path in EMBEDDED_COCA.iterdir() if path.suffix == ".safetensors"]
    assert sum(value.numel() for path in weights for value in load_file(path).values()) <= 4_000_000
    assert sum(path.stat().st_size for path in EMBEDDED_COCA.iterdir()) <= 8_000_000
    assert {path.suffix for path in EMBEDDED_COCA.iterdir()} <= {".safetensors", ".json", ".jinja", ".md"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("A red circle moves up. The action is juggling balls.", "A red circle moves up."),
        ("He throws them. So the action is running.\nAnswer: running", "He throws them."),
        ("He is juggling balls with three clubs.", "He is juggling balls with three clubs."),
        ("He is juggling balls. He wears a hat.", "He wears a hat."),
        ("The action is juggling balls.", ""),
        ("Answer: juggling balls", ""),
        ("", ""),
    ],
)
def test_the_label_is_no_part_of_the_description(answer: str, said: str) -> None:
    label = parse_label({"kind": "action", "name": "juggling balls", "among": ["juggling balls", "running"]})
    assert description(answer, label) == said


@given(
    st.lists(st.sampled_from(["up", "Red", "moves left", "stays still", "a", "door", "opens", "two", "."]), max_size=20)
)
def test_foils_differ_in_one_place(words: list[str]) -> None:
    text = " ".join(words)
    made = foils(text)
    assert len(made) <= 32
    assert len(set(made)) == len(made)
    for foil in made:
        changed = [
            place for place, pair in enumerate(zip(text.split(), foil.split(), strict=True)) if len(set(pair)) > 1
        ]
        assert changed
        assert changed[-1] - changed[0] < 2  # "moves left" and "stays still" are two words


def test_outside_a_run_answers_are_scored_and_none_is_rejected_for_it(
    quick: Path, videostar: Command, tmp_path: Path
) -> None:
    done = videostar("generate", "--pipeline", quick, *EVIDENCE, "--limit", 8, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "none is rejected for its score" in done.stderr
    answers = list(read_answers(tmp_path / "out" / "answers.jsonl"))
    assert any(one.evidence is not None for one in answers)
    assert all(one.kept == one.accepted for one in answers)


def test_the_least_evidence_leaves_out_what_scores_as_foils_do() -> None:
    true, false = [(0.2 + k / 100, True) for k in range(80)], [(k / 1000, True) for k in range(20)]
    foil = [k / 1000 for k in range(20)] * 2
    least, share = least_support([*true, *false], [*foil, 0.5], keep=0.9)
    assert share == pytest.approx(0.2, abs=0.03)
    assert 0.2 < least < 0.3, "the false ones, and about a tenth of the true ones"
    assert sum(score >= least for score, _ in true) / len(true) == pytest.approx(0.9, abs=0.05)
    assert least_support(true, foil, keep=1.0) == (0.2, 0.0)
    assert least_support([*true, *false], [], keep=0.9)[0] < 0.02, "without foils a plain quantile"
    wrong = [(0.9, False)] * 500
    assert least_support([*true, *wrong], foil, keep=1.0) == (0.2, 0.0), "answers without their label do not count"


@pytest.fixture(scope="module")
def run(quick: Path, warm: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two rounds with evidence."""
    folder = tmp_path_factory.mktemp("evidence")
    sampled = ("--set", "generation.samples=2", "--set", "verification.evidence.keep=0.7")
    done = warm.run("cycle", "--pipeline", quick, *EVIDENCE, *sampled, "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def _round(run: Path, number: int) -> tuple[float, list[Answer]]:
    stages = json.loads((run / "manifest.json").read_text())["stages"]
    least = stages[f"{number:02}/generate"]["facts"]["least_evidence"]
    return least, list(read_answers(run / "rounds" / f"{number:02}" / "answers.jsonl"))


def test_only_supported_answers_are_kept(run: Path) -> None:
    unsupported = 0
    for number in (1, 2):
        least, answers = _round(run, number)
        validation = list(read_answers(run / "rounds" / f"{number - 1:02}" / "validation.jsonl"))
        scores = sorted(one.evidence for one in validation if one.evidence is not None)
        assert least in scores
        kept = [one for one in answers if one.kept]
        assert kept
        assert all(one.evidence is None or one.evidence >= least for one in kept)
        rejected = [one for one in answers if one.reason == "unsupported"]
        assert all(one.accepted and one.evidence is not None and one.evidence < least for one in rejected)
        unsupported += len(rejected)
        table = pq.read_table(run / "rounds" / f"{number:02}" / "dataset" / "data-00000.parquet").to_pylist()
        by_try = {(one.question_id, one.kind, one.number): one.evidence for one in kept}
        assert {(row["question_id"], row["kind"], row["try"]): row["evidence"] for row in table} == by_try
        version = json.loads((run / "rounds" / f"{number:02}" / "dataset" / "version.json").read_text())
        of_version = sum(count for reason, count in version["rejected"].items() if reason.endswith(": unsupported"))
        assert of_version == len(rejected)
    assert unsupported


def test_of_several_tries_the_most_supported_is_kept(run: Path) -> None:
    chosen = 0
    for number in (1, 2):
        _, answers = _round(run, number)
        for kept in (one for one in answers if one.kept):
            same = [one for one in answers if (one.question_id, one.kind) == (kept.question_id, kept.kind)]
            passed = [one.evidence or 0.0 for one in same if one.accepted and one.reason != "unsupported"]
            assert (kept.evidence or 0.0) == max(passed)
            chosen += len(set(passed)) > 1
    assert chosen, "some question has tries of different support"


def test_the_same_command_again_changes_nothing(run: Path, quick: Path, warm: Any) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*.jsonl")}
    sampled = ("--set", "generation.samples=2", "--set", "verification.evidence.keep=0.7")
    done = warm.run("cycle", "--pipeline", quick, *EVIDENCE, *sampled, "--out", "run", cwd=run.parent)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in run.rglob("*.jsonl")} == before
    other = warm.run(
        "cycle", "--pipeline", quick, *EVIDENCE, "--set", "generation.samples=2", "--out", "run", cwd=run.parent
    )
    assert other.returncode == 2
    assert "verification.evidence.keep: 0.7 -> 0.9" in other.stderr


def _write_random_coca(folder: Path, *, attentional_pool: Any = True) -> None:
    """A small CoCa with random weights, as open_clip's users have them."""
    config = json.loads((EMBEDDED_COCA / "open_clip_config.json").read_text())
    model = config["model_cfg"]
    model["vision_cfg"] |= {"image_size": 32, "attentional_pool": attentional_pool}
    for part in ("text_cfg", "multimodal_cfg"):
        model[part] |= {"vocab_size": 49408, "context_length": 76, "layers": 1}
    del model["text_cfg"]["hf_tokenizer_name"]
    torch.manual_seed(0)
    made = CoCa(**{name: part for name, part in model.items() if name != "custom_text"})
    torch.nn.init.normal_(made.text_decoder.text_projection, std=0.1)
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": {}}))
    save_file(made.state_dict(), folder / "open_clip_model.safetensors")


def test_a_coca_of_open_clips_is_read_and_blind_to_the_order_of_frames(tmp_path: Path, told: Any) -> None:
    _write_random_coca(tmp_path / "coca")
    model = load_evidence(str(tmp_path / "coca"), CPU)
    clip = told[1][0]
    backwards = Clip(clip.frames[::-1].copy(), clip.times, clip.fps, clip.seconds)
    one, other = (model.similarity(model.encode([shown]), ["a dog runs", "a cat"]) for shown in (clip, backwards))
    assert one.shape == (1, 2)
    assert torch.allclose(one, other, atol=1e-4)
    picture = open_clip.create_model(f"local-dir:{tmp_path / 'coca'}").eval()
    still = Clip(clip.frames[:1], clip.times[:1], clip.fps, clip.seconds)
    pixels = model._pixels(still)
    with torch.inference_mode():
        theirs = picture.encode_image(pixels) @ picture.encode_text(open_clip.tokenize(["a dog runs"], 76)).T
        theirs *= picture.logit_scale.exp()
    ours = model.similarity(model.encode([still]), ["a dog runs"])
    assert float(ours) == pytest.approx(float(theirs), abs=1e-3)


def test_the_embedded_model_sees_the_order_of_frames(told: Any) -> None:
    model, clips, _, _ = told
    text = ["A red circle moves up, then moves right, then moves down."]
    backwards = [Clip(clip.frames[::-1].copy(), clip.times, clip.fps, clip.seconds) for clip in clips[:8]]
    one, other = (model.similarity(model.encode(shown), text) for shown in (clips[:8], backwards))
    assert float((one - other).abs().mean()) > 0.5


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["verification.evidence.model=nowhere"], "evidence model 'nowhere': has neither .*CoCa"),
        (["verification.evidence.keep=0"], "verification.evidence.keep: .*greater than 0"),
        (["verification.evidence.kept=1"], "did you mean 'keep'"),
        (["verification.evidence=embedded", "data.validation=0"], "set on validation videos, and there are none"),
    ],
)
def test_wrong_settings_are_found_before_anything_is_answered(
    settings: list[str], line: str, clips: Path, videostar: Command, tmp_path: Path
) -> None:
    options = [word for setting in settings for word in ("--set", setting)]
    done = videostar("cycle", "--data", _rows(clips), *options, "--rounds", 1, "--out", "run")
    assert done.returncode == 2, done.stderr
    assert re.search(line, done.stderr.strip().splitlines()[-1]), done.stderr
    assert not (tmp_path / "run" / "rounds").exists()


def _rows(clips: Path) -> Path:
    lines = [
        f"{path.name},{'up' if n % 2 else 'down'},{'test' if n > 5 else 'train'}"
        for n, path in enumerate(sorted(clips.iterdir()))
    ]
    (clips / "rows.csv").write_text("\n".join(["video,label,split", *lines]) + "\n")
    return clips / "rows.csv"


@pytest.mark.parametrize("kind", ["no safetensors", "another model of open_clip", "another model of transformers"])
def test_a_folder_without_such_a_model_is_found_at_once(
    kind: str, tmp_path: Path, quick: Path, videostar: Command
) -> None:
    folder = tmp_path / "model"
    if kind == "another model of transformers":
        hf.BertConfig().save_pretrained(folder)
        (folder / "model.safetensors").touch()
        line = "a model of type 'bert' does not compare clips with texts"
    else:
        _write_random_coca(folder)
        line = "is another model of open_clip; give a CoCa"
    if kind == "no safetensors":
        (folder / "open_clip_model.safetensors").rename(folder / "open_clip_pytorch_model.bin")
        line = "has no open_clip_model.safetensors"
    elif kind == "another model of open_clip":
        config = json.loads((folder / "open_clip_config.json").read_text())
        del config["model_cfg"]["multimodal_cfg"]
        (folder / "open_clip_config.json").write_text(json.dumps(config))
    done = videostar("cycle", "--pipeline", quick, "--set", "verification.evidence.model=model", "--out", "run")
    assert done.returncode == 2, done.stderr
    assert line in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "run" / "rounds").exists()


def test_a_model_and_its_share_may_be_set_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("extends: demo\nverification: {evidence: /models/coca}\n")
    for settings in (
        ["verification.evidence=/models/coca", "verification.evidence.keep=0.7"],
        ["verification.evidence.keep=0.7", "verification.evidence=/models/coca"],
    ):
        assert load_pipeline(settings=settings).verification.evidence == Evidence(model="/models/coca", keep=0.7)
    mine = load_pipeline(str(tmp_path / "my.yaml"), settings=["verification.evidence.keep=0.7"])
    assert mine.verification.evidence == Evidence(model="/models/coca", keep=0.7)
    other = override(mine, verification={"evidence": "embedded"})
    assert other.verification.evidence == Evidence(model="embedded", keep=0.7)
    assert override(other, settings=["verification.evidence=null"]).verification.evidence is None


def test_a_folder_of_a_run_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evidence = with_absolute_paths(load_pipeline(settings=["verification.evidence=coca"])).verification.evidence
    assert evidence == Evidence(model=str(tmp_path / "coca"))
    (tmp_path / "embedded").mkdir()
    ours = with_absolute_paths(load_pipeline(settings=["verification.evidence=embedded"])).verification.evidence
    assert ours == Evidence(model="embedded")


def test_the_identity_of_a_model_is_its_files_but_hidden_ones(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EMBEDDED_COCA, tmp_path / "coca"))
    before = evidence_digest(str(folder))
    assert before == evidence_digest("embedded")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "when.metadata").write_text("today")
    assert evidence_digest(str(folder)) == before
    save_file({"weight": load_file(folder / "times.safetensors")["weight"] + 1}, folder / "times.safetensors")
    assert evidence_digest(str(folder)) != before


def test_a_model_that_sees_nothing_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = np.random.default_rng(0).uniform(size=(200, 2)).round(4).tolist()
    same = {**dict.fromkeys(("video", "task", "group", "label", "question", "prompt", "answer", "text", "reason"), "")}
    lines = (
        {"question_id": str(number), "kind": "direct", **same, "kept": True, "accepted": True, "score": 1.0}
        | {"evidence": score, "foil_evidence": foil}
        for number, (score, foil) in enumerate(scores)
    )
    (tmp_path / "validation.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    plan = EvidencePlan("embedded", 0.9, ModelSpec("embedded")).from_validation(tmp_path / "validation.jsonl")
    assert plan.least == pytest.approx(0.1, abs=0.05)
    assert "of the validation answers score as false ones do" in capsys.readouterr().err
