"""A vLLM server that already runs (`vllm serve`), through the API that it shares with OpenAI.

A clip of black frames shows that the server makes the same tokens of a video as training does. A LoRA is loaded under
its digest, and its canaries show that it is served (see `videostar/models/canary.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, Self

from videostar.config import Pipeline
from videostar.engines.base import LoraNotServed, Refused, Reply, Request, WrongLora
from videostar.engines.openai import ONE_VIDEO
from videostar.engines.openai.server import Card, Completion, Server
from videostar.engines.vllm.options import max_lora_rank, same_normalisation
from videostar.models.canary import Canary, exact_arithmetic, find_canaries
from videostar.models.chat import Chat, Turn
from videostar.models.families import as_processed
from videostar.models.load import dtype_name, load_config, load_processor
from videostar.models.lora import read_facts
from videostar.models.refusals import Refusals
from videostar.models.sizes import largest_clip
from videostar.util.errors import UserError
from videostar.util.files import digest
from videostar.util.resources import model_path
from videostar.util.terminal import warn
from videostar.video.clip import Clip

_AT_ONCE = 64  # requests at once: enough to fill a server's batches


class OpenaiEngine:
    """The server at `engine.base_url`. Frames are sent without loss, with the times at which they are shown."""

    name = "openai"
    windows = 3  # one is answered, one is rationalised, one waits, so that the server never waits

    def __init__(self, settings: Pipeline) -> None:
        self.spec, self.video, self.generation = settings.spec, settings.video, settings.generation
        self.rank = settings.training.rank
        self.chat = Chat(load_processor(self.spec))
        self.refusals = Refusals(self.spec, self.video)
        self.server = Server(str(settings.engine.base_url))
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="openai")
        self._base_model = self._model = ""  # the served names of the base model, and of what answers
        self._loaded = ""  # the LoRA that this process loaded into the server
        self._used: str | None = None  # digest of the LoRA that answers; empty: the base alone
        if not same_normalisation(self.spec):
            warn(
                f"model {self.spec.name!r} scales videos differently from images: start the server with "
                "--no-mm-device-do-normalize"
            )

    def use(self, lora: Path | None) -> None:
        """Find the base model on the server, load the LoRA into it and validate it with its canaries.

        This happens once until `release`. After that, much time may pass in which the server is started again.
        """
        wanted = digest(lora) if lora is not None else ""
        if self._used == wanted:
            return
        self._used = None
        self._unload()
        served = self.server.models()
        base = self._base([card for card in served if card.parent is None])
        self._base_model = self._model = base.id
        self._check_video(base)
        if lora is not None:
            self._load(lora, [card.id for card in served])
        self._used = wanted

    def answer(self, requests: Iterable[Request]) -> list[Reply]:
        """Replies, once all are there. Any number of threads may call this. Raises UserError if the server is gone."""
        pending = [
            [
                self._pool.submit(
                    self._complete,
                    request.question,
                    request.clips,
                    max_tokens=self.generation.max_new_tokens,
                    temperature=0.0 if seed is None else self.generation.temperature,
                    seed=seed,
                    logprobs=True,
                )
                for seed in request.seeds or (None,)
            ]
            for request in requests
        ]
        try:
            return [self._reply([future.result() for future in tries]) for tries in pending]
        finally:
            for future in (future for tries in pending for future in tries):
                future.cancel()  # if one has failed, the others would fail too

    def ask_base(self, prompts: Sequence[str], max_new_tokens: int) -> list[str | Refused]:
        """Replies, once all are there. Any number of threads may call this. Raises UserError if the server is gone."""
        if not self._base_model:
            self.use(None)
        plain = [self.chat.plain(prompt) for prompt in prompts]
        return self.server.replies(self._base_model, plain, max_new_tokens)

    def _reply(self, tries: Sequence[Completion | Refused]) -> Reply:
        most, rows, known = self.generation.max_new_tokens, [], []
        for completion in tries:
            if isinstance(completion, Refused):
                return completion
            rows.append(completion.tokens[:most])
            known.append(completion.log_probability(most))
        # Decoded here, by the tokenizer that training uses, so that all engines give the same text.
        return self.chat.responses(rows, known, most)

    def _complete(self, question: str, clips: Sequence[Clip], **params: Any) -> Completion | Refused:
        if refusal := self.refusals.refusal(clips):
            return Refused(str(refusal))
        if len(clips) > 1:
            return Refused(ONE_VIDEO)
        return self.server.complete(self._model, self.chat.plain(question), clips[0], **params)

    def _prompt(self, completion: Completion) -> list[int]:
        return as_processed(completion.prompt_token_ids, self.chat.processor, load_config(self.spec))

    def _base(self, served: Sequence[Card]) -> Card:
        """The card of the base model, by the last part of its name or folder."""
        wanted = PurePath(model_path(self.spec.name)).name
        for card in served:
            if wanted in (PurePath(card.id).name, PurePath(card.root or "").name):
                return card
        names = [card.id for card in served]
        near = difflib.get_close_matches(self.spec.name, names, n=1, cutoff=0.0)
        raise UserError(
            f"{self.server.url}: serves {', '.join(names) or 'nothing'}, not model {self.spec.name!r}; "
            f"{f'give model: {near[0]}, or ' if near else ''}start it as `{self._command()}`"
        )

    def _check_video(self, base: Card) -> None:
        """Raises UserError if the server makes other tokens of a video than training does, or has no room for them."""
        turn = Turn("What is shown?", [largest_clip(self.video)])
        expected = self.chat.prompts([turn])["input_ids"][0].tolist()
        needed = len(expected) + self.generation.max_new_tokens
        if base.max_model_len is not None and base.max_model_len < needed:
            raise UserError(
                f"{self.server.url}: has room for {base.max_model_len} tokens, a video with its question and answer "
                f"takes {needed} or more; start it with a higher --max-model-len, or lower video.frames or max_pixels"
            )
        completion = self._complete(turn.question, turn.clips, max_tokens=1, temperature=0.0)
        if isinstance(completion, Refused):
            raise UserError(f"{self.server.url}: takes no video ({completion.reason}); start it as `{self._command()}`")
        if self._prompt(completion) != expected:
            raise UserError(
                f"{self.server.url}: makes other tokens of a video than the processor of {self.spec.name!r} "
                f"({len(completion.prompt_token_ids)}, not {len(expected)}); start it as `{self._command()}`"
            )

    def _load(self, lora: Path, served: Sequence[str]) -> None:
        """Load the LoRA into the server. Raises UserError if the server does not answer with it."""
        facts = read_facts(lora)
        try:
            # A run that was killed may have left it, with files that have changed since.
            if facts.digest in served:
                self.server.unload(facts.digest)
            self.server.load(facts.digest, lora)
        except LoraNotServed as error:
            raise UserError(
                f"{lora}: {self.server.url} does not load it ({error}); start the server where it can read this "
                f"folder, as `{self._command(facts.rank)}`"
            ) from None
        self._model = self._loaded = facts.digest
        try:
            self._validate(find_canaries(lora, self.spec, self.video, self.chat))
        except LoraNotServed as error:
            raise WrongLora(
                f"{lora}: the answers of {self.server.url} differ from those of transformers ({error}); start it as "
                f"`{self._command(facts.rank)}`, or use another engine"
            ) from None

    def _validate(self, canaries: Sequence[Canary]) -> None:
        """Send the canaries' prompts. Raises LoraNotServed if a response differs from its canary."""
        for canary in canaries:
            # The API cannot be forced to a given answer: both are compared up to the first token that differs.
            completion = self._complete(
                canary.question,
                [canary.clip],
                max_tokens=len(canary.answer),
                temperature=0.0,
                logprobs=True,
                logprob_token_ids=sorted(set(canary.answer)),
                return_tokens_as_token_ids=True,
            )
            if isinstance(completion, Refused):
                raise LoraNotServed(completion.reason)
            likely = completion.log_probabilities(canary.answer)
            exact = exact_arithmetic(self.spec)
            if difference := canary.compare(self._prompt(completion), completion.tokens, likely, exact=exact):
                raise LoraNotServed(difference)

    def _unload(self) -> None:
        """Remove the LoRA of this process from the server. A server that is gone has none."""
        name, self._loaded = self._loaded, ""
        if name:
            with suppress(UserError, LoraNotServed):
                self.server.unload(name)

    def _command(self, rank: int | None = None) -> str:
        """The command of a server that can answer: it trusts requests about the times of frames."""
        return (
            f"VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve {model_path(self.spec.name)} "
            f"--host 127.0.0.1 --dtype {dtype_name(self.spec)} --trust-request-mm-kwargs --enable-lora "
            f"--max-lora-rank {max_lora_rank(rank or self.rank)}"
        )

    def restart(self) -> None:
        """Nothing to do: the server is another program's."""

    def release(self) -> None:
        """Look for the server and the LoRA again at the next `use`."""
        self._used = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._unload()
        self.server.close()
