"""Engines answer questions about clips. Torch and vLLM are loaded only when an engine is opened."""

from __future__ import annotations

from videostar.config import Pipeline
from videostar.engines.base import EngineProtocol
from videostar.util.terminal import warn


def open_engine(settings: Pipeline, videos: int = 1) -> EngineProtocol:
    """The engine that `settings.engine` names; transformers, with a warning, if that one does not serve the model.

    Questions have at most so many `videos`.

    Raises UserError if a package that the engine needs is not installed.
    """
    if settings.engine.name == "openai":
        from videostar.engines.openai.engine import OpenaiEngine

        return OpenaiEngine(settings)
    if settings.engine.name == "vllm":
        from videostar.models.families import family
        from videostar.models.load import load_config

        config = load_config(settings.spec)
        if family(config).vllm:
            from videostar.engines.vllm.engine import VllmEngine

            return VllmEngine(settings, videos)
        warn(f"engine vllm: does not serve {config.model_type} models yet: transformers answers instead")
    from videostar.engines.transformers import TransformersEngine

    return TransformersEngine(settings)
