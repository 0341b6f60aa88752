"""The evidence for an answer: how sure a second model is that the answer belongs to its clip, and not the reverse."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import NamedTuple

import torch

from videostar.evidence.base import EvidenceModel
from videostar.evidence.encodings import Encodings
from videostar.evidence.foils import foils
from videostar.video.clip import Clip

_DIGITS = 4  # of a score: rounding differs between machines


class Described(NamedTuple):
    """A clip and what an answer says of it."""

    clip: Clip
    text: str


class Scorer:
    """Scores descriptions against clips. Any number of threads may share it."""

    def __init__(self, model: EvidenceModel, others: Sequence[Clip], encodings: Encodings) -> None:
        """`others`: clips of the same data that every description is compared with as well."""
        self._model, self._encodings = model, encodings
        self._others = encodings.of(model, others)
        self._keys = [clip.key for clip in others]
        self._lock = threading.Lock()

    def scores(self, described: Sequence[Described]) -> list[float]:
        """The score of each description, from 0 to 1.

        It is the share of the description and its own clip in a softmax over that pair, the description with each of
        the other clips, and each foil of it with its own clip. So it is close to 1 only if the pair comes out on top
        of both with a margin.
        """
        if not described:
            return []
        texts, clips = [one.text for one in described], [one.clip for one in described]
        wrong = [foils(text) for text in texts]
        with self._lock:
            own = self._encodings.of(self._model, clips)
            fits = self._model.similarity(own, texts).diagonal()
            margins = self._model.against(own, texts, wrong)
            if self._others:
                apart = fits[:, None] - self._model.similarity(self._others, texts).T
                for row, clip in enumerate(clips):
                    same = [place for place, key in enumerate(self._keys) if key == clip.key]
                    apart[row, same] = math.inf
                margins = [torch.cat([margin, row]) for margin, row in zip(margins, apart, strict=True)]
        return [round(1 / (1 + float(torch.exp(-margin.cpu().double()).sum())), _DIGITS) for margin in margins]
