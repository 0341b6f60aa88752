"""How well visual evidence tells true answers of the demo from false ones: `python benchmarks/evidence.py RUN...`.

For runs without evidence, such as `videostar cycle --seed 0 --out runs/demo0`, it scores every kept answer of every
round, sets the least evidence from the validation answers of the round before, as a run with evidence does, and counts
the answers that are true in colour, shape and path, before and after. Only these counts know the truth of the world.

Ways: coca (the embedded model: other clips by the contrastive score, foils by the likelihood of the caption), its
contrastive score alone, its caption likelihood alone, and --clip FOLDER, a CLIP of transformers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from videostar.demo.measure import Score, load_truth
from videostar.demo.report import world_root
from videostar.evidence.base import Encoded, EvidenceModel
from videostar.evidence.description import description
from videostar.evidence.encodings import Encodings
from videostar.evidence.foils import one_foil
from videostar.evidence.load import load_evidence
from videostar.evidence.open_clip import CoCaEvidence
from videostar.evidence.scorer import Described, Scorer
from videostar.labels import parse_label
from videostar.runs.manifest import read_manifest
from videostar.runs.stage_names import RoundFiles
from videostar.stages.ledger import Answer, read_answers
from videostar.stages.support import least_support
from videostar.video.clip import Clip

_OTHERS = 16


class Contrastive:
    """The contrastive score alone."""

    def __init__(self, model: EvidenceModel) -> None:
        self._model, self.max_pixels, self.device, self.encode = model, model.max_pixels, model.device, model.encode
        self.similarity = model.similarity

    def against(self, clips: Encoded, texts: Sequence[str], foils: Sequence[Sequence[str]]) -> list[Tensor]:
        """By the difference of similarities."""
        odds = []
        for row, (text, others) in enumerate(zip(texts, foils, strict=True)):
            scores = self.similarity(tuple(part[row : row + 1] for part in clips), [text, *others])[0]
            odds.append(scores[0] - scores[1:])
        return odds


class Caption:
    """The likelihood of the caption alone."""

    def __init__(self, model: CoCaEvidence) -> None:
        self._model, self.max_pixels, self.device = model, model.max_pixels, model.device
        self.encode, self.against = model.encode, model.against

    def similarity(self, clips: Encoded, texts: Sequence[str]) -> Tensor:
        """The log-likelihood of each text given each clip."""
        return torch.stack([self._model.log_likelihood(clips[1][row : row + 1], texts) for row in range(len(clips[1]))])


def main() -> None:
    """Print a table over the runs, and the throughput."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--model", default="embedded", help="the folder of another CoCa")
    parser.add_argument("--clip", type=Path, help="the folder of a CLIP of transformers")
    parser.add_argument("--keep", type=float, default=0.9)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    coca = load_evidence(args.model, torch.device("cpu"))
    ways: dict[str, Any] = {"coca": coca, "contrastive": Contrastive(coca), "caption": Caption(coca)}
    if args.clip:
        ways["clip"] = load_evidence(str(args.clip), torch.device("cpu"))
    found: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for way, model in ways.items():
        encodings = Encodings()
        for run in args.runs:
            for name, figures in _figures(run, model, encodings, args.keep):
                found[way, name].append(figures)
    table = Table(title=f"kept answers that are true in all three respects, keep {args.keep}")
    for column in (
        "way",
        "round and kind",
        "answers",
        "true before",
        "true after",
        "true ones kept",
        "false ones kept",
    ):
        table.add_column(column, justify="right")
    for (way, name), runs in found.items():
        table.add_row(way, name, *(_spread([run[key] for run in runs]) for key in runs[0]))
    Console(width=140).print(table)
    if args.json:
        args.json.write_text(
            json.dumps([{"way": way, "of": name, "runs": runs} for (way, name), runs in found.items()])
        )


def _figures(
    run: Path, model: EvidenceModel, encodings: Encodings, keep: float
) -> Iterator[tuple[str, dict[str, float]]]:
    settings = read_manifest(run / "manifest.json").settings
    root = world_root(settings)
    truth = load_truth(root)
    cache = settings.cache.frames()
    sampling = settings.video.model_copy(update={"max_pixels": model.max_pixels}).sampling()

    def clip(answer: Answer) -> Clip:
        return cache.clip(root / answer.video, answer.video_sha256, sampling)

    total: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    done = sum((run / "rounds" / f"{number:02}" / "dataset").exists() for number in range(1, settings.rounds + 1))
    for number in range(1, done + 1):
        before, files = RoundFiles(run, number - 1), RoundFiles(run, number)
        validation = [
            one for one in read_answers(before.evaluation.with_name("validation.jsonl")) if one.kind == "direct"
        ]
        kept = [one for one in read_answers(files.answers) if one.kept]
        scores, foils = [], []
        for answers in (validation, kept):
            step = max(1, len(answers) // _OTHERS)
            scorer = Scorer(model, [clip(one) for one in answers[::step][:_OTHERS]], encodings)
            said = [_said(one) for one in answers]
            told = [k for k, text in enumerate(said) if text]
            started, made = time.perf_counter(), []
            for at in range(0, len(told), 64):
                made += scorer.scores([Described(clip(answers[k]), said[k]) for k in told[at : at + 64]])
            print(f"{run} round {number}: {len(told) / (time.perf_counter() - started):.0f} answers/s", flush=True)
            scores.append(dict(zip(told, made, strict=True)))
            if answers is validation:
                wrong = [(clip(answers[k]), one_foil(said[k])) for k in told]
                foils = scorer.scores([Described(shown, text) for shown, text in wrong if text])
        least, _ = least_support([(scores[0][k], validation[k].accepted) for k in scores[0]], foils, keep)
        for k, one in enumerate(kept):
            score = Score()
            score.add(one.text, truth[one.video])
            pair = bool(score.all), scores[1].get(k, 1.0) >= least
            for name in (f"{number} {one.kind}", f"{number} all", "all"):
                total[name].append(pair)
    for name, pairs in sorted(total.items()):
        true = np.array([one for one, _ in pairs])
        passed = np.array([two for _, two in pairs])
        yield (
            name,
            {
                "answers": len(pairs),
                "before": true.mean(),
                "after": true[passed].mean() if passed.any() else float("nan"),
                "true kept": passed[true].mean() if true.any() else float("nan"),
                "false kept": passed[~true].mean() if (~true).any() else float("nan"),
            },
        )


def _said(answer: Answer) -> str:
    return description(answer.text, parse_label({"kind": "action", "name": answer.label, "among": [answer.label]}))


def _spread(values: Sequence[float]) -> str:
    if values[0] > 1:
        return f"{statistics.mean(values):.0f}"
    return f"{statistics.mean(values):.1%} ({min(values):.1%} to {max(values):.1%})"


if __name__ == "__main__":
    main()
