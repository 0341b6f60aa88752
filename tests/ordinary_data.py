"""Small labelled data as people hold it: eight clips, row files around them, and what `videostar check` reports."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
from commands import Command

LABELS = ("opening a door", "closing a door", "walking", "running")
WIDTH, HEIGHT = 64, 48
RATE = 12  # pictures a second


def picture(number: int, at: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    """Picture `at` of clip `number`: a white block that goes right, on a cloth of the clip's own."""
    width, height = size
    cells = np.random.default_rng(number).integers(0, 200, (-(-height // 8), -(-width // 8), 3)).astype(np.uint8)
    cloth: np.ndarray = cells.repeat(8, 0).repeat(8, 1)[:height, :width].copy()
    side = max(2, height // 4)
    left = at * 2 % max(1, width - side)
    cloth[height // 3 : height // 3 + side, left : left + side] = 255
    return cloth


def write_film(
    path: Path,
    pictures: Iterable[np.ndarray],
    *,
    codec: str = "libx264",
    rate: int = RATE,
    container: str | None = None,
    pixels: str = "yuv420p",
) -> Path:
    """A film of these pictures, in the format of the path's ending (or as `container`)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container) as out:
        stream = None
        for image in pictures:
            if stream is None:
                stream = out.add_stream(codec, rate=rate)
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = pixels
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        assert stream is not None
        out.mux(stream.encode())
    return path


def write_clip(
    path: Path, number: int = 0, pictures: int = 24, size: tuple[int, int] = (WIDTH, HEIGHT), **how: Any
) -> Path:
    """Clip `number`: 24 pictures of 64 x 48 at 12 a second, unless told otherwise."""
    return write_film(path, (picture(number, at, size) for at in range(pictures)), **how)


def write_rows(path: Path, *lines: str) -> Path:
    """A text file of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def checked(videostar: Command, data: Path | str, *arguments: object) -> dict[str, Any]:
    """The report of `videostar check DATA --json`, whose sums are right."""
    done = videostar("check", data, "--json", *arguments)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["rows"] == report["usable"] + len(report["skipped"])
    assert sum(report["labels"].values()) == report["usable"]
    return report


def rows_of(videostar: Command, data: Path | str, *arguments: object) -> dict[str, Any]:
    """The same without opening a video, which takes most of the time."""
    return checked(videostar, data, "--rows-only", *arguments)


def told(videostar: Command, *arguments: object) -> str:
    """The one line on standard error of a command that ends with exit code 2."""
    done = videostar(*arguments)
    assert done.returncode == 2, (done.returncode, done.stdout[-500:], done.stderr[-500:])
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert "Traceback" not in done.stderr
    return lines[0]
