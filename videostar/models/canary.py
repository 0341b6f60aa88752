"""Canaries: prompts by which an engine shows that it serves the right LoRA.

A LoRA that is not served, or another one in its place, gives answers that look as good as any. So training writes a few
of its prompts beside the LoRA, with the greedy answer and its log-probabilities with and without the LoRA. An engine
that loads weights of its own (vLLM) must give the same before it generates anything else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from peft import PeftModel

from videostar.config import ModelSpec, Video
from videostar.models.chat import Chat, Turn
from videostar.models.load import device, dtype_name, load_model
from videostar.models.sizes import largest_clip
from videostar.util.errors import UserError
from videostar.util.files import write_json
from videostar.video.clip import Clip
from videostar.video.clip_file import Damaged, read_clip, write_clip

CANARIES = 2  # prompts beside each LoRA
_TOKENS = 16  # of an answer
_QUESTIONS = ("What happens in this video?", "Describe what you see.")
# Mean difference of a token's log-probability that engines may show. Measured in float32: 0.00001.
_TOLERANCE, _TOLERANCE_EXACT = 0.1, 0.002


@dataclass(frozen=True)
class Canary:
    """One prompt, and the model's answer to it with the LoRA."""

    question: str
    clip: Clip
    prompt: list[int]  # token ids, with those of the video
    answer: list[int]  # token ids of the greedy answer with the LoRA
    likely: list[float]  # log-probability of each answer token with the LoRA
    likely_base: list[float]  # and with the base model alone

    def compare(self, prompt: Sequence[int], answer: Sequence[int], likely: Sequence[float], *, exact: bool) -> str:
        """How another engine's response differs from this canary; empty if it does not.

        `likely` are that engine's log-probabilities of the first tokens of `self.answer`. `exact`: in float32 the
        greedy answer must be the same too.
        """
        if list(prompt) != self.prompt:
            return "the prompt has other tokens"
        if not likely:
            return "it returns no log-probabilities"
        known, known_base = self.likely[: len(likely)], self.likely_base[: len(likely)]
        off, off_base, apart = _distance(likely, known), _distance(likely, known_base), _distance(known, known_base)
        tolerance = _TOLERANCE_EXACT if exact else _TOLERANCE
        if off > tolerance or (apart > tolerance and off >= off_base):
            return f"log-probabilities differ by {off:.3f} from the LoRA's and by {off_base:.3f} from the base's"
        if exact and list(answer) != self.answer:
            return "the greedy answer has other tokens"
        return ""


def find_canaries(lora: Path, spec: ModelSpec, video: Video, chat: Chat) -> list[Canary]:
    """The canaries beside a LoRA, at least one; made now if there are none, since it was trained by another program.

    Raises UserError if its answers are empty, so that they identify nothing.
    """
    canaries = read_canaries(lora) or _make_canaries(lora, spec, video, chat)
    if not canaries:
        raise UserError(
            f"{lora}: its answers are empty, so an engine cannot be checked for serving it; train it further, or use "
            "--engine transformers"
        )
    return canaries


def exact_arithmetic(spec: ModelSpec) -> bool:
    """Whether engines agree up to rounding. On a GPU, float32 products may be computed in fewer bits."""
    return dtype_name(spec) == "float32" and device(spec).type == "cpu"


def _make_canaries(lora: Path, spec: ModelSpec, video: Video, chat: Chat) -> list[Canary]:
    """The response of transformers and PEFT to clips of noise."""
    black = largest_clip(video)
    noise = np.random.default_rng(0).integers(0, 256, black.frames.shape, np.uint8)
    model = PeftModel.from_pretrained(load_model(spec), str(lora))
    with TemporaryDirectory() as folder:
        prompts = [(question, replace(black, frames=noise)) for question in _QUESTIONS]
        write_canaries(Path(folder), model, chat, prompts)
        return read_canaries(Path(folder))


def write_canaries(folder: Path, model: Any, chat: Chat, prompts: Sequence[tuple[str, Clip]]) -> None:
    """Write the response of a trained PEFT `model` to questions about clips into `folder`."""
    model.eval()
    rows: list[dict[str, Any]] = []
    for question, clip in prompts:
        name = f"canary-{len(rows)}"
        write_clip(folder / f"{name}.safetensors", name, clip)
        turn = Turn(question, [read_clip(folder / f"{name}.safetensors", name)])
        inputs = {name: value.to(model.device) for name, value in chat.prompts([turn]).items()}
        prompt = inputs["input_ids"][0].tolist()
        with torch.inference_mode():
            tokens = model.generate(**inputs, max_new_tokens=_TOKENS, do_sample=False)[0, len(prompt) :].tolist()
            # An answer may hold a video's placeholder token. Read back, that token would need a video.
            tokens = chat.before_marks(tokens)
            if not tokens:
                continue
            continued = {name: value.to(model.device) for name, value in chat.continued(turn, tokens).items()}
            likely = _log_probabilities(model, continued, tokens)
            with model.disable_adapter():
                likely_base = _log_probabilities(model, continued, tokens)
        rows.append({"question": question, "prompt": prompt, "answer": tokens})
        rows[-1] |= {"likely": likely, "likely_base": likely_base}
    write_json(folder / "canary.json", rows)


def read_canaries(folder: Path) -> list[Canary]:
    """The canaries beside a LoRA; none if another program trained it. Raises UserError if a clip is damaged."""
    file = folder / "canary.json"
    if not file.is_file():
        return []
    rows = json.loads(file.read_text(encoding="utf-8"))
    try:
        return [
            # Without its key, which is the same beside every LoRA: engines cache what they computed by it.
            Canary(clip=replace(read_clip(folder / f"canary-{number}.safetensors", f"canary-{number}"), key=""), **row)
            for number, row in enumerate(rows)
        ]
    except Damaged as error:
        raise UserError(
            f"{folder}: {error} is damaged, or of an older videostar; train the LoRA again, or use --engine "
            "transformers"
        ) from None


def _log_probabilities(model: Any, inputs: dict[str, torch.Tensor], tokens: list[int]) -> list[float]:
    logits = model(**inputs).logits[0, -len(tokens) - 1 : -1].float()
    chosen = torch.log_softmax(logits, dim=-1)[torch.arange(len(tokens)), tokens]
    return [round(value, 5) for value in chosen.tolist()]


def _distance(a: Sequence[float], b: Sequence[float]) -> float:
    """The mean absolute difference of log-probabilities."""
    return sum(abs(x - y) for x, y in zip(a, b, strict=True)) / max(1, len(a))
