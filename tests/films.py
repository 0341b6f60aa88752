"""Films for tests: each picture shows its own number as eight black or white bars."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from videostar.video.clip import Clip

WIDTH, HEIGHT = 128, 96
MILLISECOND = Fraction(1, 1000)


def bars(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    bits = np.array([255 * (number >> bit & 1) for bit in range(8)], np.uint8)
    row = bits[np.arange(width) * 8 // width]
    return np.broadcast_to(row[None, :, None], (height, width, 3)).copy()


def waves(number: int, width: int, height: int) -> np.ndarray:
    """Texture that moves: a cloth with a pattern, and waves of light over it."""
    x, y = np.arange(width), np.arange(height)[:, None]
    pattern = np.random.default_rng(1).integers(0, 90, (64, 64)).repeat(4, 0).repeat(4, 1)
    cloth = pattern[(y + number) % 256, (x + 2 * number) % 256]
    light = [
        np.sin(x / a + number / 5) * np.cos(y / b - number / 7) + np.sin((x + y) / (a + b))
        for a, b in ((9, 13), (21, 8), (14, 30))
    ]
    return np.stack([cloth + 80 + 40 * each for each in light], axis=-1).clip(0, 255).astype(np.uint8)


def number_in(image: np.ndarray) -> int:
    columns = image[image.shape[0] // 2].mean(axis=1)
    centres = [columns[int((bit + 0.5) * len(columns) / 8)] for bit in range(8)]
    assert all(value < 70 or value > 185 for value in centres), centres
    return sum(int(value > 127) << bit for bit, value in enumerate(centres))


def numbers_in(clip: Clip) -> list[int]:
    return [number_in(frame) for frame in clip.frames]


def film(
    path: Path,
    pictures: int | Sequence[int] = 60,  # how many, or the number that each shows
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    stamps: Sequence[int] | None = None,  # milliseconds, instead of 30 pictures a second
    aspect: Fraction | None = None,
    rotation: int = 0,
    muxing: dict[str, str] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pixels: str = "yuv420p",
    transfer: int | None = None,  # as ITU-T H.273 counts them
    start: int = 0,  # in pictures: when the first one is shown
    draw: Callable[[int, int, int], np.ndarray] = bars,  # from number, width and height
) -> Path:
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV cannot encode {codec}")
    numbers = range(pictures) if isinstance(pictures, int) else pictures
    with av.open(str(path), "w", container_options=muxing or {}) as out:
        stream = out.add_stream(codec, rate=30, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        if stamps is not None:
            stream.time_base = stream.codec_context.time_base = MILLISECOND
        if aspect:
            stream.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        if transfer:
            stream.codec_context.color_trc = transfer
        for at, number in enumerate(numbers if stamps is None else range(len(stamps))):
            frame = av.VideoFrame.from_ndarray(draw(number, *size), format="rgb24")
            frame.pts = start + at if stamps is None else stamps[at]
            frame.time_base = Fraction(1, 30) if stamps is None else MILLISECOND
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def sound(path: Path, cover: bool = False, seconds: float = 1) -> Path:
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=8000)
        if cover:
            picture = out.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
            picture.disposition = Disposition.attached_pic
            out.mux(picture.encode(av.VideoFrame.from_ndarray(bars(1), format="rgb24")))
            out.mux(picture.encode(None))
        for number in range(round(seconds * 8000 / 1024)):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, number * 1024
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def joined(path: Path, *parts: Path, muxing: dict[str, str] | None = None) -> Path:
    """The streams of all parts beside one another in one file."""
    with av.open(str(path), "w", container_options=muxing or {}) as out, ExitStack() as opened:
        sources = [opened.enter_context(av.open(str(part))) for part in parts]
        # All of them before the first packet, with which the header is written.
        copies = {stream: out.add_stream_from_template(stream) for source in sources for stream in source.streams}
        for stream, copy in copies.items():
            copy.disposition = stream.disposition
        for source in sources:
            for packet in source.demux():
                if packet.size:
                    packet.stream = copies[packet.stream]
                    out.mux(packet)
    return path
