"""How many engines the local executor has."""

from __future__ import annotations

import os

from videostar.config import Pipeline
from videostar.engines import engine_name
from videostar.util.errors import UserError
from videostar.util.terminal import warn


def engine_count(settings: Pipeline) -> int:
    """`engine.count`; `auto` is as many engines as there are GPUs for, and one if there are none."""
    if settings.engine.count != "auto":
        return settings.engine.count
    if settings.engine.name == "openai":
        return 1
    return max(1, len(visible_gpus(settings)) // gpus_per_engine(settings))


def visible_gpus(settings: Pipeline) -> list[str]:
    """The GPUs on which engines may compute, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    from videostar.models.load import device

    if device(settings.spec).type != "cuda":
        return []
    count, named = torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


def gpus_per_engine(settings: Pipeline) -> int:
    """One, unless `engine.options` has vLLM share a model among several."""
    if engine_name(settings) != "vllm":
        return 1
    options = settings.engine.options
    return int(options.get("tensor_parallel_size", 1)) * int(options.get("pipeline_parallel_size", 1))


def check_count(settings: Pipeline) -> None:
    """Raises UserError if there are more engines than GPUs; warns if more than cores, and of an unused count."""
    if settings.executor.name != "local":
        if settings.engine.count != "auto":
            warn("engine.count: has an effect with executor local only; with ray executor.engines decides")
        return
    count = engine_count(settings)
    if count == 1:
        return
    if settings.engine.name == "openai":
        raise UserError(
            f"engine.count: {count}, but with engine openai one server answers: remove it, and start the server on "
            "more GPUs (vllm serve --data-parallel-size)"
        )
    from videostar.models.load import device

    where = device(settings.spec).type
    cores = len(os.sched_getaffinity(0))
    if where == "cpu":
        if count > cores:
            warn(f"engine.count: {count} engines share {cores} cores")
        return
    needed, found = count * gpus_per_engine(settings), len(visible_gpus(settings)) if where == "cuda" else 1
    if needed > found:
        raise UserError(
            f"engine.count: {count} engines take {needed} GPUs, and this machine has {found}; lower it, or write auto"
        )
