"""Films for tests: each picture shows its own number as eight black or white bars."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from videostar.video.clip import Clip

WIDTH, HEIGHT = 128, 96
MILLISECOND = Fraction(1, 1000)


def bars(number: int) -> np.ndarray:
    bits = [255 * (number >> bit & 1) for bit in range(8)]
    row = np.repeat(np.array(bits, np.uint8), WIDTH // 8)
    return np.broadcast_to(row[None, :, None], (HEIGHT, WIDTH, 3)).copy()


def number_in(image: np.ndarray) -> int:
    columns = image[image.shape[0] // 2].mean(axis=1)
    centres = [columns[int((bit + 0.5) * len(columns) / 8)] for bit in range(8)]
    assert all(value < 70 or value > 185 for value in centres), centres
    return sum((value > 127) << bit for bit, value in enumerate(centres))


def numbers_in(clip: Clip) -> list[int]:
    return [number_in(frame) for frame in clip.frames]


def film(
    path: Path,
    pictures: int = 60,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    stamps: Sequence[int] | None = None,  # milliseconds, instead of 30 pictures a second
    aspect: Fraction | None = None,
    rotation: int = 0,
    muxing: dict[str, str] | None = None,
) -> Path:
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV cannot encode {codec}")
    with av.open(str(path), "w", container_options=muxing or {}) as out:
        stream = out.add_stream(codec, rate=30, options=options or {})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if stamps is not None:
            stream.time_base = stream.codec_context.time_base = MILLISECOND
        if aspect:
            stream.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(pictures if stamps is None else len(stamps)):
            frame = av.VideoFrame.from_ndarray(bars(number), format="rgb24")
            frame.pts = number if stamps is None else stamps[number]
            frame.time_base = Fraction(1, 30) if stamps is None else MILLISECOND
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def sound(path: Path, cover: bool = False) -> Path:
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=8000)
        if cover:
            picture = out.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
            picture.disposition = Disposition.attached_pic
            out.mux(picture.encode(av.VideoFrame.from_ndarray(bars(1), format="rgb24")))
            out.mux(picture.encode(None))
        for number in range(8):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, number * 1024
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
