"""The reference engine: transformers' `generate`, in batches, greedy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from videostar.chat import Chat, Turn
from videostar.config import Pipeline
from videostar.engines import Request
from videostar.models import load_model, load_processor


class TransformersEngine:
    """Any image-text-to-text model of transformers whose processor takes videos."""

    def __init__(self, settings: Pipeline, adapter: Path | None) -> None:
        self.settings = settings
        self.chat = Chat(load_processor(settings))
        model: Any = load_model(settings)
        if adapter is not None:
            model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        self.model = model.eval()

    def answer(self, requests: Sequence[Request]) -> list[str]:
        """Greedy answers, at most `engine.batch_size` at a time."""
        answers: list[str] = []
        size = self.settings.engine.batch_size
        for start in range(0, len(requests), size):
            answers += self._batch(requests[start : start + size])
        return answers

    def _batch(self, requests: Sequence[Request]) -> list[str]:
        inputs = self.chat.prompts([Turn(request.question, request.clip) for request in requests])
        prompt_length = inputs["input_ids"].shape[1]
        with torch.inference_mode():
            tokens = self.model.generate(
                **{name: value.to(self.model.device) for name, value in inputs.items()},
                max_new_tokens=self.settings.generation.max_new_tokens,
                do_sample=False,
            )
        return self.chat.decode(tokens[:, prompt_length:])
