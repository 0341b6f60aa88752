"""Count true answers about the world's clips, for the demo's reports. The cycle never uses this module."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from videostar.config import Pipeline
from videostar.demo.language import DESCRIBE_QUESTIONS, read
from videostar.engines import open_engine
from videostar.engines.base import Refused, Request
from videostar.util.files import digest
from videostar.video.clip import Clip


@dataclass(frozen=True)
class Truth:
    """The content of a clip."""

    colour: str
    shape: str
    path: tuple[str, ...]


@dataclass
class Score:
    """Counts of true answers: of `n` answers, those with the right colour, shape, path, and all three."""

    n: int = 0
    colour: int = 0
    shape: int = 0
    path: int = 0
    all: int = 0

    def add(self, answer: str, truth: Truth) -> None:
        """Count one answer."""
        description = read(answer)
        right = description.colour == truth.colour, description.shape == truth.shape, description.path == truth.path
        self.n += 1
        self.colour += right[0]
        self.shape += right[1]
        self.path += right[2]
        self.all += all(right)

    def shares(self) -> list[str]:
        """Colour, shape, path and all of them, as percentages."""
        return [f"{part / self.n:.1%}" if self.n else "-" for part in (self.colour, self.shape, self.path, self.all)]


def load_truth(root: Path) -> dict[str, Truth]:
    """The content of every clip of the world in the folder `root`, by path below `root`."""
    lines = [line for part in (root / "truth").glob("*.jsonl") for line in part.read_text().splitlines()]
    return {row["video"]: Truth(row["colour"], row["shape"], tuple(row["path"])) for row in map(json.loads, lines)}


def score(answers: Iterable[tuple[str, str]], truth: dict[str, Truth]) -> Score:
    """The score of (video, answer) pairs."""
    total = Score()
    for video, answer in answers:
        total.add(answer, truth[video])
    return total


def answer(settings: Pipeline, lora: Path | None, root: Path, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Answers to (video, question) pairs, with videos below `root`."""
    cache = settings.cache.frames()
    sampling = settings.video.sampling()

    def load(video: str) -> Clip:
        path = root / video
        return cache.clip(path, digest(path), sampling)

    with ThreadPoolExecutor() as pool:
        clips = list(pool.map(load, [video for video, _ in pairs]))
    with open_engine(settings) as engine:
        engine.use(lora)
        replies = engine.answer([Request(question, [clip]) for (_, question), clip in zip(pairs, clips, strict=True)])
    return [reply.reason if isinstance(reply, Refused) else reply[0].text for reply in replies]


def free_descriptions(settings: Pipeline, lora: Path | None, root: Path, videos: Sequence[str]) -> Score:
    """The score of the model's answers to `DESCRIBE_QUESTIONS` about `videos`."""
    pairs = [(video, DESCRIBE_QUESTIONS[i % len(DESCRIBE_QUESTIONS)]) for i, video in enumerate(videos)]
    answers = answer(settings, lora, root, pairs)
    return score(zip(videos, answers, strict=True), load_truth(root))
