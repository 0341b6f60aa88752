"""LoRA adapters on disk: what they are, and a canary by which an engine can tell that it serves the right one.

An adapter that is not served, or another in its place, gives answers that look as good as any. So training leaves a few
of its prompts beside the adapter, with what base and adapter answered and how likely they found it, and an engine that
loads weights of its own (vLLM) is asked the same before anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig

from videostar.config import Pipeline
from videostar.models.chat import Chat, Turn
from videostar.models.families import language_layer
from videostar.util.errors import UserError
from videostar.util.files import digest, write_json
from videostar.util.resources import model_digest, model_path
from videostar.video.clip import Clip
from videostar.video.clip_file import Damaged, read_clip, write_clip

_TOKENS = 16  # of an answer
_DIGEST = "sha256:"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
CANARIES = 2  # prompts that are noted
# Of the mean log-probability of a token: more than the engines' own arithmetic costs. Seen here: 0.00001 in float32.
_TOLERANCE, _TOLERANCE_EXACT = 0.1, 0.002


@dataclass(frozen=True)
class AdapterFacts:
    """What must be known of an adapter before it is loaded."""

    digest: str
    rank: int


def read_facts(folder: Path) -> AdapterFacts:
    """The facts of the PEFT adapter in `folder`. Raises UserError when it is none."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        ranks = [int(config["r"]), *map(int, config.get("rank_pattern", {}).values())]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: no LoRA adapter ({error}); give a folder that training wrote") from None
    if not (folder / "adapter_model.safetensors").is_file():
        raise UserError(f"{folder}: no adapter_model.safetensors; give a folder that training wrote")
    return AdapterFacts(digest(folder), max(ranks))


def lora_config(model: Any, settings: Pipeline) -> LoraConfig:
    """LoRA on every linear layer of the language model. Raises UserError when there is none."""
    targets = sorted(
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and language_layer(model.config, name)
    )
    if not targets:
        raise UserError(
            f"model {settings.model!r}: LoRA finds no linear layers in its language model; give another model"
        )
    return LoraConfig(
        r=settings.training.rank,
        lora_alpha=settings.training.alpha,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )


def base_name(settings: Pipeline) -> str:
    """What an adapter's files call its base, the same on every machine: `embedded`, a hub id, or a folder's digest."""
    if settings.model == "embedded":
        return settings.model
    on_disk = Path(model_path(settings.model)).is_dir()
    return _DIGEST + model_digest(settings.model) if on_disk else settings.model


def other_base(recorded: str | None, settings: Pipeline) -> bool:
    """Whether an adapter's base, as its files call it, is another than that of `settings`, as far as names tell.

    They do not for a model of the hub in a folder, nor for a path that another program wrote.
    """
    own = base_name(settings)
    if recorded is None or recorded == own:
        return False
    digests = _digest_of(recorded), _digest_of(own)
    return (all(digests) and digests[0] != digests[1]) or (not any(digests) and _HUB_ID.fullmatch(recorded) is not None)


def _digest_of(base: str) -> str:
    """Of the folder of a base; empty for one that lies on the hub, or who knows where."""
    return model_digest(base) if base == "embedded" else base[len(_DIGEST) :] if base.startswith(_DIGEST) else ""


@dataclass(frozen=True)
class Canary:
    """One prompt, and what the model said to it with the adapter."""

    question: str
    clip: Clip
    prompt: list[int]  # token ids, the video's included
    answer: list[int]  # greedy, with the adapter
    likely: list[float]  # log-probability of each answer token with the adapter,
    likely_base: list[float]  # and without it

    def compare(self, prompt: Sequence[int], answer: Sequence[int], likely: Sequence[float], *, exact: bool) -> str:
        """What tells another engine's words from the adapter's; empty if nothing does.

        `likely` are that engine's log-probabilities of `self.answer`, or of as many of its tokens as it can be asked
        for. `exact`: in float32, where the greedy answer must be the same too.
        """
        if list(prompt) != self.prompt:
            return "the prompt has other tokens"
        if not likely:
            return "it tells no log-probabilities"
        known, known_base = self.likely[: len(likely)], self.likely_base[: len(likely)]
        off, off_base, apart = _distance(likely, known), _distance(likely, known_base), _distance(known, known_base)
        tolerance = _TOLERANCE_EXACT if exact else _TOLERANCE
        if off > tolerance or (apart > tolerance and off >= off_base):
            return f"log-probabilities are {off:.3f} from the adapter's and {off_base:.3f} from the base's"
        if exact and list(answer) != self.answer:
            return "the greedy answer has other tokens"
        return ""


def write_canaries(folder: Path, model: Any, chat: Chat, asked: Sequence[tuple[str, Clip]]) -> None:
    """Ask a trained PEFT `model` some questions about clips, and note what it says."""
    model.eval()
    rows: list[dict[str, Any]] = []
    for question, clip in asked:
        name = f"canary-{len(rows)}"
        write_clip(folder / f"{name}.safetensors", name, clip)
        turn = Turn(question, read_clip(folder / f"{name}.safetensors", name))
        inputs = {name: value.to(model.device) for name, value in chat.prompts([turn]).items()}
        prompt = inputs["input_ids"][0].tolist()
        with torch.inference_mode():
            tokens = model.generate(**inputs, max_new_tokens=_TOKENS, do_sample=False)[0, len(prompt) :].tolist()
            # A model may say anything; read back, what stands for a video would have to have one.
            tokens = chat.before_marks(tokens)
            if not tokens:
                continue
            said = {name: value.to(model.device) for name, value in chat.continued(turn, tokens).items()}
            likely = _likely(model, said, tokens)
            with model.disable_adapter():
                likely_base = _likely(model, said, tokens)
        rows.append({"question": question, "prompt": prompt, "answer": tokens})
        rows[-1] |= {"likely": likely, "likely_base": likely_base}
    write_json(folder / "canary.json", rows)


def _likely(model: Any, inputs: dict[str, torch.Tensor], tokens: list[int]) -> list[float]:
    logits = model(**inputs).logits[0, -len(tokens) - 1 : -1].float()
    chosen = torch.log_softmax(logits, dim=-1)[torch.arange(len(tokens)), tokens]
    return [round(value, 5) for value in chosen.tolist()]


def read_canaries(folder: Path) -> list[Canary]:
    """The canaries beside an adapter; none if it was not trained here."""
    file = folder / "canary.json"
    if not file.is_file():
        return []
    rows = json.loads(file.read_text(encoding="utf-8"))
    try:
        return [
            # Without its key, which every adapter's has: engines remember what they saw by it.
            Canary(clip=replace(read_clip(folder / f"canary-{number}.safetensors", f"canary-{number}"), key=""), **row)
            for number, row in enumerate(rows)
        ]
    except Damaged as error:
        raise UserError(
            f"{folder}: {error} is damaged, or of an older videostar; train the adapter again, or take --engine "
            "transformers"
        ) from None


def _distance(a: Sequence[float], b: Sequence[float]) -> float:
    """The mean difference of log-probabilities."""
    return sum(abs(x - y) for x, y in zip(a, b, strict=True)) / max(1, len(a))
