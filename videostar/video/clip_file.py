"""Stores a clip in one safetensors file, with its frames compressed by LZ4 without loss."""

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
    """The content is not a clip that `pack` made with this key."""


def pack(key: str, clip: Clip) -> bytes:
    """`clip` as the content of a safetensors file, with any `key`. Equal clips give equal bytes."""
    about = {"key": key, "shape": clip.frames.shape, "times": clip.times, "fps": clip.fps, "seconds": clip.seconds}
    about |= {"still": True} if clip.still else {}
    header = np.frombuffer(json.dumps(about).encode(), np.uint8)
    frames = np.frombuffer(pa.compress(pa.py_buffer(np.ascontiguousarray(clip.frames)), codec=_CODEC), np.uint8)
    return save({"about": header, "frames": frames, "sha256": np.frombuffer(_digest(header, frames), np.uint8)})


def read_clip(file: Path, key: str) -> Clip:
    """The clip in a file of `write_clip`. Raises Damaged if the file is missing or has any other content."""
    try:
        stored = load(file.read_bytes())
        header, frames, sha256 = (stored[name] for name in ("about", "frames", "sha256"))
        if sha256.tobytes() != _digest(header, frames):
            raise Damaged(key)
        about = json.loads(header.tobytes())
        if about["key"] != key:  # a file may have been copied or renamed by hand
            raise Damaged(key)
        raw = pa.decompress(pa.py_buffer(frames), decompressed_size=math.prod(about["shape"]), codec=_CODEC)
        images = np.frombuffer(raw, np.uint8).reshape(about["shape"])
        return Clip(images, tuple(about["times"]), about["fps"], about["seconds"], about.get("still", False), key)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise Damaged(key) from error


def write_clip(file: Path, key: str, clip: Clip) -> None:
    """Write `clip` to `file`, with a `key` that `read_clip` must be given."""
    file.write_bytes(pack(key, clip))


def _digest(header: np.ndarray, frames: np.ndarray) -> bytes:
    """The SHA-256 of the header and the compressed frames, since safetensors has no checksum."""
    digest = hashlib.sha256(header.data)
    digest.update(frames.data)
    return digest.digest()
