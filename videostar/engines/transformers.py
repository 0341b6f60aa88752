"""The reference engine: transformers' `generate`, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from peft import PeftModel

from videostar.config import Pipeline
from videostar.engines.base import Refused, Reply, Request
from videostar.models.chat import Chat, Turn
from videostar.models.load import dtype, free_memory, load_config, load_model, load_processor
from videostar.models.quantised import is_quantised
from videostar.models.refusals import Refusals
from videostar.util.files import digest


class TransformersEngine:
    """Any image-text-to-text model of transformers whose processor takes videos."""

    name = "transformers"
    windows = 1  # a window is one batch, the same after a crash, so that answers are the same to the bit

    def __init__(self, settings: Pipeline) -> None:
        self.spec, self.options, self.batch_size = settings.spec, settings.generation, settings.engine.batch_size
        self.video = settings.video
        self.model: Any = None
        self._used = ""  # digest of the LoRA in the model; empty: the base model alone

    def use(self, lora: Path | None) -> None:
        """Load the model with the LoRA, unless it is loaded already.

        In float32 the LoRA is merged into the weights, which is faster. In a 16-bit type, or if they are quantised, the
        merged weights would be rounded and lose part of a small update: the LoRA stays beside them, as in training.
        """
        wanted = digest(lora) if lora is not None else ""
        if self.model is not None and self._used == wanted:
            return
        self.release()
        self.chat = Chat(load_processor(self.spec))
        self.refusals = Refusals(self.spec, self.video)
        model: Any = load_model(self.spec)
        if lora is not None:
            model = PeftModel.from_pretrained(model, str(lora), autocast_adapter_dtype=False)
            if dtype(self.spec) == torch.float32 and not is_quantised(load_config(self.spec)):
                model = model.merge_and_unload()
        self.model, self._used = model.eval(), wanted

    def answer(self, requests: Iterable[Request]) -> list[Reply]:
        """Replies, computed in batches of `engine.batch_size`."""
        waiting, size = list(requests), self.batch_size
        batches = [waiting[start : start + size] for start in range(0, len(waiting), size)]
        return [reply for batch in batches for reply in self._replies(batch)]

    def _replies(self, requests: Sequence[Request]) -> list[Reply]:
        refusals = [self.refusals.refusal(request.clips) for request in requests]
        batch = [request for request, refusal in zip(requests, refusals, strict=True) if refusal is None]
        # One seed per batch: the same requests in the same order give the same answers.
        tries = [self._generate(batch, seed) for seed in batch[0].seeds or (None,)] if batch else []
        answers = zip(*tries, strict=True)
        return [list(next(answers)) if refusal is None else Refused(str(refusal)) for refusal in refusals]

    def _generate(self, requests: Sequence[Request], seed: int | None) -> list[str]:
        inputs = self.chat.prompts([Turn(request.question, request.clips) for request in requests])
        prompt_length = inputs["input_ids"].shape[1]
        sampling: dict[str, Any] = {"do_sample": False}
        if seed is not None:
            torch.manual_seed(seed)
            sampling = {"do_sample": True, "temperature": self.options.temperature, "top_p": 1.0, "top_k": 0}
        with torch.inference_mode():
            tokens = self.model.generate(
                **{name: value.to(self.model.device) for name, value in inputs.items()},
                max_new_tokens=self.options.max_new_tokens,
                **sampling,
            )
        return self.chat.answers(tokens[:, prompt_length:].tolist(), self.options.max_new_tokens)

    def restart(self) -> None:
        """Nothing to do: the model is in this process."""

    def release(self) -> None:
        """Drop the model."""
        self.model = None
        free_memory()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
