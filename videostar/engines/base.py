"""What the cycle needs of an engine, and what is asked and answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from videostar.video.clip import Clip


@dataclass(frozen=True)
class Request:
    """A question about a clip, to be answered once for each seed; without any, once and greedily."""

    question: str
    clip: Clip
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Refused:
    """Why a request cannot be answered, when it is the request's own fault."""

    reason: str


#: The answers to a request, one for each of its seeds, or the greedy one.
Reply = list[str] | Refused


class EngineDied(Exception):
    """The engine's process is gone: `restart` it and ask again."""


class EngineProtocol(Protocol):
    """What the cycle needs of an engine. It takes memory from the first `use` to `rest` or the end of its block."""

    #: As settings call it: what answers, where settings name an engine that does not serve the model.
    name: str

    #: Windows of requests that it wants at once, from as many threads, so that it never waits for the next.
    windows: int

    def use(self, adapter: Path | None) -> None:
        """From now on answer with the LoRA `adapter` (None: the base alone). Raises UserError when it cannot.

        Loads nothing where those weights, by their digest, answer already.
        """
        ...

    def answer(self, requests: Iterable[Request]) -> list[Reply]:
        """One reply a request, in order; requests may come one by one, as clips are read. Raises EngineDied."""
        ...

    def restart(self) -> None:
        """Start anew, with the same adapter, what has died."""
        ...

    def rest(self) -> None:
        """Give memory back that training needs."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def rested(engine: EngineProtocol, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What comes of `work`, for which the engine gives its memory up."""
    engine.rest()
    return work()
