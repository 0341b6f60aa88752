"""An engine that answers with another LoRA than it is given, as its canaries show."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

import videostar.executors.engine
from videostar.config import Pipeline
from videostar.engines.base import WrongLora
from videostar.engines.transformers import TransformersEngine
from videostar.executors.data import SavedData
from videostar.models.canary import _log_probabilities, read_canaries
from videostar.models.chat import Turn
from videostar.util.terminal import warn


class StaleEngine(TransformersEngine):
    """It serves the LoRA `old`: once, by whichever process makes the folder `once`, or always."""

    def __init__(self, settings: Pipeline, old: Path, once: Path | None) -> None:
        super().__init__(settings)
        self._old, self._once = old, once
        warn("a stale engine answers")

    def use(self, lora: Path | None) -> None:
        """Load a LoRA, and validate it with its canaries."""
        super().use(self._served(lora) if lora else None)
        for canary in read_canaries(lora) if lora else []:
            turn, answer = Turn(canary.question, [canary.clip]), canary.answer
            prompt = self.chat.prompts([turn])["input_ids"][0].tolist()
            with torch.inference_mode():
                likely = _log_probabilities(self.model, self.chat.continued(turn, answer), answer)
            if difference := canary.compare(prompt, answer, likely, exact=True):
                raise WrongLora(f"{lora}: {difference}")

    def _served(self, lora: Path) -> Path:
        if self._once is None:
            return self._old
        with suppress(FileExistsError):
            self._once.mkdir()
            return self._old
        return lora


def reopen(data: Callable[[], SavedData], old: Path, once: Path | None) -> SavedData:
    """The data; this process's engine is such a one from now on."""

    def open_engine(settings: Pipeline, videos: int = 1) -> Any:
        return StaleEngine(settings, old, once)

    videostar.executors.engine.open_engine = open_engine
    return data()


class StaleData:
    """The data of a run, for processes whose engines are stale."""

    def __init__(self, data: Any, old: Path, once: Path | None) -> None:
        self._data, self._stale = data, (old, once)

    def save(self, folder: Path) -> Callable[[], SavedData]:
        """What opens them in such a process."""
        return partial(reopen, self._data.save(folder), *self._stale)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)
