"""Draw scenes and write them as clips: an object on a textured background, with grey distractors and noise."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from videostar.demo.world import COLOURS, SHAPES, Scene


def render(scene: Scene, times: np.ndarray) -> np.ndarray:
    """Frames of `scene` at `times` (shares of the clip in [0, 1]): uint8 [len(times), height, width, 3]."""
    rng = np.random.default_rng(scene.seed)
    width, height = scene.size
    short = min(scene.size)
    frames = np.repeat(_background(rng, width, height)[None], len(times), axis=0)
    for _ in range(rng.integers(0, 4)):
        shade = rng.uniform(20, 235)
        drift = rng.uniform(-0.04, 0.04, size=2)
        centres = rng.uniform(0.05, 0.95, size=2) + drift * times[:, None]
        _draw(frames, centres, rng.uniform(0.03, 0.07) * short, SHAPES[rng.integers(len(SHAPES))], np.full(3, shade))
    colour = np.clip(np.array(COLOURS[scene.colour]) + rng.normal(0, 8, size=3), 0, 255)
    _draw(frames, scene.position(times), scene.radius * short, scene.shape, colour)
    # Each frame takes its noise from one shared table: it looks like new noise and is far cheaper.
    count = frames[0].size
    noise = rng.standard_normal(count + 4096, dtype=np.float32) * np.float32(rng.uniform(1, 7))
    for frame, offset in zip(frames, rng.integers(4096, size=len(frames)), strict=True):
        frame += noise[offset : offset + count].reshape(frame.shape)
    pixels: np.ndarray = np.clip(frames, 0, 255).astype(np.uint8)
    return pixels


def write_clip(path: Path, scene: Scene) -> None:
    """Write all frames of a scene as an H.264 file, with a GOP length and quality drawn from its seed."""
    rng = np.random.default_rng((scene.seed, 1))
    count = scene.frame_count
    frames = render(scene, (np.arange(count) + 0.5) / count)
    options = {
        "preset": "veryfast",
        "threads": "1",
        "x264-params": "no-mbtree=1",  # with it, x264's AVX-512 code gives other bytes from run to run
        "crf": str(rng.integers(17, 27)),
        "g": str(rng.choice([6, 12, 250])),
    }
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(scene.fps).limit_denominator(1000), options=options)
        stream.width, stream.height = scene.size
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A muted texture, float32 [height, width, 3]: coarse blobs, sometimes stripes."""
    base = rng.uniform(60, 190) + rng.uniform(-12, 12, size=3)
    cells = rng.integers(2, 9)
    grid = rng.uniform(0, 255, size=(cells, cells)).astype(np.uint8)
    blobs = np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    texture = (blobs - 128) * rng.uniform(0.05, 0.3)
    if rng.uniform() < 0.4:
        angle, waves = rng.uniform(0, np.pi), rng.uniform(2, 9)
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        texture += rng.uniform(4, 16) * np.sin(
            2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)) / max(width, height)
        )
    coloured: np.ndarray = (base + texture[..., None]).astype(np.float32)
    return coloured


def _draw(frames: np.ndarray, centres: np.ndarray, radius: float, shape: str, colour: np.ndarray) -> None:
    """Paint `shape` into float frames [n, h, w, 3], centred at `centres` [n, 2] (shares), radius in pixels."""
    height, width = frames.shape[1:3]
    reach = int(np.ceil(radius * 1.3)) + 1
    for frame, (cx, cy) in zip(frames, centres * (width, height), strict=True):
        left, top = max(0, int(cx) - reach), max(0, int(cy) - reach)
        patch = frame[top : int(cy) + reach + 1, left : int(cx) + reach + 1]
        if patch.size == 0:
            continue
        y = (np.arange(top, top + patch.shape[0], dtype=np.float32)[:, None] + 0.5 - cy) / radius
        x = np.abs(np.arange(left, left + patch.shape[1], dtype=np.float32)[None] + 0.5 - cx) / radius
        cover = np.clip(0.5 - _distance(shape, x, y) * radius, 0, 1)[..., None]
        patch += cover * (colour - patch)


def _distance(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed distance to a shape of radius 1, negative inside; `x` is already mirrored to x >= 0."""
    bar = 0.38
    distances: dict[str, np.ndarray] = {
        "circle": np.hypot(x, y) - 1.0,
        "square": np.maximum(x, np.abs(y)) - 0.88,
        "triangle": np.maximum(y - 0.6, 0.866 * x - 0.5 * y - 0.6),
        "cross": np.minimum(np.maximum(x - 1.05, np.abs(y) - bar), np.maximum(np.abs(y) - 1.05, x - bar)),
    }
    return distances[shape]
