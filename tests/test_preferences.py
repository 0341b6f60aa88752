"""Training on preferences: which answers are a pair, and that the loss is DPO's."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from commands import Command
from peft import LoraConfig, PeftModel
from random_lora import make_lora
from safetensors.torch import load_file

from videostar.config import Generation
from videostar.models.chat import IGNORED, Chat, Turn, without_prompts
from videostar.models.load import load_model, load_processor
from videostar.pipeline_files import load_pipeline
from videostar.stages.ledger import Answer, Ledger
from videostar.stages.versions import build_version
from videostar.training.dpo import preference_loss
from videostar.training.log import read_log
from videostar.training.preferences import preference_pairs
from videostar.training.rows import read_rows
from videostar.video.probe import probe
from videostar.video.sampling import Sampling

DPO = ("--set", "training.objective=dpo", "--set", "mix=null", "--set", "video.frames=4")
SAMPLED = ("--set", "generation.samples=4", "--set", "generation.temperature=0.8", "--set", "limit=8")


def words(text: str) -> int:
    return len(text.split())


def tries(question: str, *about: tuple[str, str, str], tokens: int | None = 9) -> list[Answer]:
    """The answers to a question: kind, reason (`kept`, or why not) and text."""
    passed = ("kept", "near-duplicate", "enough kept", "cut off")
    common = {"video": f"{question}.mp4", "task": "action", "group": "run", "label": "run", "question": "What is it?"}
    return [
        Answer(
            question_id=question,
            kind=kind,
            prompt="What is it?",
            answer=f"{text} ",
            text=text,
            kept=reason == "kept",
            accepted=reason in passed,
            score=1.0,
            reason=reason,
            number=number,
            tokens=tokens,
            **common,  # type: ignore[arg-type]
        )
        for number, (kind, reason, text) in enumerate(about)
    ]


def pairs_of(ledger: list[Answer], folder: Path, generation: Generation | None = None) -> list[tuple[str, str]]:
    Ledger(folder / "answers.jsonl").append(ledger)
    build_version(folder / "answers.jsonl", folder / "v", lineage={}, direct_only=False, generation=generation)
    kept = read_rows(folder / "v", folder)
    pairs = preference_pairs(folder / "v", kept, words)
    for pair in pairs:
        assert dataclasses.replace(pair.rejected, answer=pair.chosen.answer) == pair.chosen  # question and video
    return [(pair.chosen.answer, pair.rejected.answer) for pair in pairs]


def test_a_kept_answer_is_preferred_to_a_wrong_direct_one_of_similar_length(tmp_path: Path) -> None:
    long = [dataclasses.replace(each, tokens=64) for each in tries("cut", ("direct", "missing", "a b c"))]
    ledger = [
        *tries(
            "rationalised",
            ("direct", "missing", "d e f g"),
            ("rationalised", "missing", "d e f"),  # nearer, but not an answer to the bare question
            ("rationalised", "kept", "a b c"),
        ),
        *tries(
            "direct",
            ("direct", "missing", "d e f g h"),
            ("direct", "kept", "a b c d"),
            ("direct", "missing", "h i j k"),
            ("direct", "missing", "l m n o"),  # as near as the one before
            ("direct", "near-duplicate", "a b c d"),
            ("direct", "enough kept", "p q r s"),
        ),
        *tries("twice", ("direct", "kept", "a b"), ("direct", "missing", "d e"), ("direct", "kept", "f g")),
        *tries("short", ("direct", "kept", "a b c d"), ("direct", "missing", "a b"), ("direct", "missing", "")),
        *tries("other", ("direct", "missing", "a b c d")),
        *long,
        *tries("cut", ("direct", "cut off", "d e f"), ("rationalised", "kept", "a b c")),
        *tries("unknown", ("direct", "missing", "d e f"), ("direct", "kept", "a b c"), tokens=None),
        *tries("template", ("direct", "missing", "d e f"), ("template", "kept", "a b c")),
    ]
    expected = [("a b c d", "h i j k"), ("a b", "d e"), ("a b c", "d e f g")]  # direct ones first
    assert pairs_of(ledger, tmp_path) == expected


def test_no_pairs_is_one_line(videostar: Command, world: Path, tmp_path: Path) -> None:
    """Unverified answers are not known to be better than others; nor is there a better one among equals."""
    ledger = tries("q", ("direct", "kept", "a b"), ("direct", "near-duplicate", "a b c"))
    Ledger(tmp_path / "answers.jsonl").append(dataclasses.replace(each, accepted=False) for each in ledger)
    build_version(tmp_path / "answers.jsonl", tmp_path / "v", lineage={}, direct_only=False)
    done = videostar("train", "v", "--out", "lora", "--data", world, *DPO)
    assert done.returncode == 2
    assert "v: none of its 1 kept answers has a rejected answer of similar length" in done.stderr
    assert "generation.samples=8" in done.stderr
    (tmp_path / "v" / "rejected.parquet").unlink()
    done = videostar("train", "v", "--out", "lora", "--data", world, *DPO)
    assert done.returncode == 2
    assert "v/rejected.parquet: is missing; give the whole folder of a dataset version" in done.stderr
    done = videostar("cycle", "--out", "run", "--data", world, *DPO, "--set", "generation.verify=false")
    assert done.returncode == 2
    assert "dpo needs rejected direct answers, and these settings give none: generation.verify=true" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_dpo_from_the_command_line(videostar: Command, world: Path, tmp_path: Path) -> None:
    """Pairs from a real ledger: the policy begins as the reference, so the first loss is log 2; then pairs are won."""
    done = videostar("generate", "--data", world, "--out", "gen", *DPO, *SAMPLED)
    assert done.returncode == 0, done.stderr
    kept = {row["question_id"]: row for row in pq.read_table(tmp_path / "gen/dataset/data-00000.parquet").to_pylist()}
    rejected = pq.read_table(tmp_path / "gen/dataset/rejected.parquet").to_pylist()
    assert {row["accepted"] for row in rejected} == {True, False}
    assert not any(row["cut_off"] for row in rejected if row["text"].endswith("."))

    def trained(out: str, size: int, accumulated: int) -> tuple[list[dict[str, float]], dict[str, Any], torch.Tensor]:
        sets = f"learning_rate=1e-3 epochs=4 rank=8 alpha=16 batch_size={size} gradient_accumulation={accumulated}"
        given = [word for one in sets.split() for word in ("--set", f"training.{one}")]
        done = videostar("train", "gen/dataset", "--out", out, "--data", world, *DPO, *given)
        assert done.returncode == 0, done.stderr
        weights = load_file(tmp_path / out / "adapter_model.safetensors")
        steps = read_log(tmp_path / f"{out}.training.jsonl")
        return steps, json.loads(done.stdout), torch.cat([weights[name].flatten() for name in sorted(weights)])

    steps, facts, weights = trained("lora", 9, 1)  # an odd batch has four pairs
    assert facts["pairs"] + facts["unpaired"] == len(kept)
    assert facts["rows"] == facts["pairs"] >= 3
    assert len(steps) == 4 * math.ceil(facts["pairs"] / 4)
    assert sum(step["pairs"] for step in steps) == 4 * facts["pairs"]
    assert steps[0]["loss"] == pytest.approx(math.log(2), abs=1e-7)
    assert (steps[0]["accuracy"], steps[0]["margin"]) == (0, 0)
    assert steps[-1]["loss"] < 0.5
    assert steps[-1]["margin"] > steps[len(steps) // 2]["margin"] > 0
    assert steps[-1]["accuracy"] == 1
    parts, _, same = trained("parts", 2, 4)
    for name in ("loss", "margin", "grad_norm"):
        assert [step[name] for step in parts] == pytest.approx([step[name] for step in steps], rel=1e-3, abs=1e-6)
    assert (same - weights).norm() < 1e-3 * weights.norm()


def test_the_loss_is_that_of_the_paper(world: Path, tmp_path: Path) -> None:
    """Equation 7, row by row, of the whole models: one with the LoRA, and the base."""
    settings = load_pipeline("demo", mix=None, settings=["video.frames=4"])
    root = world.parent / "clips_and_labels"
    clips = [
        settings.cache.frames().clip(path, probe(path).sha256, Sampling(4, 4096))
        for path in sorted((root / "clips" / "train").glob("*.mp4"))[:2]
    ]
    lora = make_lora(settings, tmp_path / "lora", 0, clips[0], scale=0.02)
    model: Any = PeftModel.from_pretrained(load_model(settings.spec), str(lora), is_trainable=True).train()
    base, chat = load_model(settings.spec), Chat(load_processor(settings.spec))
    chosen = [Turn("What moves?", [clips[0]], "It moves up."), Turn("Where?", [clips[1]], "Left, then down, then up.")]
    rejected = [Turn("What moves?", [clips[0]], "A red one."), Turn("Where?", [clips[1]], "It stays.")]

    def likely(of: Any, turn: Turn) -> torch.Tensor:
        batch = chat.examples([turn])
        labels = batch.pop("labels")[0]
        scores = torch.log_softmax(of(**batch).logits[0].double(), dim=-1)
        learned = [place for place in range(1, len(labels)) if labels[place] != IGNORED]
        return torch.stack([scores[place - 1, labels[place]] for place in learned]).sum()

    with torch.no_grad():
        rewards = [[0.3 * (likely(model, turn) - likely(base, turn)) for turn in side] for side in (chosen, rejected)]
        margins = [one - other for one, other in zip(*rewards, strict=True)]
        expected = sum(-torch.log(torch.sigmoid(margin)) for margin in margins) / 4
    assert all(abs(margin) > 1e-3 for margin in margins)
    batch = without_prompts(chat.examples([*chosen, *rejected]))
    loss, figures = preference_loss(model, batch, 4, 0.3)
    assert loss.item() == pytest.approx(float(expected), abs=1e-5)
    assert figures["margin"] == pytest.approx(float(sum(margins)) / 4, abs=1e-5)
    assert figures["accuracy"] == sum(margin > 0 for margin in margins) / 4
    weights = torch.arange(len(margins), dtype=torch.float)
    weighted, same = preference_loss(model, batch, 4, 0.3, weights)
    expected = sum(-n * torch.log(torch.sigmoid(margin)) for n, margin in enumerate(margins)) / 4
    assert weighted.item() == pytest.approx(float(expected), abs=1e-5)
    assert same == figures
    loss.backward()
    assert all((weights.grad is not None) == ("lora" in name) for name, weights in model.named_parameters())


def test_the_loss_is_that_of_trl(tmp_path: Path) -> None:
    """And so are its gradients, on the same batch of texts."""
    trl = pytest.importorskip("trl", reason="needs trl")
    from datasets import Dataset
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = load_processor(load_pipeline("demo").spec).tokenizer
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    base = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes))
    texts = [
        ("What moves here?", " A red square moves up.", " A green circle."),
        ("And now?", " It stops.", " It moves left, then it moves right and stops."),
        ("Which way does it move, then?", " Up.", " Down."),
    ]
    trainer = trl.DPOTrainer(
        model=base,
        peft_config=LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"),
        args=trl.DPOConfig(
            str(tmp_path), beta=0.3, per_device_train_batch_size=3, report_to=[], use_cpu=True, bf16=False
        ),
        train_dataset=Dataset.from_list(
            [dict(zip(("prompt", "chosen", "rejected"), row, strict=True)) for row in texts]
        ),
        processing_class=tokenizer,
    )
    model = trainer.model
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.3)
    batch = next(iter(trainer.get_train_dataloader()))

    def gradients(loss: torch.Tensor) -> torch.Tensor:
        model.zero_grad()
        loss.backward()
        return torch.cat([weights.grad.flatten() for weights in model.parameters() if weights.grad is not None])

    theirs = trainer.compute_loss(model, batch)
    labels = batch["input_ids"].masked_fill(batch.pop("completion_mask") == 0, IGNORED)
    ours, figures = preference_loss(model, {**batch, "labels": labels}, 3, 0.3)
    assert abs(theirs.item() - math.log(2)) > 1e-3
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)
    (margin,) = trainer._metrics["train"]["rewards/margins"]
    assert figures["margin"] == pytest.approx(margin, abs=1e-5)
    expected = gradients(theirs)
    assert (gradients(ours) - expected).norm() < 1e-4 * expected.norm()
