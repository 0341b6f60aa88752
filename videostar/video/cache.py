"""Sampled frames on disk, so that later rounds and training never open the source video."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from platformdirs import user_cache_dir
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from videostar.video.clip import Clip
from videostar.video.decode import decode

FORMAT = 1  # raise it whenever the same video and sampling would give other frames, or another layout here


def default_cache_dir() -> Path:
    """Where frames are kept unless told otherwise: in the cache folder that this system gives its user."""
    return Path(user_cache_dir("videostar")) / "frames"


class FrameCache:
    """One safetensors file of JPEGs for each video content and sampling. Any number of processes may share it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def clip(self, path: Path, sha256: str, frames: int, max_pixels: int) -> Clip:
        """What `decode` gives for the content `sha256` (hexadecimal), through JPEG, and so the same at every use.

        `path` is opened only when there is no sound entry for that content. Raises BadVideo when the file is then bad,
        or has changed, and OSError when the entry cannot be written.
        """
        key = f"{sha256}-{frames}x{max_pixels}-v{FORMAT}"
        entry = self._root / sha256[:2] / f"{key}.safetensors"
        try:
            return read_clip(entry, key)
        except Damaged:  # or absent
            clip = decode(path, frames, max_pixels, sha256)
        entry.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place, so that no process sees half of it; not synced, because after a crash it is checked.
        with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".making-") as aside:
            made = Path(aside) / entry.name
            write_clip(made, key, clip)
            clip = read_clip(made, key)
            made.replace(entry)
        return clip


class Damaged(Exception):
    """Not what `write_clip` wrote under this key."""


def write_clip(file: Path, key: str, clip: Clip) -> None:
    """Write `clip` as JPEGs under a key of the caller's."""
    jpegs = [_to_jpeg(frame) for frame in clip.frames]
    data = np.frombuffer(b"".join(jpegs), np.uint8)
    ends = np.cumsum([len(jpeg) for jpeg in jpegs], dtype=np.int64)
    about = {"key": key, "times": clip.times, "fps": clip.fps, "seconds": clip.seconds}
    signed = {**about, "digest": _digest(about, data, ends)}
    # One metadata entry, because safetensors writes several in an order that changes: equal clips, equal files.
    save_file({"jpegs": data, "ends": ends}, file, {"clip": json.dumps(signed)})


def read_clip(file: Path, key: str) -> Clip:
    """The clip in a file of `write_clip`. Raises Damaged when it holds anything else."""
    try:
        with safe_open(file, framework="np") as stored:
            about = json.loads(stored.metadata()["clip"])
            data, ends = stored.get_tensor("jpegs"), stored.get_tensor("ends")
        # The key as well: a file may have been copied or renamed by hand.
        if about.pop("digest") != _digest(about, data, ends) or about["key"] != key:
            raise Damaged(file)
        frames = np.stack([_from_jpeg(jpeg.tobytes()) for jpeg in np.split(data, ends[:-1])])
        return Clip(frames, tuple(about["times"]), about["fps"], about["seconds"], key)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise Damaged(file) from error


def _digest(about: dict[str, Any], data: np.ndarray, ends: np.ndarray) -> str:
    """Of everything in the file, since safetensors has no checksum of its own."""
    return hashlib.sha256(json.dumps(about).encode() + ends.tobytes() + data.tobytes()).hexdigest()


def _to_jpeg(frame: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=95, subsampling="4:4:4")
    return buffer.getvalue()


def _from_jpeg(jpeg: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        return np.asarray(image)
