"""The reference engine: transformers' `generate`, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from peft import PeftModel
from transformers import LogitsProcessor, LogitsProcessorList

from videostar.config import Pipeline
from videostar.engines.base import Refused, Reply, Request
from videostar.models.chat import Chat, Turn
from videostar.models.load import dtype, free_memory, load_config, load_model, load_processor
from videostar.models.quantised import is_quantised
from videostar.models.refusals import Refusals
from videostar.models.response import Response
from videostar.models.sizes import context_length
from videostar.util.files import digest

_Item = TypeVar("_Item")


class _Likelihood(LogitsProcessor):
    """Collects the log-probabilities of the tokens that `generate` chooses, by the model's own distribution.

    `generate` calls it before it applies the temperature. One step of the whole vocabulary is kept, not all of them.
    """

    def __init__(self) -> None:
        self._chosen: list[torch.Tensor] = []  # [batch] of each step
        self._next: torch.Tensor | None = None  # log-probabilities [batch, vocabulary] of the step being chosen

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        self._choose(input_ids[:, -1])
        self._next = torch.log_softmax(scores, dim=-1)
        return scores

    def of(self, tokens: torch.Tensor) -> torch.Tensor:
        """The log-probabilities [batch, steps] of the generated `tokens`. On a GPU `generate` may take steps back."""
        if len(self._chosen) < tokens.shape[1]:
            self._choose(tokens[:, -1])
        return torch.stack(self._chosen[: tokens.shape[1]], dim=1)

    def _choose(self, tokens: torch.Tensor) -> None:
        if self._next is not None:
            self._chosen.append(self._next.gather(1, tokens[:, None])[:, 0])


class TransformersEngine:
    """Any image-text-to-text model of transformers whose processor takes videos."""

    name = "transformers"
    windows = 1  # a window is one batch, the same after a crash, so that answers are the same to the bit

    def __init__(self, settings: Pipeline) -> None:
        self.spec, self.options, self.batch_size = settings.spec, settings.generation, settings.engine.batch_size
        self.video, self.base_judges = settings.video, settings.base_judges
        self.model: Any = None
        self._used = ""  # digest of the LoRA in the model; empty: the base model alone

    def use(self, lora: Path | None) -> None:
        """Load the model with the LoRA, unless it is loaded already.

        In float32 the LoRA is merged into the weights, which is faster. In a 16-bit type, or if they are quantised, the
        merged weights would be rounded and lose part of a small update: the LoRA stays beside them, as in training. So
        it does if the base model judges, which needs weights without it.
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
            exact = dtype(self.spec) == torch.float32 and not is_quantised(load_config(self.spec))
            if exact and not self.base_judges:
                model = model.merge_and_unload()
        self.model, self._used = model.eval(), wanted

    def answer(self, requests: Iterable[Request]) -> list[Reply]:
        """Replies, computed in batches of `engine.batch_size`."""
        return [reply for batch in self._batches(list(requests)) for reply in self._replies(batch)]

    def ask_base(self, prompts: Sequence[str], max_new_tokens: int) -> list[str | Refused]:
        """Replies, computed in batches of `engine.batch_size`. A prompt that is longer than the context is refused.

        With a LoRA in use, `settings.base_judges` must be true: otherwise it may be merged into the weights.
        """
        if self.model is None:
            self.use(None)
        most = context_length(self.spec)
        turns = [Turn(prompt) for prompt in prompts]
        fits = [most is None or self.chat.length(turn) + max_new_tokens <= most for turn in turns]
        with self.model.disable_adapter() if isinstance(self.model, PeftModel) else nullcontext():
            batches = self._batches([turn for turn, fit in zip(turns, fits, strict=True) if fit])
            replies = iter([reply.text for batch in batches for reply in self._generate(batch, None, max_new_tokens)])
        return [next(replies) if fit else Refused(f"longer than the context of {most} tokens") for fit in fits]

    def _batches(self, waiting: list[_Item]) -> Iterator[list[_Item]]:
        return (waiting[start : start + self.batch_size] for start in range(0, len(waiting), self.batch_size))

    def _replies(self, requests: Sequence[Request]) -> list[Reply]:
        refusals = [self.refusals.refusal(request.clips) for request in requests]
        batch = [request for request, refusal in zip(requests, refusals, strict=True) if refusal is None]
        turns = [Turn(request.question, request.clips) for request in batch]
        # One seed per batch: the same requests in the same order give the same answers.
        most = self.options.max_new_tokens
        tries = [self._generate(turns, seed, most) for seed in batch[0].seeds or (None,)] if batch else []
        answers = zip(*tries, strict=True)
        return [list(next(answers)) if refusal is None else Refused(str(refusal)) for refusal in refusals]

    def _generate(self, turns: Sequence[Turn], seed: int | None, most: int) -> list[Response]:
        inputs = self.chat.prompts(turns)
        prompt_length = inputs["input_ids"].shape[1]
        sampling: dict[str, Any] = {"do_sample": False}
        if seed is not None:
            torch.manual_seed(seed)
            sampling = {"do_sample": True, "temperature": self.options.temperature, "top_p": 1.0, "top_k": 0}
        likelihood = _Likelihood()
        with torch.inference_mode():
            tokens = self.model.generate(
                **{name: value.to(self.model.device) for name, value in inputs.items()},
                max_new_tokens=most,
                logits_processor=LogitsProcessorList([likelihood]),
                **sampling,
            )[:, prompt_length:]
        rows = [self._answer(row) for row in tokens.tolist()]
        likely = likelihood.of(tokens).tolist()
        return self.chat.responses(rows, [sum(of[: len(row)]) for row, of in zip(rows, likely, strict=True)], most)

    def _answer(self, row: list[int]) -> list[int]:
        """A generated row up to the token that ends it: what follows is padding."""
        known = self.model.generation_config.eos_token_id
        ends = set(known if isinstance(known, list) else [known])
        end = next((place for place, token in enumerate(row) if token in ends), len(row))
        return row[: end + 1]

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
