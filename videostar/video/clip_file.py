"""A clip as one file: its frames as they are, to the bit, packed by LZ4."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load, save

from videostar.video.clip import Clip

_CODEC = "lz4_raw"


class Damaged(Exception):
    """Not what `pack` made under this key."""


def pack(key: str, clip: Clip) -> bytes:
    """`clip` as the content of a safetensors file, under a key of the caller's. Equal clips, equal bytes."""
    about = {"key": key, "shape": clip.frames.shape, "times": clip.times, "fps": clip.fps, "seconds": clip.seconds}
    told = np.frombuffer(json.dumps(about).encode(), np.uint8)
    frames = np.frombuffer(pa.compress(pa.py_buffer(np.ascontiguousarray(clip.frames)), codec=_CODEC), np.uint8)
    return save({"about": told, "frames": frames, "sha256": np.frombuffer(_digest(told, frames), np.uint8)})


def unpack(content: bytes, key: str) -> Clip:
    """The clip that `pack` was given. Raises Damaged for anything else."""
    try:
        stored = load(content)
        told, frames, sha256 = (stored[name] for name in ("about", "frames", "sha256"))
        if sha256.tobytes() != _digest(told, frames):
            raise Damaged(key)
        about = json.loads(told.tobytes())
        if about["key"] != key:  # a file may have been copied or renamed by hand
            raise Damaged(key)
        raw = pa.decompress(pa.py_buffer(frames), decompressed_size=math.prod(about["shape"]), codec=_CODEC)
        images = np.frombuffer(raw, np.uint8).reshape(about["shape"])
        return Clip(images, tuple(about["times"]), about["fps"], about["seconds"], key)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise Damaged(key) from error


def write_clip(file: Path, key: str, clip: Clip) -> None:
    """Write `clip` under a key of the caller's."""
    file.write_bytes(pack(key, clip))


def read_clip(file: Path, key: str) -> Clip:
    """The clip in a file of `write_clip`. Raises Damaged when it is not there or holds anything else."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Damaged(key) from error
    return unpack(content, key)


def _digest(told: np.ndarray, frames: np.ndarray) -> bytes:
    """Of everything in the file, since safetensors has no checksum of its own."""
    digest = hashlib.sha256(told.data)
    digest.update(frames.data)
    return digest.digest()
