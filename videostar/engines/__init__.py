"""Engines answer questions about clips. Torch and vLLM are loaded only when an engine is opened."""

from __future__ import annotations

from videostar.config import Pipeline
from videostar.engines.base import EngineProtocol
from videostar.util.terminal import warn


def engine_name(settings: Pipeline) -> str:
    """The engine that `settings.engine` names; transformers if that one does not serve the model."""
    if settings.engine.name != "vllm":
        return settings.engine.name
    from videostar.models.families import family
    from videostar.models.load import load_config

    return "vllm" if family(load_config(settings.spec)).vllm else "transformers"


def open_engine(settings: Pipeline, videos: int = 1) -> EngineProtocol:
    """The engine that `settings.engine` names; transformers, with a warning, if that one does not serve the model.

    Questions have at most so many `videos`.

    Raises UserError if a package that the engine needs is not installed.
    """
    name = engine_name(settings)
    if name == "openai":
        from videostar.engines.openai.engine import OpenaiEngine

        return OpenaiEngine(settings)
    if name == "vllm":
        from videostar.engines.vllm.engine import VllmEngine

        return VllmEngine(settings, videos)
    if settings.engine.name == "vllm":
        from videostar.models.load import load_config

        kind = load_config(settings.spec).model_type
        warn(f"engine vllm: does not serve {kind} models yet: transformers answers instead")
    from videostar.engines.transformers import TransformersEngine

    return TransformersEngine(settings)
