"""Read a pickle that may come from anyone: containers, text, numbers and arrays of numbers, and nothing else.

A pickle is a program; `pickle.load` runs it. Here every name that it asks for is refused, but for the four
that numpy's numbers are made with, and those are stood in for by the small functions below: numpy itself
is never called with what a file says.
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

MAX_BYTES = 64 * 1024 * 1024  # the largest of the official files has 5 MB


def load_numbers(path: Path) -> Any:
    """What the pickle at `path` holds; arrays are numpy arrays. Raises UserError."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{path}: {size} bytes are too many for an annotation file; copy the official file again")
        return _settled(_Unpickler(io.BytesIO(path.read_bytes())).load())
    except _WRONG as error:
        raise UserError(f"{path}: not a pickle of plain values: {error}; copy the official file again") from None


class _Unpickler(pickle._Unpickler):
    # The one in Python, not the one in C, which takes memory for as many entries as the file claims.

    def find_class(self, module: str, name: str) -> Any:
        stand_in = _STAND_INS.get((module.replace("numpy._core", "numpy.core"), name))
        if stand_in is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not run")
        return partial(stand_in)  # a new one each time: the file may set attributes on what it is given

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to things outside itself")


class _Kind:
    """numpy.dtype: of booleans, integers or floats, or None. What is of another kind stays unread."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.dtype = np.dtype(code) if isinstance(code, str) and code in _CODES else None

    def __setstate__(self, state: Any) -> None:
        if self.dtype is not None and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])

    def read(self, content: bytes) -> np.ndarray[Any, Any] | None:
        """The numbers in `content`."""
        return np.frombuffer(content, self.dtype) if self.dtype is not None and isinstance(content, bytes) else None


class _Array:
    """numpy.ndarray, empty until its state is set."""

    def __init__(self, *_: Any) -> None:
        self.array: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, content = state
        found = kind.read(content)
        self.array = None if found is None else found.reshape(shape, order="F" if by_columns else "C")


def _scalar(kind: Any, content: Any) -> Any:
    found = kind.read(content)
    return None if found is None else found.item()


def _encoded(text: str, encoding: str) -> bytes:
    """How the older protocols spell bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")


def _settled(value: Any) -> Any:
    """`value` with arrays in place of their stand-ins, three containers deep: as deep as the official files go."""
    return _settle(value, 3)


def _settle(value: Any, depth: int) -> Any:
    if isinstance(value, _Array):
        return value.array
    if depth and isinstance(value, dict):
        return {key: _settle(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list):
        return [_settle(item, depth - 1) for item in value]
    return value


_CODES = {"b1", *(f"{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8"}
_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _encoded,
}
# Whatever a broken or hostile program can bring the unpickler to raise.
_WRONG = (
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
