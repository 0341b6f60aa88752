"""Engines answer questions about clips. Torch is loaded only when one is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from videostar.config import Pipeline

if TYPE_CHECKING:
    from videostar.video.clip import Clip


@dataclass(frozen=True)
class Request:
    """A question about a clip."""

    question: str
    clip: Clip


class EngineProtocol(Protocol):
    """What the cycle needs of an engine."""

    def answer(self, requests: Sequence[Request]) -> list[str]:
        """One answer a request, in order; the same requests give the same answers."""
        ...


def open_engine(settings: Pipeline, adapter: Path | None) -> EngineProtocol:
    """The engine that `settings.engine` names, with the model and a LoRA `adapter` (None: the base alone)."""
    from videostar.engines.transformers import TransformersEngine

    return TransformersEngine(settings, adapter)
