"""Answers a second of evidence against those of the engine, on one machine: `python benchmarks/evidence_rate.py RUN`.

For a run of the demo with frames in its cache, the base model answers the first direct questions of round 1. Then the
embedded CoCa scores these answers (first: no video was encoded before; again: all were), and every answer of all rounds
in order (run: each video is encoded once). This is done several times in turn; each time, frames are read from disk.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from videostar.config import Video
from videostar.demo.report import world_root
from videostar.engines import open_engine
from videostar.engines.base import EngineProtocol, Request
from videostar.evidence.description import description
from videostar.evidence.encodings import Encodings
from videostar.evidence.load import load_evidence
from videostar.evidence.scorer import Described, Scorer
from videostar.labels import parse_label
from videostar.runs.manifest import read_manifest
from videostar.runs.stage_names import RoundFiles
from videostar.stages.ledger import Answer, read_answers
from videostar.video.clip import Clip

_WINDOW = 64  # answers that are sent and scored together


def main() -> None:
    """Print a table of the rates and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--answers", type=int, default=192)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()

    settings = read_manifest(args.run / "manifest.json").settings
    root, cache = world_root(settings), settings.cache.frames()
    model = load_evidence("embedded", torch.device("cpu"))
    for_evidence = settings.video.model_copy(update={"max_pixels": model.max_pixels})

    def clips(answers: Sequence[Answer], video: Video) -> list[Clip]:
        return [cache.clip(root / one.video, one.video_sha256, video.sampling()) for one in answers]

    def ask(engine: EngineProtocol) -> None:
        for some in _windows(first):
            asked = zip(some, clips(some, settings.video), strict=True)
            engine.answer([Request(one.prompt, [clip]) for one, clip in asked])

    def score(answers: Sequence[Answer], encodings: Encodings) -> None:
        scorer = Scorer(model, clips(first[:16], for_evidence), encodings)
        for some in _windows(answers):
            shown = zip(some, clips(some, for_evidence), strict=True)
            scorer.scores([Described(clip, said) for one, clip in shown if (said := _said(one))])

    rounds = [list(read_answers(RoundFiles(args.run, number).answers)) for number in range(1, settings.rounds + 1)]
    every = [one for answers in rounds for one in answers if one.kind in ("direct", "rationalised")]
    first = [one for one in every if one.kind == "direct"][: args.answers]
    rates: dict[str, list[float]] = {"answering": [], "evidence, first": [], "again": [], "run": []}
    with open_engine(settings, len(first)) as engine:
        engine.use(None)
        for number in range(args.repeats + 1):  # the first is a warm-up
            seen, fresh = Encodings(), Encodings()
            for name, count, do in (
                ("answering", len(first), partial(ask, engine)),
                ("evidence, first", len(first), partial(score, first, seen)),
                ("again", len(first), partial(score, first, seen)),
                ("run", len(every), partial(score, every, fresh)),
            ):
                started = time.perf_counter()
                do()
                if number:
                    rates[name].append(count / (time.perf_counter() - started))
    table = Table("what", "answers a second", "times answering")
    for name, values in rates.items():
        ratios = [value / one for value, one in zip(values, rates["answering"], strict=True)]
        table.add_row(name, _spread(values, ".0f"), _spread(ratios, ".1f"))
    Console(width=100).print(table)


def _windows(answers: Sequence[Answer]) -> list[Sequence[Answer]]:
    return [answers[start : start + _WINDOW] for start in range(0, len(answers), _WINDOW)]


def _said(answer: Answer) -> str:
    return description(answer.text, parse_label({"kind": "action", "name": answer.label, "among": [answer.label]}))


def _spread(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
