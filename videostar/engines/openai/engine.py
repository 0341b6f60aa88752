"""vLLM's server (`vllm serve`), which runs already, through the API that it shares with OpenAI.

That it makes the same tokens of a video as training does is seen by a clip of black frames before anything is asked;
that it serves an adapter, which it is given under its digest, by the adapter's canaries (`videostar/models/lora.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, Self

from videostar.config import Pipeline
from videostar.engines.base import Refused, Reply, Request
from videostar.engines.openai.server import Card, Said, Server
from videostar.engines.vllm.options import max_lora_rank, normalised_alike
from videostar.models.canary import alike, canaries_of
from videostar.models.chat import Chat, Turn
from videostar.models.families import as_processed
from videostar.models.load import dtype_name, load_config, load_processor
from videostar.models.lora import Canary, read_facts
from videostar.models.sizes import largest_clip
from videostar.util.errors import UserError
from videostar.util.files import digest
from videostar.util.resources import model_path
from videostar.util.terminal import warn
from videostar.video.clip import Clip

_AT_ONCE = 64  # requests under way: enough to fill a server's batches


class OpenaiEngine:
    """The server at `engine.base_url`. Frames go in without loss, with the times at which they are shown."""

    name = "openai"
    windows = 3  # one is answered, one rationalised, one waits: the server never runs dry

    def __init__(self, settings: Pipeline) -> None:
        self.settings = settings
        self.chat = Chat(load_processor(settings))
        self.server = Server(str(settings.engine.base_url))
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="openai")
        self._model = ""  # the name that answers
        self._loaded = ""  # the adapter that the server has from here
        self._used: str | None = None  # the digest of the adapter that answers; empty: the base
        if not normalised_alike(settings):
            warn(
                f"model {settings.model!r} scales videos otherwise than images: vllm serve --no-mm-device-do-normalize"
            )

    def use(self, adapter: Path | None) -> None:
        """Find the base on the server, load the adapter into it, and see that it is the one that answers.

        Once, until `rest`: then much time may pass, in which a server is started again.
        """
        wanted = digest(adapter) if adapter is not None else ""
        if self._used == wanted:
            return
        self._used = None
        self._unload()
        served = self.server.models()
        base = self._base([card for card in served if card.parent is None])
        self._model = base.id
        self._check_video(base)
        if adapter is not None:
            self._load(adapter, [card.id for card in served])
        self._used = wanted

    def answer(self, requests: Iterable[Request]) -> list[Reply]:
        """Replies, once all are there. Any number of threads may ask at once. Raises UserError: the server is gone."""
        options = self.settings.generation
        asked = [
            [
                self._pool.submit(
                    self._ask,
                    request.question,
                    request.clip,
                    max_tokens=options.max_new_tokens,
                    temperature=0.0 if seed is None else options.temperature,
                    seed=seed,
                )
                for seed in request.seeds or (None,)
            ]
            for request in requests
        ]
        try:
            return [self._reply([future.result() for future in tries]) for tries in asked]
        finally:
            for future in (future for tries in asked for future in tries):
                future.cancel()  # where one has failed, the others would only find out the same

    def _reply(self, tries: Sequence[Said | Refused]) -> Reply:
        most, rows = self.settings.generation.max_new_tokens, []
        for said in tries:
            if isinstance(said, Refused):
                return said
            rows.append(said.tokens[:most])
        # Decoded here, by the tokenizer that training uses, so that all engines give the same text.
        return self.chat.answers(rows, most)

    def _ask(self, question: str, clip: Clip, **params: Any) -> Said | Refused:
        return self.server.ask(self._model, self.chat.plain(question), clip, **params)

    def _prompt(self, said: Said) -> list[int]:
        return as_processed(said.prompt_token_ids, self.chat.processor, load_config(self.settings))

    def _base(self, served: Sequence[Card]) -> Card:
        """The card of `settings.model`, whatever name it is served by and wherever its weights lie."""
        wanted = PurePath(model_path(self.settings.model)).name
        for card in served:
            if wanted in (PurePath(card.id).name, PurePath(card.root or "").name):
                return card
        names = [card.id for card in served]
        near = difflib.get_close_matches(self.settings.model, names, n=1, cutoff=0.0)
        raise UserError(
            f"{self.server.url}: serves {', '.join(names) or 'nothing'}, not model {self.settings.model!r}; "
            f"{f'give model: {near[0]}, or ' if near else ''}start it as `{self._command()}`"
        )

    def _check_video(self, base: Card) -> None:
        """Raises UserError when the server makes other tokens of a video than training does, or lacks room for them."""
        turn = Turn("What is shown?", clip := largest_clip(self.settings))
        expected = self.chat.prompts([turn])["input_ids"][0].tolist()
        needed = len(expected) + self.settings.generation.max_new_tokens
        if base.max_model_len is not None and base.max_model_len < needed:
            raise UserError(
                f"{self.server.url}: has room for {base.max_model_len} tokens, a video with its question and answer "
                f"takes {needed} or more; start it with a higher --max-model-len, or lower video.frames or max_pixels"
            )
        said = self._ask(turn.question, clip, max_tokens=1, temperature=0.0)
        if isinstance(said, Refused):
            raise UserError(f"{self.server.url}: takes no video ({said.reason}); start it as `{self._command()}`")
        if self._prompt(said) != expected:
            raise UserError(
                f"{self.server.url}: makes other tokens of a video than the processor of {self.settings.model!r} "
                f"({len(said.prompt_token_ids)}, not {len(expected)}); start it as `{self._command()}`"
            )

    def _load(self, adapter: Path, served: Sequence[str]) -> None:
        """Have the adapter answer. Raises UserError when another does, or none."""
        facts = read_facts(adapter)
        # Left by a run that was killed; what lies at its path may have changed since.
        wrong = self.server.unload(facts.digest) if facts.digest in served else ""
        wrong = wrong or self.server.load(facts.digest, adapter)
        if wrong:
            raise UserError(
                f"{adapter}: {self.server.url} does not load it ({wrong}); start the server where it sees this folder, "
                f"as `{self._command(facts.rank)}`"
            )
        self._model = self._loaded = facts.digest
        wrong = self._listen(canaries_of(adapter, self.settings, self.chat))
        if wrong:
            raise UserError(
                f"{adapter}: {self.server.url} answers otherwise than transformers does ({wrong}); start it as "
                f"`{self._command(facts.rank)}`, or use another engine"
            )

    def _listen(self, canaries: Sequence[Canary]) -> str:
        """What is wrong with the answers to the canaries; empty if nothing is."""
        for canary in canaries:
            # The API cannot be made to say the canary's words: they are compared up to the first that is another.
            said = self._ask(
                canary.question,
                canary.clip,
                max_tokens=len(canary.answer),
                temperature=0.0,
                logprobs=True,
                logprob_token_ids=sorted(set(canary.answer)),
                return_tokens_as_token_ids=True,
            )
            if isinstance(said, Refused):
                return said.reason
            wrong = canary.compare(
                self._prompt(said), said.tokens, said.likely(canary.answer), exact=alike(self.settings)
            )
            if wrong:
                return wrong
        return ""

    def _unload(self) -> None:
        """Leave no adapter behind; a server that is gone has none."""
        name, self._loaded = self._loaded, ""
        if name:
            with suppress(UserError):
                self.server.unload(name)

    def _command(self, rank: int | None = None) -> str:
        """What starts a server that can answer: one that trusts requests to say when frames are shown."""
        return (
            f"VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve {model_path(self.settings.model)} "
            f"--host 127.0.0.1 --dtype {dtype_name(self.settings)} --trust-request-mm-kwargs --enable-lora "
            f"--max-lora-rank {max_lora_rank(rank or self.settings.training.rank)}"
        )

    def restart(self) -> None:
        """The server is not ours to start."""

    def rest(self) -> None:
        """Nor to stop."""
        self._used = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._unload()
        self.server.close()
