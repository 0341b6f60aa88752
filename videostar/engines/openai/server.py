"""How vLLM's server is talked to: what goes out, what comes back, and what is said when nothing does.

Other servers of OpenAI's API take no frames with times, and say no tokens.
"""

from __future__ import annotations

import math
import os
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, TypeVar

import openai
from PIL import Image
from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

from videostar.engines.base import Refused
from videostar.models.chat import metadata
from videostar.util.errors import UserError
from videostar.video.clip import Clip

_RETRIES = 5  # of a request, half a second to eight apart, while the server is gone or busy
_TIMEOUT = openai.Timeout(900, connect=10)  # seconds; an answer may wait for many others
# The answer is to depend on nothing that the server was started with.
_PLAIN = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "return_token_ids": True}


class Card(BaseModel):
    """A model that the server lists."""

    id: str
    root: str | None = None  # the folder or hub id behind it
    parent: str | None = None  # the base, if it is an adapter
    max_model_len: int | None = None


class _Cards(BaseModel):
    data: list[Card]


class _Likely(BaseModel):
    token: str
    logprob: float


class _Step(BaseModel):
    top_logprobs: list[_Likely]


class _Steps(BaseModel):
    content: list[_Step]


class _Choice(BaseModel):
    token_ids: list[NonNegativeInt]
    logprobs: _Steps | None = None


class Said(BaseModel):
    """An answer, in the tokens that vLLM adds to OpenAI's form."""

    prompt_token_ids: list[NonNegativeInt]
    choices: Annotated[list[_Choice], Field(min_length=1)]

    @property
    def tokens(self) -> list[int]:
        """The answer's."""
        return self.choices[0].token_ids

    def likely(self, answer: Sequence[int]) -> list[float]:
        """Log-probabilities of `answer`, up to the first token where something else was said."""
        steps = self.choices[0].logprobs
        likely = []
        for wanted, said, step in zip(answer, self.tokens, steps.content if steps else (), strict=False):
            found = {item.token: item.logprob for item in step.top_logprobs}
            likely.append(found.get(f"token_id:{wanted}", -math.inf))
            if said != wanted:
                break
        return likely


_Form = TypeVar("_Form", bound=BaseModel)


class Server:
    """A client of the server at `url`, for any number of threads. Raises UserError when the server is gone."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = openai.OpenAI(
            base_url=url,
            api_key=os.environ.get("OPENAI_API_KEY") or "none",
            max_retries=_RETRIES,
            timeout=_TIMEOUT,
        )

    def models(self) -> list[Card]:
        """What is served, adapters too."""
        try:
            return self._parsed(_Cards, self._client.get("/models", cast_to=object)).data
        except openai.OpenAIError as error:
            raise self._lost(error) from None

    def ask(self, model: str, question: str, clip: Clip, **params: Any) -> Said | Refused:
        """The model's answer about a clip. The question holds no special tokens; `params` are vLLM's."""
        content = [{"type": "video_url", "video_url": {"url": _frames(clip)}}, {"type": "text", "text": question}]
        body = {
            "model": model,
            "messages": [{"role": "user", "content": content}],
            "media_io_kwargs": {"video": _about(clip)},
            **_PLAIN,
            **params,
        }
        try:
            return self._parsed(Said, self._client.post("/chat/completions", cast_to=object, body=body))
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            return Refused(_words(error))
        except openai.OpenAIError as error:
            raise self._lost(error) from None

    def load(self, name: str, adapter: Path) -> str:
        """Have a LoRA adapter served under that name; why it is not, or empty."""
        return self._adapter("/load_lora_adapter", {"lora_name": name, "lora_path": str(adapter.resolve())})

    def unload(self, name: str) -> str:
        """Have an adapter served no more; why it still is, or empty."""
        return self._adapter("/unload_lora_adapter", {"lora_name": name})

    def _adapter(self, path: str, body: dict[str, str]) -> str:
        try:
            # Asked once: vLLM answers 500, which the client would try again, for whatever is wrong with an adapter.
            self._client.with_options(max_retries=0).post(path, cast_to=object, body=body)
        except openai.APIStatusError as error:
            return _words(error)
        except openai.OpenAIError as error:
            raise self._lost(error) from None
        return ""

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _parsed(self, form: type[_Form], data: object) -> _Form:
        try:
            return form.model_validate(data)
        except ValidationError as error:
            what = ".".join(map(str, error.errors()[0]["loc"])) or "JSON"
            raise UserError(
                f"{self.url}: does not answer as vLLM's server does (no {what}); base_url is its address with /v1"
            ) from None

    def _lost(self, error: openai.OpenAIError) -> UserError:
        fix = "see that it runs, and that base_url is its address with /v1"
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            fix = "put its key into the environment variable OPENAI_API_KEY"
        return UserError(f"{self.url}: {_words(error)}; {fix}; the same command then goes on where it stopped")


def _frames(clip: Clip) -> str:
    """The frames, each a picture. vLLM calls the form JPEG and reads any: PNG loses nothing."""
    pictures = []
    for frame in clip.frames:
        file = BytesIO()
        Image.fromarray(frame).save(file, "PNG", compress_level=1)
        pictures.append(b64encode(file.getvalue()).decode())
    return "data:video/jpeg;base64," + ",".join(pictures)


def _about(clip: Clip) -> dict[str, Any]:
    """What the server is to know of the frames: when they are shown, and that it is to take them all."""
    known = metadata(clip)
    count = len(clip.frames)
    return {
        "num_frames": count,
        "fps": known.fps,
        "frames_indices": known.frames_indices,
        "total_num_frames": max(count, known.total_num_frames),  # a short film may show a picture more than once
        "duration": known.duration,
        "do_sample_frames": False,
    }


def _words(error: openai.OpenAIError) -> str:
    """What an error says, in one line that is not too long."""
    body = getattr(error, "body", None)
    text = body.get("message") if isinstance(body, dict) else None
    if text is None and isinstance(error, openai.APIConnectionError) and error.__cause__:
        text = f"{error.message.rstrip('.')} ({error.__cause__})"
    return " ".join(str(text or error).split())[:300]
