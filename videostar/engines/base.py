"""The protocol of an engine: requests in, replies out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from videostar.models.response import Response
from videostar.util.errors import UserError

if TYPE_CHECKING:
    from videostar.video.clip import Clip


@dataclass(frozen=True)
class Request:
    """A question about one or more clips, to be answered once for each seed; without seeds once and greedily."""

    question: str
    clips: Sequence[Clip]
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Refused:
    """The reason why a request cannot be answered, if the fault is the request's own."""

    reason: str


#: The answers to a request, one for each of its seeds, or the greedy one.
Reply = list[Response] | Refused


class EngineDied(Exception):
    """The engine's process has ended: call `restart` and send the requests again."""


class LoraNotServed(Exception):
    """The engine does not answer with the LoRA that it was given. The message is the reason."""


class WrongLora(UserError):
    """The canaries show that the engine answers with another LoRA, whatever it tried. A new engine may not."""


class EngineProtocol(Protocol):
    """What the stages need of an engine. It holds memory from the first `use` to `release` or the end of its block."""

    #: The engine that answers: another one than in the settings where that one does not serve the model.
    name: str

    #: Windows of requests to send at once, from as many threads, so that the engine never waits for the next.
    windows: int

    def use(self, lora: Path | None) -> None:
        """Answer with this LoRA from now on (None: with the base model alone).

        Loads nothing if those weights, by their digest, are in use already. Raises UserError if it cannot, and
        WrongLora if another LoRA answers then.
        """
        ...

    def answer(self, requests: Iterable[Request]) -> list[Reply]:
        """One reply per request, in order. Requests may arrive one by one, as clips are read. Raises EngineDied."""
        ...

    def ask_base(self, prompts: Sequence[str], max_new_tokens: int) -> list[str | Refused]:
        """The base model's greedy reply to each prompt, without the LoRA and without a video. Raises EngineDied."""
        ...

    def restart(self) -> None:
        """Start an engine that has died again, with the same LoRA."""
        ...

    def release(self) -> None:
        """Free the memory that training needs."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
