"""The reference engine: transformers' `generate`, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from peft import PeftModel

from videostar.config import Pipeline
from videostar.engines.base import Reply, Request
from videostar.models.chat import Chat, Turn
from videostar.models.load import dtype, free_memory, load_model, load_processor
from videostar.util.files import digest


class TransformersEngine:
    """Any image-text-to-text model of transformers whose processor takes videos."""

    name = "transformers"
    windows = 1  # a batch is a window, the same after a crash, so that answers come out the same to the bit

    def __init__(self, settings: Pipeline) -> None:
        self.settings = settings
        self.model: Any = None
        self._used = ""  # the digest of the adapter in the model; empty: the base

    def use(self, adapter: Path | None) -> None:
        """Load the model with the adapter, unless it is there already: in float32 merged into it, which is faster.

        In 16 bits a sum of weights is rounded to those of the base, so that of small updates a part would be lost, and
        answers would be others than those of the model that was trained. There it stays beside them, as in training.
        """
        wanted = digest(adapter) if adapter is not None else ""
        if self.model is not None and self._used == wanted:
            return
        self.rest()
        self.chat = Chat(load_processor(self.settings))
        model: Any = load_model(self.settings)
        if adapter is not None:
            model = PeftModel.from_pretrained(model, str(adapter), autocast_adapter_dtype=False)
            if dtype(self.settings) == torch.float32:
                model = model.merge_and_unload()
        self.model, self._used = model.eval(), wanted

    def answer(self, requests: Iterable[Request]) -> list[Reply]:
        """Answers to at most `engine.batch_size` requests at a time."""
        replies: list[Reply] = []
        waiting, size = list(requests), self.settings.engine.batch_size
        for start in range(0, len(waiting), size):
            batch = waiting[start : start + size]
            # One generator serves the batch: the same requests, in the same order, give the same answers.
            tries = [self._batch(batch, seed) for seed in batch[0].seeds or (None,)]
            replies += [list(answers) for answers in zip(*tries, strict=True)]
        return replies

    def _batch(self, requests: Sequence[Request], seed: int | None) -> list[str]:
        inputs = self.chat.prompts([Turn(request.question, request.clip) for request in requests])
        prompt_length = inputs["input_ids"].shape[1]
        options = self.settings.generation
        sampling: dict[str, Any] = {"do_sample": False}
        if seed is not None:
            torch.manual_seed(seed)
            sampling = {"do_sample": True, "temperature": options.temperature, "top_p": 1.0, "top_k": 0}
        with torch.inference_mode():
            tokens = self.model.generate(
                **{name: value.to(self.model.device) for name, value in inputs.items()},
                max_new_tokens=options.max_new_tokens,
                **sampling,
            )
        return self.chat.answers(tokens[:, prompt_length:].tolist(), options.max_new_tokens)

    def restart(self) -> None:
        """It lives in this process and dies with it."""

    def rest(self) -> None:
        """Drop the model."""
        self.model = None
        free_memory()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()
