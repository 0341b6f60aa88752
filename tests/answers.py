"""What the tests of engines share: questions about clips, and who says what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data_sets import load, questions_of

from videostar.config import Pipeline
from videostar.engines.base import EngineProtocol, Reply, Request
from videostar.pipeline_files import load_pipeline
from videostar.video.sampling import Sampling


def served_at(url: str) -> Pipeline:
    """The demo, answered by the server at `url`."""
    return load_pipeline("demo", engine={"name": "openai", "base_url": url}, mix=None)


def questions_about(world: Path) -> list[Request]:
    """A direct and a hinted question about each of 16 clips."""
    data = load(world, 16)
    cache = load_pipeline("demo").cache.frames()
    asked = []
    for item in questions_of(data).split("train"):
        clip = cache.clip(data.root / item.sample.video, item.sample.sha256, Sampling(8, 4096))
        asked += [Request(item.text, [clip]), Request(item.hinted, [clip])]
    return asked


def confidences(replies: Sequence[Reply]) -> list[float]:
    """Those of all answers, each of which has one."""
    found = [one.confidence for reply in replies if isinstance(reply, list) for one in reply]
    assert None not in found
    return [one for one in found if one is not None]


def said(engine: EngineProtocol, lora: Path | None, requests: Sequence[Request]) -> list[Reply]:
    engine.use(lora)
    return engine.answer(requests)
