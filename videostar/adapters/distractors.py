"""The wrong options of a choice whose rows name only the right one: other labels of the data."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from videostar.adapters.adapter import Row
from videostar.data.folds import confusions, read_folds
from videostar.data.rows import Malformed, short
from videostar.labels.names import readable_name
from videostar.util.errors import UserError
from videostar.util.files import digest_json

RANDOM = "random"
_OPTIONS = 4


@dataclass(frozen=True)
class Distractors:
    """Draws them: at random, or by how probable a classifier finds them for training videos with the right label."""

    confused: Mapping[str, Mapping[str, float]]  # by label, in words; empty: at random
    labels: tuple[str, ...] = ()  # of the data, in words and in order

    @classmethod
    def load(cls, name: str) -> Self:
        """At `random`, or by the out-of-fold predictions in the folder `name`. Raises UserError if it has none."""
        return cls({} if name == RANDOM else confusions(read_folds(Path(name).expanduser())))

    @property
    def digest(self) -> str:
        """The identity of what is drawn by."""
        return digest_json(self.confused)

    def among(self, labels: Collection[str]) -> Self:
        """The same for data with these labels. Raises UserError if predictions know none of them."""
        words = tuple(sorted(set(map(readable_name, labels))))
        if words and self.confused and self.confused.keys().isdisjoint(words):
            raise UserError(
                f"distractors: the predictions are of other labels, such as {short(min(self.confused))}, and the data "
                f"have {short(words[0])}; make them from the same data"
            )
        return replace(self, labels=words)

    def options(self, label: Any, row: Row) -> dict[str, Any]:
        """`options` by letter and the letter of the `answer`, for a row with that label. Raises Malformed.

        They are drawn from the row alone, so they are the same in every run.
        """
        if not isinstance(label, str):
            raise Malformed(f"the label {short(label)} is no text, and the row has no options")
        right = readable_name(label)
        draw = random.Random(json.dumps(dict(row), sort_keys=True, default=str))
        known = set(self.labels)
        weights = {name: weight for name, weight in self.confused.get(right, {}).items() if name in known}
        # The smallest of exponential draws with these rates: drawn by weight, without replacement.
        wrong = sorted(weights, key=lambda name: draw.expovariate(weights[name]))[: _OPTIONS - 1]
        others = [name for name in self.labels if name != right and name not in wrong]
        wrong += draw.sample(others, min(_OPTIONS - 1 - len(wrong), len(others)))
        if not wrong:
            raise Malformed(f"there is no other label than {short(right)} to choose from")
        texts = draw.sample([right, *wrong], 1 + len(wrong))
        options = dict(zip(string.ascii_uppercase, texts, strict=False))
        return {"options": options, "answer": string.ascii_uppercase[texts.index(right)]}
