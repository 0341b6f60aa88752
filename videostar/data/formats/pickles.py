"""Reads an untrusted pickle of containers, text, numbers and arrays of numbers, without running code from it.

A pickle is a program that `pickle.load` runs. This unpickler refuses all names that it imports, except for the five
that numpy's arrays and scalars need. Small functions below replace these, so a file never calls numpy itself.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from videostar.util.errors import UserError

MAX_BYTES = 64 * 1024 * 1024  # the largest official file has 5 MB


def load_plain_pickle(path: Path) -> Any:
    """The content of the pickle at `path`, with numpy arrays. Raises UserError if it is no pickle of plain values."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{path}: {size} bytes are too many for an annotation file; copy the official file again")
        return _resolve(_Unpickler(io.BytesIO(path.read_bytes())).load())
    except _ERRORS as error:
        raise UserError(f"{path}: not a pickle of plain values: {error}; copy the official file again") from None


class _Unpickler(pickle._Unpickler):
    # In Python, since the unpickler in C allocates as many entries as the file claims.

    def find_class(self, module: str, name: str) -> Any:
        replacement = _REPLACEMENTS.get((module.replace("numpy._core", "numpy.core"), name))
        if replacement is None:
            raise pickle.UnpicklingError(f"it imports {module}.{name}, which is refused")
        return partial(replacement)  # a new object each time, since the file may set attributes on it

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside the file")


class _Dtype:
    """Replaces numpy.dtype. `dtype` is one of booleans, integers or floats, or None for other types."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.dtype = np.dtype(code) if isinstance(code, str) and code in _CODES else None

    def __setstate__(self, state: Any) -> None:
        if self.dtype is not None and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])

    def read(self, content: bytes) -> np.ndarray[Any, Any] | None:
        """The numbers in `content`; None for other types."""
        return np.frombuffer(content, self.dtype) if self.dtype is not None and isinstance(content, bytes) else None


class _Array:
    """Replaces numpy.ndarray. `array` is None until the state is set."""

    def __init__(self, *_: Any) -> None:
        self.array: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, by_columns, content = state
        numbers = dtype.read(content)
        self.array = None if numbers is None else numbers.reshape(shape, order="F" if by_columns else "C")


def _scalar(dtype: Any, content: Any) -> Any:
    numbers = dtype.read(content)
    return None if numbers is None else numbers.item()


def _encoded(text: str, encoding: str) -> bytes:
    """Replaces _codecs.encode, by which older protocols write bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it has the encoding {encoding!r}, which is refused")
    return text.encode("latin1")


def _resolve(value: Any, depth: int = 3) -> Any:
    """`value` with numpy arrays in place of `_Array`, up to three containers deep, as in the official files."""
    if isinstance(value, _Array):
        return value.array
    if depth and isinstance(value, dict):
        return {key: _resolve(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list):
        return [_resolve(item, depth - 1) for item in value]
    return value


_CODES = {"b1", *(f"{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8"}
_REPLACEMENTS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encoded,
}
# All errors that a broken or hostile pickle can cause in the unpickler.
_ERRORS = (
    pickle.UnpicklingError,
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
