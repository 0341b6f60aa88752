"""What the tests of engines share: questions about clips, adapters that change what is said, and who says what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from videostar.config import Pipeline, load_pipeline
from videostar.engines import EngineProtocol, Reply, Request
from videostar.video.clip import Clip


def served_at(url: str) -> Pipeline:
    """The demo, answered by the server at `url`."""
    return load_pipeline("demo", {"engine": {"name": "openai", "base_url": url}, "mix": None})


def questions_about(world: Path) -> list[Request]:
    """A direct and a hinted question about each of 16 clips."""
    from videostar.progress import silent
    from videostar.questions import Questions, load_tasks
    from videostar.samples import load_data
    from videostar.video.cache import FrameCache, default_cache_dir

    settings = load_pipeline("demo", {"data": str(world)})
    data = load_data(str(world), 16, silent)
    cache = FrameCache(default_cache_dir())
    asked = []
    for item in Questions(data, load_tasks(settings), 0).split("train"):
        clip = cache.clip(data.root / item.sample.video, item.sample.sha256, 8, 4096)
        asked += [Request(item.text, clip), Request(item.hinted, clip)]
    return asked


def make_adapter(settings: Pipeline, folder: Path, seed: int, clip: Clip, rank: int = 8) -> Path:
    """An adapter of random weights, large enough to change what is said, with its canaries."""
    import torch
    from peft import get_peft_model

    from videostar.chat import Chat
    from videostar.lora import write_canaries
    from videostar.models import load_model, load_processor
    from videostar.training import lora_config

    changed = settings.model_copy(
        update={"training": settings.training.model_copy(update={"rank": rank, "alpha": rank})}
    )
    model = get_peft_model(load_model(changed), lora_config(load_model(changed), changed))
    torch.manual_seed(seed)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.05)
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    write_canaries(folder, model, Chat(load_processor(settings)), [("What moves here, and how?", clip)])
    return folder


def said(engine: EngineProtocol, adapter: Path | None, requests: Sequence[Request]) -> list[Reply]:
    engine.use(adapter)
    return engine.answer(requests)
