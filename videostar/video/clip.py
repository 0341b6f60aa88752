"""The frames that a model sees of a video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Clip:
    """Sampled frames with their times."""

    frames: np.ndarray  # uint8 [frames, height, width, 3], RGB
    times: tuple[float, ...]  # presentation time of each frame, seconds from the first picture
    fps: float  # average frame rate of the file
    seconds: float  # duration of the file
    still: bool = False  # nothing moves from frame to frame
    key: str = ""  # clips with equal keys have equal frames; empty if unknown
