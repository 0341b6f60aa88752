"""From a video file to the pictures that are on screen at the sampled times."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from videostar.video.clip import Clip
from videostar.video.container import open_file, open_video
from videostar.video.errors import BadVideo
from videostar.video.sample import frame_times
from videostar.video.timeline import Timeline, measure, pictures

# Bit-exact: the same pixels whatever vector instructions the processor has.
_SCALING = int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT)
# Seconds, to which containers round their times: the same film must give the same pictures from any of them.
_ROUNDING = 0.001


def decode(path: Path, frames: int, max_pixels: int, sha256: str | None = None) -> Clip:
    """`frames` pictures, at the centres of equal shares of the duration, each of at most `max_pixels` pixels.

    A frame is the picture on screen at its time, with that picture's own time in `Clip.times`: when there are fewer
    pictures than frames, pictures repeat. They keep the display aspect, are turned upright and are never enlarged.
    With `sha256` (hexadecimal) the file must have that content. Raises BadVideo for whatever is wrong with the file.
    """
    if frames < 1 or max_pixels < 1:
        raise ValueError(f"cannot decode {frames} frames of {max_pixels} pixels")
    with open_file(path) as file:
        if sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise BadVideo("unreadable", "changed since it was checked")
        return _decode(file, measure(file), frames, max_pixels)


def _decode(file: BufferedReader, timeline: Timeline, frames: int, max_pixels: int) -> Clip:
    scaler = VideoReformatter()  # one for all pictures: setting it up takes longer than a small picture
    images: list[np.ndarray] = []
    times: list[float] = []
    latest: VideoFrame | None = None
    with open_video(file) as (container, stream):
        width, height = _target_size(timeline, float(stream.sample_aspect_ratio or 1), max_pixels)
        for at, picture in _on_screen(pictures(container, stream, timeline), frame_times(timeline.seconds, frames)):
            if picture is not latest:
                rgb = scaler.reformat(picture, width, height, "rgb24", interpolation=_SCALING, threads=1).to_ndarray()
                image = np.rot90(rgb, round(picture.rotation / 90))  # both count anticlockwise
                latest = picture
            images.append(image)
            times.append(at)
    return Clip(np.stack(images), tuple(times), timeline.fps, timeline.seconds)


def _on_screen(
    shown: Iterator[tuple[float, VideoFrame]], wanted: Iterable[float]
) -> Iterator[tuple[float, VideoFrame]]:
    """For each of the ascending times the last picture shown by then. Reads one picture further than the last time."""
    now, following = next(shown), next(shown, None)
    for time in wanted:
        while following is not None and following[0] <= time + _ROUNDING:
            now, following = following, next(shown, None)
        yield now


def _target_size(stored: Timeline, aspect: float, max_pixels: int) -> tuple[int, int]:
    """Width and height to scale to; `aspect` is how wide a stored pixel is shown for its height."""
    width = stored.width * min(1.0, aspect)  # oblong pixels are made square by shrinking one side
    height = stored.height / max(1.0, aspect)
    shrink = min(1.0, math.sqrt(max_pixels / (width * height)))
    tall = min(max(1, round(height * shrink)), max_pixels)
    return min(max(1, round(width * shrink)), max_pixels // tall), tall
