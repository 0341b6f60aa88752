"""Makes the files of `benchmarks/decode.py`: five codecs, two sizes, three keyframe intervals."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from rich.progress import track

FPS = 30
SECONDS = 10.0
SIZES = {"540p": (960, 540), "1080p": (1920, 1080)}
GOPS = {"short-gop": 30, "long-gop": 250, "one-keyframe": 9999}
CODECS = {
    "h264": ("libx264", "mp4", {"preset": "veryfast", "sc_threshold": "0"}),
    "hevc": ("libx265", "mp4", {"preset": "ultrafast"}),
    "vp9": ("libvpx-vp9", "webm", {"deadline": "realtime", "cpu-used": "8", "row-mt": "1"}),
    "av1": ("libsvtav1", "mp4", {"preset": "11", "crf": "35"}),
    "mpeg4": ("mpeg4", "avi", {"bf": "2"}),
}
_BITS = {"540p": 4_000_000, "1080p": 10_000_000}  # per second, for codecs without a constant quality


def make_files(folder: Path) -> list[Path]:
    """Make all files in `folder`; existing ones are not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [(size, codec, gop) for size in SIZES for codec in CODECS for gop in GOPS]
    return [_make(folder, *name) for name in track(names, "files")]


def _make(folder: Path, size: str, codec: str, gop: str) -> Path:
    encoder, suffix, options = CODECS[codec]
    path = folder / f"{codec}-{size}-{gop}.{suffix}"
    if path.exists():
        return path
    partial = folder / f"making.{suffix}"
    keys = GOPS[gop]
    private = {
        "hevc": {"x265-params": f"log-level=none:keyint={keys}:min-keyint={keys}:scenecut=0"},
        "av1": {"svtav1-params": f"keyint={keys if keys < 9999 else -1}"},
    }
    with av.open(str(partial), "w") as out:
        stream = out.add_stream(encoder, rate=FPS, options={**options, **private.get(codec, {"g": str(keys)})})
        stream.width, stream.height = SIZES[size]
        stream.pix_fmt = "yuv420p"
        if codec in ("vp9", "mpeg4"):
            stream.bit_rate = _BITS[size]
        for number, image in enumerate(_scene(*SIZES[size], int(FPS * SECONDS))):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return partial.rename(path)


def _scene(width: int, height: int, count: int) -> Iterator[np.ndarray]:
    """Frames of a camera that moves over a rough landscape, with a square that circles in front of it."""
    draw = np.random.default_rng(0)
    land = np.full((2 * height, 2 * width, 3), 128, np.float32)
    for size, strength in ((256, 40), (64, 25), (16, 12), (4, 4)):
        coarse = draw.standard_normal((2 * height // size + 1, 2 * width // size + 1, 3)).astype(np.float32)
        land += strength * np.kron(coarse, np.ones((size, size, 1), np.float32))[: 2 * height, : 2 * width]
    picture = land.clip(0, 255).astype(np.uint8)
    side = height // 8
    for number in range(count):
        share = number / count
        x, y = int(0.9 * width * (0.5 - 0.5 * np.cos(3.1 * share))), int(0.9 * height * share)
        image = picture[y : y + height, x : x + width].copy()
        left = int(width * (0.5 + 0.35 * np.sin(number / 20))) - side
        top = int(height * (0.5 + 0.35 * np.cos(number / 33))) - side
        image[top : top + 2 * side, left : left + 2 * side] = (255, number % 255, 40)
        yield image
