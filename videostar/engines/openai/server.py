"""A client of vLLM's server: requests, their responses, and errors in plain words.

Other servers with OpenAI's API take no frames with times and return no token ids: they can reply to texts only.
"""

from __future__ import annotations

import math
import os
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, TypeVar

import openai
from PIL import Image
from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

from videostar.engines.base import LoraNotServed, Refused
from videostar.models.chat import metadata
from videostar.util.errors import UserError
from videostar.video.clip import Clip

_RETRIES = 5  # of a request, 0.5 to 8 seconds apart, while the server is gone or busy
_AT_ONCE = 64  # texts that are sent at once
_TIMEOUT = openai.Timeout(900, connect=10)  # seconds; an answer may queue behind many others
# Set in every request, so that answers do not depend on the options that the server was started with.
_SAMPLING = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "return_token_ids": True}


class Card(BaseModel):
    """A model that the server lists."""

    id: str
    root: str | None = None  # the folder or hub id behind it
    parent: str | None = None  # the base, if it is a LoRA
    max_model_len: int | None = None


class _Cards(BaseModel):
    data: list[Card]


class _Likely(BaseModel):
    token: str
    logprob: float


class _Step(BaseModel):
    logprob: float
    top_logprobs: list[_Likely] = []


class _Steps(BaseModel):
    content: list[_Step] | None = None


class _Message(BaseModel):
    content: str | None = None


class _Said(BaseModel):
    message: _Message


class _Text(BaseModel):
    choices: Annotated[list[_Said], Field(min_length=1)]


class _Choice(BaseModel):
    token_ids: list[NonNegativeInt]
    logprobs: _Steps | None = None


class Completion(BaseModel):
    """A response, with the token ids that vLLM adds to OpenAI's format."""

    prompt_token_ids: list[NonNegativeInt]
    choices: Annotated[list[_Choice], Field(min_length=1)]

    @property
    def tokens(self) -> list[int]:
        """Token ids of the answer."""
        return self.choices[0].token_ids

    def log_probability(self, tokens: int) -> float | None:
        """That of the first `tokens` tokens of the answer; None if the server does not give it."""
        steps = self._steps[:tokens]
        return sum(step.logprob for step in steps) if steps else None

    @property
    def _steps(self) -> list[_Step]:
        known = self.choices[0].logprobs
        return (known and known.content) or []

    def log_probabilities(self, answer: Sequence[int]) -> list[float]:
        """Log-probabilities of `answer`, up to the first token at which this completion differs from it."""
        likely = []
        for wanted, token, step in zip(answer, self.tokens, self._steps, strict=False):
            found = {item.token: item.logprob for item in step.top_logprobs}
            likely.append(found.get(f"token_id:{wanted}", -math.inf))
            if token != wanted:
                break
        return likely


_Form = TypeVar("_Form", bound=BaseModel)


class Server:
    """A client of the server at `url`, for any number of threads. Its methods raise UserError if the server is gone."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = openai.OpenAI(
            base_url=url,
            api_key=os.environ.get("OPENAI_API_KEY") or "none",
            max_retries=_RETRIES,
            timeout=_TIMEOUT,
        )

    def models(self) -> list[Card]:
        """The models and LoRAs that are served."""
        try:
            return self._parsed(_Cards, self._client.get("/models", cast_to=object)).data
        except openai.OpenAIError as error:
            raise self._lost(error) from None

    def complete(self, model: str, question: str, clip: Clip, **params: Any) -> Completion | Refused:
        """The model's answer about a clip. The question has no special tokens; `params` are vLLM's."""
        content = [{"type": "video_url", "video_url": {"url": _frames(clip)}}, {"type": "text", "text": question}]
        body = {
            "model": model,
            "messages": [{"role": "user", "content": content}],
            "media_io_kwargs": {"video": _about(clip)},
            **_SAMPLING,
            **params,
        }
        try:
            return self._parsed(Completion, self._client.post("/chat/completions", cast_to=object, body=body))
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            return Refused(_message(error))
        except openai.OpenAIError as error:
            raise self._lost(error) from None

    def replies(self, model: str, prompts: Sequence[str], max_new_tokens: int) -> list[str | Refused]:
        """The model's greedy replies to texts, in order. Any server with OpenAI's API has what this needs."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="openai") as pool:
            pending = [pool.submit(self._reply, model, prompt, max_new_tokens) for prompt in prompts]
            try:
                return [future.result() for future in pending]
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # if one has failed, the others would fail too

    def _reply(self, model: str, prompt: str, max_new_tokens: int) -> str | Refused:
        body = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_new_tokens,
            "temperature": 0.0,
        }
        try:
            data = self._client.post("/chat/completions", cast_to=object, body=body)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            return Refused(_message(error))
        except openai.OpenAIError as error:
            raise self._lost(error) from None
        return self._parsed(_Text, data, like="OpenAI's API").choices[0].message.content or ""

    def load(self, name: str, lora: Path) -> None:
        """Serve a LoRA under that name. Raises LoraNotServed if the server refuses."""
        self._post("/load_lora_adapter", {"lora_name": name, "lora_path": str(lora.resolve())})

    def unload(self, name: str) -> None:
        """Stop serving a LoRA. Raises LoraNotServed if the server refuses."""
        self._post("/unload_lora_adapter", {"lora_name": name})

    def _post(self, path: str, body: dict[str, str]) -> None:
        try:
            # Without retries: vLLM answers 500 for any fault of a LoRA, and the client would retry that.
            self._client.with_options(max_retries=0).post(path, cast_to=object, body=body)
        except openai.APIStatusError as error:
            raise LoraNotServed(_message(error)) from None
        except openai.OpenAIError as error:
            raise self._lost(error) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _parsed(self, form: type[_Form], data: object, like: str = "vLLM's server") -> _Form:
        try:
            return form.model_validate(data)
        except ValidationError as error:
            what = ".".join(map(str, error.errors()[0]["loc"])) or "JSON"
            raise UserError(
                f"{self.url}: does not answer like {like} (no {what}); base_url is its address with /v1"
            ) from None

    def _lost(self, error: openai.OpenAIError) -> UserError:
        fix = "check that it runs, and that base_url is its address with /v1"
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            fix = "put its key into the environment variable OPENAI_API_KEY"
        return UserError(f"{self.url}: {_message(error)}; {fix}; the same command then goes on where it stopped")


def _frames(clip: Clip) -> str:
    """The frames as pictures in a data URL. vLLM calls the format JPEG and reads any: PNG loses nothing."""
    pictures = []
    for frame in clip.frames:
        file = BytesIO()
        Image.fromarray(frame).save(file, "PNG", compress_level=1)
        pictures.append(b64encode(file.getvalue()).decode())
    return "data:video/jpeg;base64," + ",".join(pictures)


def _about(clip: Clip) -> dict[str, Any]:
    """The times of the frames, and that the server uses all of them."""
    known = metadata(clip)
    count = len(clip.frames)
    return {
        "num_frames": count,
        "fps": known.fps,
        "frames_indices": known.frames_indices,
        "total_num_frames": max(count, known.total_num_frames),  # of a short video a frame may be sampled twice
        "duration": known.duration,
        "do_sample_frames": False,
    }


def _message(error: openai.OpenAIError) -> str:
    """An error's message in one line of at most 300 characters."""
    body = getattr(error, "body", None)
    text = body.get("message") if isinstance(body, dict) else None
    if text is None and isinstance(error, openai.APIConnectionError) and error.__cause__:
        text = f"{error.message.rstrip('.')} ({error.__cause__})"
    return " ".join(str(text or error).split())[:300]
